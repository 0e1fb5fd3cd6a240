"""The budget of attempts after faults, on a clock that only the test moves, and in an outage of everything."""

from __future__ import annotations

import asyncio
import itertools
import re

import pytest

from router import health
from router.attempts import FaultBudget
from router.health import PROBES
from tests.answers import ANSWERS
from tests.clock import Clock
from tests.faulty import ACTS, Exchange
from tests.proxy.yard import Yard


def taken(budget: FaultBudget, most: int = 10_000) -> int:
    """How many attempts it gives at this moment."""
    count = 0
    while count < most and budget.take():
        count += 1
    return count


def test_ten_a_second_are_always_there() -> None:
    """A server with few steps may mend each of their faults; each refusal is told."""
    clock = Clock(1000.0)
    denied: list[int] = []
    budget = FaultBudget(clock, lambda: denied.append(1))
    assert taken(budget) == 100 and len(denied) == 1
    clock.now += 9.0
    assert not budget.take()
    clock.now += 1.0
    assert taken(budget) == 100


def test_a_fifth_of_the_steps_may_follow_a_fault() -> None:
    """Of the steps of the last ten seconds, beside those ten a second."""
    clock = Clock(1000.0)
    budget = FaultBudget(clock)
    for _ in range(1000):
        budget.step()
    assert taken(budget) == 300
    clock.now += 5.0
    for _ in range(500):
        budget.step()
    assert taken(budget) == 100
    clock.now += 5.0  # the first thousand and what was taken for them have left the window
    assert taken(budget) == 100
    clock.now += 3600.0
    assert taken(budget) == 100


def test_over_a_long_outage_it_amplifies_by_a_fifth() -> None:
    """A thousand steps a second, each failing and asking for another attempt."""
    clock = Clock(1000.0)
    budget = FaultBudget(clock)
    steps = attempts = 0
    for _ in range(60):
        for _ in range(1000):
            budget.step()
            steps += 1
            attempts += 1 + budget.take()
        clock.now += 1.0
    assert 1.19 < attempts / steps < 1.23


async def test_an_outage_of_everything_is_hardly_amplified(yard: Yard) -> None:
    """1,000 steps while every deployment of every model fails: at most 1.3 calls reach the upstream for each."""
    dead = ["html-500", "reset", "html-502"]
    proxy = await yard({"cheap": dead, "middle": dead, "dear": dead})

    async def some() -> list[int]:
        return [(await proxy.chat()).status for _ in range(50)]

    statuses = [status for several in await asyncio.gather(*[some() for _ in range(20)]) for status in several]
    assert len(statuses) == 1000 and set(statuses) == {502, 503}
    assert proxy.upstream.requests <= 1.3 * len(statuses)
    await proxy.all_settled()
    assert max(len(outcome.attempts) for outcome in proxy.outcomes) == 3


async def test_breakers_keep_most_of_an_outage_from_the_upstream(yard: Yard) -> None:
    """After the first faults nobody asks but probes, three at a time, each pause."""
    proxy = await yard({"cheap": "html-500", "dear": "reset"})
    for _ in range(200):
        await proxy.chat()
    assert proxy.upstream.requests <= 10 + 2 * PROBES


async def test_of_many_at_half_open_three_are_probes(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty steps at once when a pause is over: three try the dead upstream, and all are answered."""
    monkeypatch.setattr(health, "FIRST_PAUSE_S", 0.5)
    dying = asyncio.Event()

    async def dead(exchange: Exchange) -> None:
        await dying.wait()
        await exchange.send(*ANSWERS["html-500"])

    monkeypatch.setitem(ACTS, "dead", dead)
    proxy = await yard({"cheap": "dead", "dear": "good"})
    dying.set()
    assert {(await proxy.chat()).status for _ in range(6)} == {200}
    assert proxy.asked.count("dead") == health.FAILURES_TO_OPEN
    dying.clear()
    state = b'turnout_breaker_state{deployment="cheap:d0"} 1.0'
    async with asyncio.timeout(10):
        while state not in (await proxy.fetch("GET", "/metrics")).body:  # noqa: ASYNC110 (a scrape tells)
            await asyncio.sleep(0.02)
    asking = [asyncio.create_task(proxy.chat()) for _ in range(50)]
    await proxy.upstream.until(lambda: proxy.asked.count("good") >= 6 + 50 - PROBES)
    dying.set()
    assert {(await each).status for each in asking} == {200}
    assert proxy.asked.count("dead") == health.FAILURES_TO_OPEN + PROBES


async def test_a_partial_outage_is_amplified_no_more(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two calls of five fail, never so many that a breaker opens: the budget alone bounds what follows them.

    Steps without a second attempt see their fault. What checks reject, and what a caller asks for again, goes on.
    """
    calls = itertools.count()

    async def flaky(exchange: Exchange) -> None:
        await exchange.send(*ANSWERS["html-500" if next(calls) % 5 in (0, 2) else "good"])

    monkeypatch.setitem(ACTS, "flaky", flaky)
    proxy = await yard({"cheap": "flaky", "middle": "empty-content", "dear": "good"})

    async def some() -> list[str]:
        return [
            (await proxy.chat(turnout={"models": ["cheap", "dear"]})).headers["x-turnout-attempts"] for _ in range(75)
        ]

    attempts = [int(n) for several in await asyncio.gather(*[some() for _ in range(16)]) for n in several]
    assert sum(attempts) == proxy.upstream.requests <= 1.2 * len(attempts) + 110
    await proxy.all_settled()
    assert {(o.status, o.error) for o in proxy.outcomes} == {(200, None), (502, "upstream_error")}
    metrics = (await proxy.fetch("GET", "/metrics")).body
    assert float(re.findall(rb"turnout_fault_retries_denied_total ([0-9.]+)", metrics)[0]) > 50
    checked = {"models": ["middle", "dear"], "accuracy": 0.9, "retries": 1, "step_id": "s"}
    for _ in range(2):
        got = await proxy.chat(turnout=checked)
        assert (got.status, got.headers["x-turnout-model"]) == (200, "dear/off")
    assert [a.model for a in (await proxy.settled()).attempts][-1] == "dear"
