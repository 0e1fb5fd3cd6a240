"""The frozen records of what happened."""

from __future__ import annotations

from typing import Any

import pytest

from router.outcome import Attempt, CheckResult, Outcome

GOOD, BAD = CheckResult("length", True), CheckResult("schema", False, "not JSON")


def attempt(position: int = 0, **changes: Any) -> Attempt:
    return Attempt("n/off", "n", "d", position, started=0.0, seconds=1.0, **changes)


def outcome(*attempts: Attempt, **changes: Any) -> Outcome:
    base: dict[str, Any] = {"decision_id": "dec", "key_id": "k", "policy": "p", "step_class": "c", "stream": False}
    return Outcome(**base, seconds=1.0, overhead_s=0.0, status=200, result="returned", attempts=attempts, **changes)


@pytest.mark.parametrize(
    ("made", "answered", "accepted"),
    [
        (attempt(), True, True),
        (attempt(checks=(GOOD,)), True, True),
        (attempt(checks=(GOOD, BAD)), True, False),
        (attempt(fault="reset"), False, False),
        (attempt(fault="reset", checks=(GOOD,)), False, False),
    ],
)
def test_an_answer_is_accepted_if_every_check_passed(made: Attempt, answered: bool, accepted: bool) -> None:
    """And a fault is no answer, whatever was judged of it."""
    assert (made.answered, made.accepted) == (answered, accepted)


@pytest.mark.parametrize(
    ("made", "retries"),
    [
        (outcome(), 0),
        (outcome(attempt(0)), 0),
        (outcome(attempt(0, fault="reset"), attempt(0)), 0),
        (outcome(attempt(0), attempt(1, fault="connect"), attempt(1), attempt(2)), 2),
        (outcome(attempt(0), again=True), 1),
        (outcome(attempt(0), attempt(1), again=True), 2),
        (outcome(again=True), 0),
    ],
)
def test_retries_are_positions_of_the_plan_and_the_callers_asking_again(made: Outcome, retries: int) -> None:
    """A fault's substitute uses none, nor does a request that reached no upstream."""
    assert made.retries_used == retries


def test_a_step_costs_what_its_attempts_cost() -> None:
    """Failed ones are paid too."""
    assert outcome(attempt(cost_usd=0.25, fault="truncated"), attempt(1, cost_usd=0.5)).cost_usd == 0.75
    assert outcome().cost_usd == 0
