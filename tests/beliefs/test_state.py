"""Beliefs as one value: what an observation changes and what it leaves."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from router.beliefs import Beliefs
from router.beliefs.speed import Timing
from router.outcome import Attempt
from router.reports import Asked, Heard, Report
from router.step import Facts
from tests.plan.small import catalog

CATALOG = catalog()
FACTS = Facts(input_bytes=4000)


def test_observe_moves_one_model() -> None:
    """A report moves the counts of its model alone; the old value stays as it was and the rest is shared."""
    old = Beliefs.prior(CATALOG)
    new = old.observe("n", counted=1000, reported=1500)
    assert (old.version, new.version) == (0, 1)
    n, other = CATALOG.models["n"], CATALOG.models["q122"]
    assert new.tokens.count(n, FACTS)[1] > 1000 == old.tokens.count(n, FACTS)[1]
    assert new.tokens.count(other, FACTS) == (1000, 1000)
    assert new.success is old.success and new.length is old.length and new.speed is old.speed


@pytest.mark.parametrize(("counted", "reported"), [(0, 10), (10, 0), (-1, 10)])
def test_nothing_to_learn(counted: int, reported: int) -> None:
    """Without two positive numbers the beliefs stay."""
    old = Beliefs.prior(CATALOG)
    assert old.observe("n", counted, reported) is old


ASKED = Asked("task", 400.0, 1600.0)


def attempt(**changes: Any) -> Attempt:
    """One whole answer of `n/off`: 200 tokens in three seconds."""
    base = Attempt("n/off", "n", "main", 0, 0.0, 3.0, 0.9, 200, 8000, 2000, 200, 50, finish_reason="stop")
    return replace(base, **changes)


def test_answered_moves_length_and_speed() -> None:
    """A whole answer moves its arm's length and its deployment's pace; the rest is shared."""
    old = Beliefs.prior(CATALOG)
    new = old.answered(attempt(), ASKED, n=2, busy=3, room=64)
    assert new.version == 1 and new.success is old.success and new.tokens is old.tokens
    answer = new.length.shapes["task"].answers[0]
    assert answer.value == pytest.approx(math.log(75))
    assert new.length.habits["n/off"].thought.mean == pytest.approx(math.log(26))
    assert new.speed.tracks == old.speed.observe("n:main", Timing(3.0, 100.0, 6000, 0.9, 3, 64)).tracks


def test_answered_knows_a_cut() -> None:
    """An answer that ended at a limit counts as longer than what was seen of it."""
    old = Beliefs.prior(CATALOG)
    whole, cut = (old.answered(attempt(finish_reason=r), ASKED).length.shapes["task"] for r in ("stop", "length"))
    assert cut.answers[0].value > whole.answers[0].value


@pytest.mark.parametrize("changes", [{"fault": "timeout"}, {"output_tokens": 0}])
def test_no_answer_teaches_nothing(changes: dict[str, Any]) -> None:
    """A fault, or an answer without a token."""
    old = Beliefs.prior(CATALOG)
    assert old.answered(attempt(**changes), ASKED) is old


def test_heard_is_all_that_attempts_report() -> None:
    """Each whole answer of a step corrects how tokens are counted and moves lengths and speeds, at the load of then."""
    old = Beliefs.prior(CATALOG)
    expected = old.observe("n", 8000, 8000).answered(attempt(), ASKED, n=2, busy=16, room=64)
    new = old.heard(Heard(ASKED, 2, (Report(attempt(), 8000, 16, 64),)))
    assert new.version == expected.version == 2
    assert new.speed.tracks == expected.speed.tracks
    assert new.length.cells == expected.length.cells and new.tokens.corrections == expected.tokens.corrections


def test_heard_of_estimates() -> None:
    """Tokens that were only estimated correct no count."""
    old = Beliefs.prior(CATALOG)
    new = old.heard(Heard(ASKED, 1, (Report(attempt(estimated=True), 8000, 0, 64),)))
    assert new.tokens is old.tokens and new.length is not old.length
    assert old.counted(Heard(ASKED, 1, (Report(attempt(estimated=True), 8000, 0, 64),))) is old
