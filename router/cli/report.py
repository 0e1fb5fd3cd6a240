"""`turnout report`: a journal as one page of HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from router.cli import evaluate, journal, show
from router.errors import ConfigError
from router.learning import trace
from router.learning.page import page

OUT = show.terminal()


def command(
    context: typer.Context,
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("turnout-report.html"),
    where: evaluate.Journal = None,
    state: journal.State = None,
    since: journal.Since = None,
    until: Annotated[str | None, typer.Option(help="Only before then.", show_default=False)] = None,
) -> None:
    """Write one page that shows what was spent, what succeeded, and whether what was foretold came."""
    if not output.parent.is_dir():
        raise ConfigError(str(output), None, "there is no such folder")
    with evaluate.records(context, where, state, since, until) as steps:
        made = page(steps)
    trace.replaced(output, (made.encode(),))
    show.say(OUT, f"Written: {output}")
