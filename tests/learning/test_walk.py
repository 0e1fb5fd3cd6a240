"""Walking recorded outcomes."""

from __future__ import annotations

import pytest

from router.learning.walk import Judge, walk
from tests.learning.made import step, tried

BAD, GOOD = tried(False, 1.0, latency_s=2.0), tried(True, 5.0, latency_s=3.0)
ONE = step(0, {"a": BAD, "b": GOOD, "c": tried(False, 2.0, attempts=(False, True))})


@pytest.mark.parametrize(
    ("arms", "judge", "made", "success", "cost"),
    [
        (("a", "b"), Judge(), "ab", True, 6.0),
        (("b", "a"), Judge(), "b", True, 5.0),
        (("a", "a"), Judge(), "aa", False, 2.0),  # one outcome on record is repeated
        (("c", "c"), Judge(), "cc", True, 4.0),  # the second is on record
        (("c", "a", "c"), Judge(), "cac", True, 5.0),
        (("a", "b"), Judge(t=1.0, f=1.0), "a", False, 1.0),  # nobody looks
        (("b", "a"), Judge(t=1e-12, f=0.0), "ba", False, 6.0),  # a right answer thrown away; the last is returned
        (("x", "b"), Judge(), "b", True, 5.0),  # x could not take the step
        (("x",), Judge(), "", False, 0.0),
    ],
)
def test_the_next_attempt_follows_a_rejection(
    arms: tuple[str, ...], judge: Judge, made: str, success: bool, cost: float
) -> None:
    """All attempts are paid; the last one's answer counts."""
    walked = walk(ONE, arms, judge)
    assert "".join(m.arm for m in walked.attempts) == made
    assert (walked.success, walked.cost_usd) == (success, cost)


def test_time_adds_up() -> None:
    """Attempts run one after another."""
    assert walk(ONE, ("a", "b"), Judge()).seconds == 5.0


def test_a_fallible_judge_is_the_same_for_everybody() -> None:
    """Its share of mistakes is as told; the same attempt gets the same verdict, another seed other ones."""
    steps = [step(i, {"a": BAD, "b": GOOD}) for i in range(2_000)]
    first, again, other = Judge(0.9, 0.2, 1), Judge(0.9, 0.2, 1), Judge(0.9, 0.2, 2)
    wrong = [first.accepts(s, "a", 0, False) for s in steps]
    right = [first.accepts(s, "b", 0, True) for s in steps]
    assert 0.16 < sum(wrong) / 2_000 < 0.24 and 0.87 < sum(right) / 2_000 < 0.93
    assert wrong == [again.accepts(s, "a", 0, False) for s in steps]
    assert wrong != [other.accepts(s, "a", 0, False) for s in steps]
