"""`turnout evaluate`: what another policy would have come to on logged runs, before it serves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from router import config, loader, policy, promotions, yaml_file
from router.catalog import Catalog
from router.cli import journal, options, show
from router.errors import ConfigError
from router.journal import StepRecord, Tally
from router.journal import steps as stored
from router.learning import logs, trace
from router.learning.estimate import Estimate
from router.learning.evaluate import Evaluation, Numbers, evaluate
from router.learning.weighing import Pair
from router.policy import Policy
from router.settings import Settings

OUT, ERR = show.terminal(), show.terminal(stderr=True)
NOT_SHOWN = 1
"""Exit status where there is no estimate, or the candidate is not shown to be better."""
Journal = Annotated[
    Path | None,
    typer.Option("--journal", help="A folder of the journal, or an export of it.", show_default="the server's"),
]


def command(
    context: typer.Context,
    candidate: Annotated[str, typer.Argument(metavar="CANDIDATE", help="A policy, or a file of one.")],
    against: Annotated[
        str | None, typer.Option(help="The policy that logged, or its file.", show_default="the server's")
    ] = None,
    where: Journal = None,
    state: options.State = None,
    since: options.Since = None,
    until: options.Until = None,
    catalog: options.Catalog = None,
    policies: options.Policies = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write all numbers.", show_default=False)] = None,
) -> None:
    """Judge a policy by what another one logged while it explored. Calls no model, changes nothing."""
    if as_json is not None and not as_json.parent.is_dir():
        raise ConfigError(str(as_json), None, "there is no such folder")
    here = options.settings(context.obj, catalog=catalog, policies=policies)
    pair, models = chosen(here, candidate, against)
    with records(context, where, state, since, until) as steps:
        made = evaluate(steps, pair, models)
    if as_json is not None:
        trace.replaced(as_json, (msgspec.json.format(msgspec.json.encode(made)) + b"\n",))
    shown(made)
    if not made.passes:
        raise typer.Exit(NOT_SHOWN)


def chosen(here: Settings, candidate: str, against: str | None) -> tuple[Pair, Catalog]:
    """Both policies, by name or file, and the catalog. Raises ConfigError."""
    current = config.load(here, without_keys=True)
    new, _ = _policy(current, "CANDIDATE", candidate)
    old, version = _policy(current, "--against", against or here.policy)
    return Pair(new, old, version), current.catalog


def _policy(current: config.Config, what: str, name: str) -> tuple[Policy, str]:
    """The policy, and the digest of its file as the journal has it."""
    if name.endswith(".yaml"):
        path = Path(name)
        read = policy.load(path)
        config.refers(read, current.catalog, path)
        return read, promotions.digest(yaml_file.read_bytes(path))
    if name not in current.policies:
        raise ConfigError(what, None, f"{name!r} is none of {', '.join(current.policies)}, and no .yaml file")
    return current.policies[name], current.versions[name]


@contextmanager
def records(
    context: typer.Context, where: Path | None, state: Path | None, since: str | None, until: str | None
) -> Iterator[Iterator[StepRecord]]:
    """The logged steps, counted for the eye as they pass; what was passed over is told at the end."""
    if where is not None:
        logs.check(where)
    tally, now = Tally(), time.time()
    begin, end = journal.moment("--since", since, now), journal.moment("--until", until, now)
    with journal.progress() as counted:
        if where is not None:
            yield counted(logs.logged(where, loader.duckdb, since=begin, until=end, tally=tally))
        else:
            with journal.place(context, state) as (folder, _):
                yield counted(stored(folder, since=begin, until=end, tally=tally))
    journal.passed_over(tally)


def shown(made: Evaluation) -> None:
    """The table, and the verdict."""
    show.say(
        OUT,
        f"{made.steps:,} steps ({made.judged:.0%} judged) in {made.runs:,} runs of {made.current}; they say as much of "
        f"{made.candidate} as {made.effective_runs:,.0f} of its own runs would.",
    )
    if made.refusals:
        show.say(OUT, f"No estimate for {made.candidate}:", style="bold yellow")
        for reason in made.refusals:
            show.say(OUT, f"  - {reason}")
        return
    assert made.before and made.after and made.change and made.check
    right = ("success %", "USD per success", "seconds")
    table = show.empty_table(OUT, "", "policy", *right, right=right)
    table.add_row(made.current, *_cells(made.before))
    table.add_row(made.candidate, *_cells(made.after), style="bold")
    table.add_row("change", *_cells(made.change))
    table.add_row("check (self-normalised)", *_cells(made.check), style="dim")
    OUT.print(table)
    show.say(OUT, f"{made.candidate} is {made.verdict}.", style="green" if made.passes else "yellow")


def _cells(n: Numbers) -> tuple[str, str, str]:
    return _cell(n.success, 100, 1), _cell(n.cost_per_success, 1, 6), _cell(n.seconds, 1, 2)


def _cell(e: Estimate, factor: float, digits: int) -> str:
    value, low, high = (f"{x * factor:.{digits}f}" for x in (e.value, e.low, e.high))
    return f"{value} ({low} to {high})"
