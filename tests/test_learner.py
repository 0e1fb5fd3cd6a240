"""Lessons are folded in beside the requests, in order, and within a share of the processor."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from router import learner
from router.learner import AT_ONCE, CAPACITY, Learner
from router.outcome import Evidence
from router.reports import Heard as Reports
from router.verdicts import Change
from tests.decided import decided
from tests.journal.made import outcome

OUTCOME = outcome()
VERDICT = Change((decided(),), (), (object(),))  # type: ignore[arg-type]


class Heard:
    """Stands for beliefs: remembers what it was taught, and how long each lesson takes."""

    def __init__(self, takes: float = 0.0) -> None:
        self.lessons: list[str] = []
        self.takes = takes

    def _take(self, lesson: str) -> Heard:
        until = time.perf_counter() + self.takes
        while time.perf_counter() < until:
            pass
        self.lessons.append(lesson)
        return self

    def heard(self, said: Reports) -> Heard:
        return self._take("heard")

    def counted(self, said: Reports) -> Heard:
        return self._take("counted")

    def learn(self, said: Evidence, earlier: Evidence | None) -> Heard:
        return self._take("success")


def taught(beliefs: Any, *, all_of_it: bool = True) -> tuple[Learner, list[int]]:
    dropped: list[int] = []
    return Learner(
        lambda: beliefs, lambda _: None, lambda: dropped.append(1), lambda: None, all_of_it=all_of_it
    ), dropped


async def test_lessons_are_folded_in_later_and_in_order() -> None:
    """A request only leaves its lesson; the task takes them."""
    beliefs = Heard()
    under_test, dropped = taught(beliefs)
    under_test.outcome(OUTCOME)
    under_test.change(Change((decided(),)))
    assert beliefs.lessons == []
    task = asyncio.create_task(under_test.work())
    async with asyncio.timeout(25):
        while len(beliefs.lessons) < 2:  # noqa: ASYNC110 (a lesson is a plain call)
            await asyncio.sleep(0.001)
    task.cancel()
    assert (beliefs.lessons, dropped) == (["heard", "success"], [])


async def test_a_verdict_is_learned_at_once() -> None:
    """And so are the few that came before it, since it may speak of them."""
    beliefs = Heard()
    under_test, _ = taught(beliefs)
    for _ in range(AT_ONCE):
        under_test.outcome(OUTCOME)
    under_test.change(VERDICT)
    assert beliefs.lessons == ["heard"] * AT_ONCE + ["success"]


async def test_a_verdict_does_not_wait_for_many_lessons() -> None:
    """Its request learns nothing then; it takes its place behind them."""
    beliefs = Heard()
    under_test, _ = taught(beliefs)
    for _ in range(AT_ONCE + 1):
        under_test.outcome(OUTCOME)
    under_test.change(VERDICT)
    assert beliefs.lessons == [] and under_test.waiting == AT_ONCE + 2
    under_test.catch_up()
    assert beliefs.lessons == ["heard"] * (AT_ONCE + 1) + ["success"]


async def test_a_verdict_is_never_dropped() -> None:
    """Where the queue is full, it makes room by learning the oldest lesson."""
    beliefs = Heard()
    under_test, dropped = taught(beliefs)
    for _ in range(CAPACITY):
        under_test.outcome(OUTCOME)
    for _ in range(2):
        under_test.change(VERDICT)
    assert (beliefs.lessons, under_test.waiting, dropped) == (["heard"] * 2, CAPACITY, [])
    under_test.catch_up()
    assert beliefs.lessons[-2:] == ["success"] * 2


async def test_a_flood_is_bounded() -> None:
    """What does not fit into the queue is counted and forgotten."""
    under_test, dropped = taught(Heard())
    for _ in range(CAPACITY + 3):
        under_test.outcome(OUTCOME)
    assert len(dropped) == 3


async def test_without_learning_only_tokens_are_counted() -> None:
    """Success, length and speed stay what the catalog says."""
    beliefs = Heard()
    under_test, _ = taught(beliefs, all_of_it=False)
    under_test.outcome(OUTCOME)
    under_test.change(Change((decided(),)))
    under_test.change(VERDICT)
    under_test.catch_up()
    assert beliefs.lessons == ["counted"]


async def test_learning_takes_its_share_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """It rests after each lesson for as long as the share asks."""
    monkeypatch.setattr(learner, "SHARE", 0.1)
    beliefs = Heard(takes=0.005)
    under_test, _ = taught(beliefs)
    for _ in range(200):
        under_test.outcome(OUTCOME)
    task = asyncio.create_task(under_test.work())
    await asyncio.sleep(0.5)
    task.cancel()
    assert 1 <= len(beliefs.lessons) <= 20  # 10 at a tenth of the time, 100 without rest


async def test_a_lesson_that_fails_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and counted, and the next one is learned."""

    class Stubborn(Heard):
        def heard(self, said: Reports) -> Heard:
            raise ZeroDivisionError

    beliefs, failures = Stubborn(), [0]

    def failed() -> None:
        failures[0] += 1

    current: Any = lambda: beliefs  # noqa: E731
    under_test = Learner(current, lambda _: None, lambda: None, failed, all_of_it=True)
    under_test.outcome(OUTCOME)
    under_test.change(Change((decided(),)))
    task = asyncio.create_task(under_test.work())
    async with asyncio.timeout(5):
        while not beliefs.lessons:  # noqa: ASYNC110 (a lesson is a plain call)
            await asyncio.sleep(0.005)
    assert not task.done()
    task.cancel()
    assert (beliefs.lessons, failures) == (["success"], [1])
    assert "could not be learned" in caplog.text
