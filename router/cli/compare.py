"""`turnout compare`: your own sample on every model, judged by your own test, before you commit to one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from router import catalog as catalogs
from router import loader
from router.catalog import Catalog
from router.cli import options, show
from router.cli.replay import progress, table
from router.compare import ledger as ledgers
from router.compare import sample
from router.compare.judge import Command, Judge, expecting
from router.compare.ledger import Ledger
from router.compare.run import Limits, Place, Runner, Summary, places
from router.compare.sample import Task
from router.errors import ConfigError
from router.learning import baselines, report, trace
from router.learning.replay import Way
from router.learning.trace import Step
from router.learning.walk import Judge as Verdict
from router.settings import Settings

OUT, ERR = show.terminal(), show.terminal(stderr=True)


class Match(StrEnum):
    equals = "equals"
    contains = "contains"


class Wish(msgspec.Struct, frozen=True):
    """What the command line says of a run."""

    output: Path
    text: bool
    limits: Limits


def command(
    context: typer.Context,
    path: Annotated[Path, typer.Option("--sample", help="Chat bodies: JSON lines.", show_default=False)],
    verify: Annotated[str | None, typer.Option(help="A program that judges an answer.", show_default=False)] = None,
    expect: Annotated[Match | None, typer.Option(help="Or compare with `expected`.", show_default=False)] = None,
    output: Annotated[Path, typer.Option(help="The trace to write.")] = Path("trace.jsonl"),
    arm: Annotated[list[str] | None, typer.Option(help="A model or arm; repeatable.", show_default="all")] = None,
    attempts: Annotated[int, typer.Option(help="Answers of each arm to each line.", min=1, max=32)] = 1,
    concurrency: Annotated[int, typer.Option(help="Answers under way at a time.", min=1, max=1024)] = 8,
    max_cost: Annotated[float | None, typer.Option(help="USD to spend at most.", min=0, show_default=False)] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for one answer.", min=0.1)] = 600.0,
    verify_timeout: Annotated[float, typer.Option(help="Seconds for one verdict.", min=0.1)] = 60.0,
    text: Annotated[bool, typer.Option("--text", help="Put the user's words into the trace.")] = False,
    catalog: options.Catalog = None,
) -> None:
    """Run your sample on every model and write a trace. What was run is kept; the same command goes on with it."""
    judge = _judge(verify, expect, verify_timeout)
    here = options.settings(context.obj, catalog=catalog)
    tasks = sample.read(path, expected=expect is not None)
    models, missing = catalogs.usable(catalogs.load(here.catalog_path), here.environment)
    for deployment, variable in missing.items():
        show.say(ERR, f"{deployment} is left out: {variable} is not set.", style="yellow")
    where = places(models, arm or [])
    wish = Wish(output, text, Limits(attempts, concurrency, max_cost, timeout))
    with Ledger(output.with_name(f"{output.name}.answers"), tasks) as ledger:
        try:
            summary = asyncio.run(_run(models, here, tasks, where, judge, ledger, wish))
        finally:  # ctrl-C too keeps what is there
            steps = ledgers.steps(tasks, [p.arm.name for p in where], attempts, ledger.done, text=text)
            written = trace.write(output, steps) if steps else 0
            show.say(ERR, f"{written:,} of {len(tasks):,} lines are through on every arm: {output}.")
    if steps:
        _told(steps)
    if isinstance(judge, Command) and judge.late:
        show.say(ERR, f"{judge.late} verdicts took longer than {verify_timeout:g} s and count as failures.")
    if not _complete(summary):
        raise typer.Exit(1)


def _judge(verify: str | None, expect: Match | None, seconds: float) -> Judge:
    if (verify is None) == (expect is None):
        raise ConfigError("compare", None, "give either --verify or --expect")
    if verify is not None:
        return Command(verify, seconds)
    assert expect is not None
    return expecting(expect.value)


async def _run(
    models: Catalog,
    here: Settings,
    tasks: Sequence[Task],
    where: Sequence[Place],
    judge: Judge,
    ledger: Ledger,
    wish: Wish,
) -> Summary:
    upstream = loader.upstreams((p.deployment for p in where), here)
    total = len(tasks) * len(where) * wish.limits.attempts
    try:
        with progress(ERR, ["answers"], total) as bars:
            advance = bars(0)
            advance(sum(len(own) for own in ledger.done.values()))
            runner = Runner(upstream, judge, ledger, wish.limits, moved=lambda: advance(1))
            return await runner.run(tasks, where)
    finally:
        await upstream.close()


def _told(steps: list[Step]) -> None:
    """Each arm alone, as the trace has it."""
    alone = [t for t in baselines.all_of(steps, [Verdict()]) if t.kind in ("always", "oracle")]
    table(OUT, report.report(steps, alone, Way(learn="off")))


def _complete(summary: Summary) -> bool:
    """Says what was run and what is missing; whether nothing is."""
    show.say(ERR, f"Ran {summary.ran:,} answers for ${summary.spent:.4f}; {summary.refused:,} were refused.")
    for arm, (count, reason) in summary.failed.items():
        show.say(ERR, f"{arm}: {count:,} answers never came. {reason}", style="red")
    if summary.out_of_money:
        show.say(ERR, "--max-cost leaves no room for the next answer. Raise it, and the same command goes on.")
    return not summary.failed and not summary.out_of_money
