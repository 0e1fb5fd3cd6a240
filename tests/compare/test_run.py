"""Running a sample."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from router.compare.judge import expecting
from router.compare.ledger import Ledger
from router.compare.run import Limits, Purse, Runner, Summary, places
from router.compare.sample import Task
from router.errors import ConfigError, UpstreamFault
from router.upstream import Line, Scripted
from tests.compare.made import body, said, tasks, two

CATALOG = two()
COST = {"n/off": (1_000 * 0.085 + 100 * 0.40) * 1e-6, "q/off": (1_000 * 0.45 + 100 * 3.00) * 1e-6}


class Bench:
    """A sample and a ledger; waits are noted, not waited."""

    def __init__(self, folder: Path, lines: int = 2, **more: Any) -> None:
        self.tasks = tasks(folder / "s", *({"id": f"t{i}", "expected": "42", **body(**more)} for i in range(lines)))
        self.ledger = Ledger(folder / "l", self.tasks)
        self.waits: list[float] = []
        self.moved, self.first = 0, asyncio.Event()

    async def run(self, upstream: Scripted, arms: tuple[str, ...] = ("n",), **limits: Any) -> Summary:
        async def wait(seconds: float) -> None:
            self.waits.append(seconds)

        def moved() -> None:
            self.moved += 1
            self.first.set()

        runner = Runner(
            upstream, expecting("equals"), self.ledger, Limits(**{"concurrency": 1, **limits}), moved=moved, wait=wait
        )
        return await runner.run(self.tasks, places(CATALOG, arms))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    with made.ledger:
        yield made


async def test_every_line_on_every_arm(bench: Bench) -> None:
    """Judged, priced by usage, one by one; a second run has nothing left to do."""
    upstream = Scripted(by_deployment={"n": [said("41"), said()], "q": [said(), said()]})
    summary = await bench.run(upstream, ())
    assert (summary.ran, summary.refused, summary.failed, summary.out_of_money) == (4, 0, {}, False)
    assert summary.spent == pytest.approx(2 * sum(COST.values())) and bench.moved == 4
    done = {key: own[0] for key, own in bench.ledger.done.items()}
    assert {key: e.success for key, e in done.items()} == {
        ("t0", "n/off"): False,
        ("t1", "n/off"): True,
        ("t0", "q/off"): True,
        ("t1", "q/off"): True,
    }
    assert done["t0", "q/off"].cost_usd == pytest.approx(COST["q/off"])
    assert (done["t0", "n/off"].input_tokens, done["t0", "n/off"].output_tokens) == (1_000, 100)
    assert not any(call.stream for call in upstream.calls)
    assert (await bench.run(Scripted([]), ())).ran == 0


async def test_attempts_are_answers_of_their_own(bench: Bench) -> None:
    """Each arm is asked as often as wanted; what is there already is not asked again."""
    await bench.run(Scripted([said(), said()]))
    summary = await bench.run(Scripted([said("41")] * 4), attempts=3)
    assert summary.ran == 4
    assert [e.success for _, e in sorted(bench.ledger.done["t0", "n/off"].items())] == [True, False, False]


async def test_faults_are_tried_again(bench: Bench) -> None:
    """With growing pauses, or those that the upstream asks for."""
    busy = Line(b"{}", 429, {"retry-after": "7"})
    broken = Line(fault=UpstreamFault("reset", "gone"))
    summary = await bench.run(Scripted([broken, busy, Line(b"{}", 503), said(), said()]))
    assert summary.ran == 2 and bench.waits == [0.5, 7.0, 2.0]


async def test_an_answer_that_never_comes_is_told(bench: Bench) -> None:
    """After four tries; the line is not noted, so the next run tries again."""
    summary = await bench.run(Scripted([*[Line(b"{}", 500)] * 4, said()]))
    assert summary.ran == 1 and summary.failed == {"n/off": (1, "The upstream failed with status 500.")}
    assert not bench.ledger.has(bench.tasks[0], "n/off", 0)
    assert (await bench.run(Scripted([said()]))).ran == 1


async def test_a_wrong_key_is_met_once(bench: Bench) -> None:
    """No other answer of that arm is tried; the other arms go on."""
    upstream = Scripted(by_deployment={"n": [Line(b"{}", 401)], "q": [said(), said()]})
    summary = await bench.run(upstream, ())
    assert summary.ran == 2 and summary.failed["n/off"][0] == 2 and not bench.waits


@pytest.mark.parametrize("message", ["images are not supported", "temperature must be below 2"])
async def test_what_a_deployment_will_not_take_is_noted(bench: Bench, message: str) -> None:
    """Neither tried again now nor in the next run."""
    refusal = Line(json.dumps({"error": {"message": message}}).encode(), 400)
    summary = await bench.run(Scripted([refusal, said()]), attempts=1)
    assert (summary.ran, summary.refused) == (1, 1) and not bench.waits
    assert (await bench.run(Scripted([said()]), attempts=2)).ran == 1  # of the other line alone


async def test_dear_answers_make_careful(tmp_path: Path) -> None:
    """Where answers cost more than their bodies let expect, what was paid so far is what the next is taken to cost."""
    bench = Bench(tmp_path, 12, max_tokens=100)
    with bench.ledger:
        summary = await bench.run(Scripted([said(prompt=50_000)] * 12), ("q",), max_cost=0.1)
        assert summary.out_of_money and summary.ran == 4 and summary.spent <= 0.1


async def test_silence_ends(bench: Bench) -> None:
    """An answer gets its seconds and no more."""
    summary = await bench.run(Scripted([Line(hang=True), said()]), seconds=0.05)
    assert summary.ran == 1 and "No answer in 0.05 s" in summary.failed["n/off"][1]


async def test_money_is_not_overspent(tmp_path: Path) -> None:
    """What an answer may cost at most is set aside first, also where many are under way at a time."""
    bench = Bench(tmp_path, 12, max_tokens=100)
    each, script = (20 * 0.45 + 100 * 3.00) * 1e-6, [said(prompt=20)] * 12
    with bench.ledger:
        summary = await bench.run(Scripted(script), ("q",), max_cost=5 * each, concurrency=8)
        assert summary.out_of_money and 3 <= summary.ran <= 5
        assert summary.spent <= 5 * each and summary.spent == pytest.approx(summary.ran * each)
        summary = await bench.run(Scripted(script), ("q",), max_cost=1.0)
        assert not summary.out_of_money and len(bench.ledger.done) == 12


async def test_a_purse_waits_for_what_is_under_way() -> None:
    """Money set aside may come back; where none is, there is no use in waiting."""
    purse = Purse(10.0)
    assert await purse.take(6.0)
    waiting = asyncio.create_task(purse.take(6.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    await purse.settle(6.0, 1.0)
    assert await waiting
    await purse.settle(6.0, 6.0)
    assert not await purse.take(4.0) and await purse.take(3.0)
    assert await Purse(None).take(1e9)


async def test_a_judge_that_cannot_be_run_ends_it(bench: Bench) -> None:
    """In one sentence, however many answers were under way."""

    async def broken(task: Task, answer: Any) -> bool:
        raise ConfigError("--verify", None, "cannot be run")

    runner = Runner(Scripted([said()] * 4), broken, bench.ledger, Limits(concurrency=2))
    with pytest.raises(ConfigError, match="cannot be run"):
        await runner.run(bench.tasks, places(CATALOG, ()))


async def test_a_run_that_is_ended_keeps_what_it_has(bench: Bench) -> None:
    """What was judged is noted at once."""
    task = asyncio.create_task(bench.run(Scripted([said(), Line(hang=True)])))
    await bench.first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(bench.ledger.done) == [("t0", "n/off")]


async def test_usage_that_is_missing_is_estimated(bench: Bench) -> None:
    """From the bytes of request and answer."""
    choice = {"index": 0, "message": {"content": "42" * 600}, "finish_reason": "stop"}
    await bench.run(Scripted([Line(json.dumps({"choices": [choice]}).encode()), said()]))
    entry = bench.ledger.done["t0", "n/off"][0]
    assert entry.input_tokens > 0 and 150 < entry.output_tokens < 400


def test_places() -> None:
    """Arms by name or model, at the cheapest deployment; what is unknown or not served is told."""
    assert [p.arm.name for p in places(CATALOG, ())] == ["n/off", "q/off"]
    assert [p.deployment.name for p in places(CATALOG, ("q", "n/off"))] == ["n", "q"]
    with pytest.raises(ConfigError, match="'x' is no model or arm"):
        places(CATALOG, ("x",))
    bare = {n: m.model_copy(update={"deployments": ()}) for n, m in CATALOG.models.items()}
    with pytest.raises(ConfigError, match="serves none"):
        places(type(CATALOG).model_construct(**{**dict(CATALOG), "models": bare}), ())
