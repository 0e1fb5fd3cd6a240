"""`turnout replay`: what each policy would have made of a trace, beside models alone, cascades and the oracle."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from router import config, loader, policy
from router.catalog import Catalog
from router.cli import options, show
from router.errors import ConfigError
from router.learning import baselines, plot, replay, report, trace
from router.learning.replay import Way
from router.learning.report import Report, Row
from router.learning.scores import Scores
from router.learning.tally import Interval, Tally
from router.learning.trace import Step
from router.learning.walk import Judge, Seen
from router.policy import Policy
from router.settings import Settings

OUT, ERR = show.terminal(), show.terminal(stderr=True)
EVERY = 50
"""Steps between two moves of the progress bar."""
MOST_SEEDS = 100
MOST_CASCADES = 6
"""Cascades in the table; the JSON has all."""


class Learn(StrEnum):
    off = "off"
    chosen = "chosen"
    full = "full"


def command(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace: JSON lines.", show_default=False)],
    names: Annotated[
        list[str] | None,
        typer.Option("--policy", help="A policy, or a file of one; may be repeated.", show_default="all"),
    ] = None,
    catalog: options.Catalog = None,
    policies: options.Policies = None,
    learn: Annotated[Learn, typer.Option(help="Whose outcomes are revealed after a step.")] = Learn.chosen,
    verify_tpr: Annotated[float, typer.Option(help="P(a right answer is accepted).", min=0.01, max=1)] = 1.0,
    verify_fpr: Annotated[float, typer.Option(help="P(a wrong one is); 1: nobody looks.", min=0, max=1)] = 0.0,
    seeds: Annotated[int, typer.Option(help="Passes; all but the first shuffle runs.", min=1, max=MOST_SEEDS)] = 1,
    scores: Annotated[Path | None, typer.Option(help="Write each prediction as CSV.", show_default=False)] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write all numbers.", show_default=False)] = None,
    picture: Annotated[Path | None, typer.Option("--plot", help="Draw them.", show_default=False)] = None,
) -> None:
    """Replay a trace under policies, and compare them with fixed choices. Calls no model."""
    for file in (as_json, picture):
        if file is not None and not file.parent.is_dir():
            raise ConfigError(str(file), None, "there is no such folder")
    pyplot = loader.pyplot() if picture is not None else None
    here = options.settings(context.obj, catalog=catalog, policies=policies)
    found, models = chosen(here, names or [])
    steps = trace.read(path)
    way = Way(learn.value, verify_tpr, verify_fpr, seeds)
    with Scores(scores) if scores is not None else contextlib.nullcontext() as written:
        tallies = _run(ERR, steps, found, models, way, written)
    made = report.report(steps, tallies, way)
    if as_json is not None:
        trace.replaced(as_json, (made.json(),))
    table(OUT, made)
    if picture is not None:
        plot.draw(pyplot, made, picture)


def chosen(here: Settings, names: Sequence[str]) -> tuple[list[Policy], Catalog]:
    """The policies by name or file, all of the folder where none is named, and the catalog. Raises ConfigError."""
    current = config.load(here, without_keys=True)
    found = []
    for name in names or current.policies:
        if name.endswith((".yaml", ".yml")):
            found.append(policy.load(Path(name)))
        elif name in current.policies:
            found.append(current.policies[name])
        else:
            raise ConfigError("--policy", None, f"{name!r} is none of {', '.join(current.policies)}")
    return found, current.catalog


def _run(
    err: Console, steps: list[Step], found: Sequence[Policy], models: Catalog, way: Way, written: Scores | None
) -> list[Tally]:
    """Policies and baselines; the scores are those of the first policy's first pass."""
    tallies = []
    with progress(err, [p.name for p in found], len(steps) * way.seeds) as bars:
        for number, each in enumerate(found):
            watch = [_every(bars(number))]
            if written is not None and number == 0:
                watch.append(_first(written.add, len(steps)))
            tallies.append(replay.replay(steps, each, models, way, watch))
    perfect = way.t == 1.0 and way.f in (0.0, 1.0)
    judges = [Judge(way.t, way.f, seed) for seed in range(1 if perfect else way.seeds)]
    return [*tallies, *baselines.all_of(steps, judges)]


def _every(advance: Callable[[int], None]) -> Callable[[Seen], None]:
    passed = 0

    def tell(_: Seen) -> None:
        nonlocal passed
        passed += 1
        if passed % EVERY == 0:
            advance(EVERY)

    return tell


def _first(tell: Callable[[Seen], None], count: int) -> Callable[[Seen], None]:
    """`tell`, for the first `count` steps only."""
    left = count

    def told(seen: Seen) -> None:
        nonlocal left
        if left:
            left -= 1
            tell(seen)

    return told


@contextlib.contextmanager
def progress(err: Console, titles: Sequence[str], total: int) -> Iterator[Callable[[int], Callable[[int], None]]]:
    """A bar for each title; gives what moves the bar of a number."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        tasks = [bars.add_task(title, total=total) for title in titles]
        yield lambda number: lambda steps: bars.advance(tasks[number], steps)


def table(console: Console, made: Report, title: str = "") -> None:
    """One line for each way of routing, 95% intervals in parentheses."""
    right = ("success %", "USD per success", "seconds", "attempts", "refused")
    shown = show.empty_table(console, title, "routing", *right, right=right)
    for row in _shown(made.results):
        cells = (_cell(row.success, 100, 1), _cell(row.cost_per_success, 1, 6), _cell(row.seconds, 1, 1))
        style = "bold" if row.kind == "policy" else None
        shown.add_row(row.name, *cells, f"{row.attempts or 0:.2f}", f"{row.refused or 0:.0f}", style=style)
    console.print(shown)
    left_out = len(made.results) - len(_shown(made.results))
    more = f"; {left_out} more cascades in the JSON" if left_out else ""
    show.say(console, f"{made.steps:,} steps in {made.units:,} units of resampling{more}.", style="dim")


def _shown(results: Sequence[Row]) -> list[Row]:
    """All but the cascades that cost most per success."""
    cascades = [r for r in results if r.kind == "cascade"]
    cascades.sort(key=lambda r: r.cost_per_success.value if r.cost_per_success.value is not None else float("inf"))
    kept = {r.name for r in cascades[:MOST_CASCADES]}
    return [r for r in results if r.kind != "cascade" or r.name in kept]


def _cell(interval: Interval, factor: float, digits: int) -> str:
    """The value and its interval; `-` where nothing succeeded or nothing was tried."""
    if interval.value is None:
        return "-"
    value, low, high = (
        "inf" if x is None else f"{x * factor:.{digits}f}" for x in (interval.value, interval.low, interval.high)
    )
    return f"{value} ({low}-{high})"
