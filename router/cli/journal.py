"""`turnout journal`: where outcomes are logged, what they say, and how to take them away as a table."""

from __future__ import annotations

import dataclasses
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from router import loader
from router.cli import ledger, options, show
from router.errors import ConfigError
from router.journal import Copy, Record, StepRecord, Tail, Tally, export, last, read, steps
from router.settings import PREFIX, Settings, from_environment

FOLLOW_S = 0.5
"""Seconds between looks while following."""
OUT, ERR = show.terminal(), show.terminal(stderr=True)
UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}

app = typer.Typer(help="What was decided, what came of it, and what was said of it later.", no_args_is_help=True)


@app.command()
def path(context: typer.Context, state: options.State = None) -> None:
    """Print the folder of the journal, or the place in the store."""
    settings = _settings(context, state)
    if settings.journal == "store":
        with closing(loader.journal_stream(settings)) as stream:
            show.say(OUT, stream.where)
        return
    show.say(OUT, str(folder(settings)))


@app.command("show")
def show_records(
    context: typer.Context,
    count: Annotated[int, typer.Option("--last", "-n", help="How many steps.", min=1, max=1_000_000)] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until ctrl-C.")] = False,
    decision: Annotated[str | None, typer.Option(help="All about one decision id.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as they are, one a line.")] = False,
    state: options.State = None,
) -> None:
    """Show the last steps, or one of them with all that is known of it."""
    tally = Tally()
    with place(context, state) as (where, refresh):
        if decision is not None:
            _one(where, decision, as_json, tally)
            return
        tail = Tail(where)  # before reading: what comes meanwhile is shown twice rather than never
        found = last(where, count, tally)
        print_out = _lines if as_json else ledger.Ledger(OUT).add
        print_out(found)
        if not found and not follow:
            show.say(ERR, f"No outcome is logged in {where} yet.", style="dim")
        passed_over(tally)
        if follow:
            _follow(tail, refresh, print_out)


def _follow(tail: Tail, refresh: Callable[[], None], print_out: Callable[[list[Record]], None]) -> None:
    pause = threading.Event()
    while not pause.wait(FOLLOW_S):
        refresh()
        if more := tail.more():
            print_out(more)


@app.command("export")
def export_records(
    context: typer.Context,
    parquet: Annotated[Path | None, typer.Option(help="Write a Parquet file.", show_default=False)] = None,
    jsonl: Annotated[Path | None, typer.Option(help="Write JSON lines.", show_default=False)] = None,
    since: options.Since = None,
    until: options.Until = None,
    state: options.State = None,
) -> None:
    """Write a table with one row a step, the verdicts on it included."""
    if (parquet is None) == (jsonl is None):
        raise ConfigError("journal export", None, "give either --parquet FILE or --jsonl FILE")
    tally, now = Tally(), time.time()
    duckdb: Any = loader.duckdb() if parquet is not None else None
    begin, end = moment("--since", since, now), moment("--until", until, now)
    with place(context, state) as (where, _), progress() as counted:
        rows = steps(where, since=begin, until=end, tally=tally)
        if parquet is not None:
            count = export.parquet(counted(rows), parquet, duckdb)
        else:
            assert jsonl is not None
            count = export.jsonl(counted(rows), jsonl)
    show.say(OUT, f"{count:,} steps written to {parquet or jsonl}.")
    passed_over(tally)


@contextmanager
def progress() -> Iterator[Callable[[Iterator[StepRecord]], Iterator[StepRecord]]]:
    """Counts rows for the eye as they pass."""
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} steps"), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def counted(rows: Iterator[StepRecord]) -> Iterator[StepRecord]:
            for number, row in enumerate(rows, 1):
                yield row
                if number % 1_000 == 0:
                    bar.update(task, completed=number)

        yield counted


def _one(where: Path, decision: str, as_json: bool, tally: Tally) -> None:
    found = [r for r in read(where, holding=decision.encode(), tally=tally) if r.decision_id == decision]
    if not found:
        raise ConfigError(str(where), None, f"has nothing on the decision {decision[:64]!r}")
    if as_json:
        _lines(found)
    else:
        ledger.detailed(OUT, found)


def _lines(found: Iterable[Record]) -> None:
    for record in found:
        show.say(OUT, msgspec.json.encode(record).decode())


def passed_over(tally: Tally) -> None:
    if tally.torn or tally.invalid:
        show.say(ERR, f"Passed over: {tally.torn} cut-off and {tally.invalid} unreadable lines.", style="yellow")


def _settings(context: typer.Context, state: Path | None) -> Settings:
    found = from_environment(context.obj or {})
    return dataclasses.replace(found, state_dir=state or found.state_dir or found.user_state_dir)


def folder(settings: Settings) -> Path:
    """Where the server keeps its journal, by the same settings. Raises ConfigError where that is nowhere."""
    if settings.journal_dir is None:
        raise ConfigError(f"{PREFIX}STATE_DIR", None, "is not set, and there is no home folder to look in")
    return settings.journal_dir


@contextmanager
def place(context: typer.Context, state: Path | None) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder to read the journal in, and what brings it up to date: a copy where it is kept in the store."""
    settings = _settings(context, state)
    if settings.journal != "store":
        yield folder(settings), lambda: None
        return
    with closing(loader.journal_stream(settings)) as stream, TemporaryDirectory(prefix="turnout-") as home:
        copy = Copy(Path(home))

        def refresh() -> None:
            try:
                copy.add(stream.more())
            except OSError as error:
                raise ConfigError(stream.where, None, f"cannot be read: {error}") from None

        refresh()
        yield Path(home), refresh


def moment(option: str, text: str | None, now: float) -> float | None:
    """Unix time of a date, a date with a time, or so long before `now`. Raises ConfigError."""
    if text is None:
        return None
    if (back := re.fullmatch(r"([0-9]{1,6})([smhd])", text)) is not None:
        return now - int(back[1]) * UNITS[back[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ConfigError(
            option, None, f"{text[:64]!r} is no time; write 2026-05-31, 2026-05-31T14:00 or 24h"
        ) from None
