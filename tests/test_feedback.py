"""Who is told of what."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from router import verdicts
from router.beliefs import Beliefs
from router.feedback import Feedback
from router.outcome import Outcome
from router.store.decisions import Decisions
from router.store.memory import MemoryStore
from router.verdicts import Said
from tests.decided import answer, decided
from tests.plan.small import Q122, N, catalog, choose
from tests.test_evidence import attempt, outcome


async def test_each_is_told_what_concerns_it() -> None:
    """Observers of every outcome, listeners of every verdict, learners only of what moves something."""
    told: dict[str, list[Any]] = {"outcome": [], "verdict": [], "evidence": []}
    store = MemoryStore()
    feedback = Feedback(
        store,
        lambda name: None,
        observers={"o": told["outcome"].append},
        listeners={"l": told["verdict"].append},
        learners={"e": told["evidence"].append},
    )
    quiet = outcome(attempt(), decision=choose(catalog(), verify="none", t=1.0, f=1.0), facts=None)
    await feedback.finished(quiet)
    assert (told["outcome"], told["verdict"], told["evidence"]) == ([quiet], [], [])
    filed = await store.judge("k", Said("decision", "d", 1.0, "caller", 300.0))
    feedback.tell(filed.changes)
    ((about, verdict),) = told["verdict"]
    assert (about.decision_id, verdict.source) == ("d", "caller")
    assert told["evidence"] == list(filed.changes) and len(told["outcome"]) == 1


async def test_a_failing_consumer_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """It is named, and the others are told all the same."""
    failed: list[str] = []
    moved: list[Any] = []

    def broken(what: object) -> None:
        raise ZeroDivisionError

    feedback = Feedback(
        MemoryStore(),
        failed.append,
        observers={"a": broken},
        listeners={"b": broken},
        learners={"c": broken, "d": moved.append},
    )
    with caplog.at_level(logging.CRITICAL, "turnout"):
        await feedback.finished(Outcome("d", "k", "", "none", False, 0.0, 0.0, 400, "error"))
        _, filed = verdicts.judged((decided(),), "d1", Said("decision", "d1", 1.0, "caller", 1.0))
        feedback.tell(filed.changes)
    assert failed == ["a", "b", "c"] and len(moved) == 1


async def test_silence_is_no_success() -> None:
    """A thousand answers that no format check rejects and nobody complains of raise nobody, and lower nobody."""
    believed = Beliefs.prior(catalog())
    before = believed.success.of(N, "task", 1.5, 1.0).p
    decisions = Decisions(2_000, 1e9)
    for i in range(1_000):
        new = decided(f"d{i}", answer(N, True, truncated=False, p=before), step_id=f"s{i}", run_id="r", f=0.95)
        for change in decisions.add(new, began=float(i), refused=(), fresh=False, now=i + 1.0):
            if change.moves:
                believed = believed.learn(change.said, change.earlier)
    assert abs(believed.success.of(N, "task", 1.5, 1.0).p - before) < 0.02


async def test_who_is_complained_of_more_is_believed_less() -> None:
    """Signs tell arms apart: half of one's steps are asked for again, and none of the other's."""
    believed = Beliefs.prior(catalog())
    first = {arm: believed.success.of(arm, "task", 1.5, 1.0).p for arm in (N, Q122)}
    decisions = Decisions(2_000, 1e9)
    for i in range(300):
        arm = (N, Q122)[i % 2]
        new = decided(f"d{i}", answer(arm, p=first[arm]), step_id=f"s{i}")
        changes = decisions.add(new, began=i * 1e3, refused=(), fresh=False, now=i * 1e3 + 1.0)
        if arm == N and i % 4 == 0:
            again = decided(f"e{i}", answer(Q122, p=first[Q122]), step_id=f"s{i}")
            changes += decisions.add(again, began=i * 1e3 + 2.0, refused=(f"d{i}",), fresh=False, now=i * 1e3 + 3.0)
        for change in changes:
            if change.moves:
                believed = believed.learn(change.said, change.earlier)
    last = {arm: believed.success.of(arm, "task", 1.5, 1.0).p for arm in (N, Q122)}
    assert last[N] < first[N] - 0.05 and last[Q122] > first[Q122] - 0.05
