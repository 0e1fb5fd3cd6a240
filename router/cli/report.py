"""`turnout report`: a journal as one page of HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from router.cli import evaluate, options, show
from router.errors import ConfigError
from router.learning import trace
from router.learning.page import page

OUT = show.terminal()


def command(
    context: typer.Context,
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("turnout-report.html"),
    where: evaluate.Journal = None,
    state: options.State = None,
    since: options.Since = None,
    until: options.Until = None,
) -> None:
    """Write one page that shows what was spent, what succeeded, and whether what was foretold came."""
    if not output.parent.is_dir():
        raise ConfigError(str(output), None, "there is no such folder")
    with evaluate.records(context, where, state, since, until) as steps:
        made = page(steps)
    trace.replaced(output, (made.encode(),))
    show.say(OUT, f"Written: {output}")
