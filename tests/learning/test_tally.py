"""Adding up what a way of routing came to."""

from __future__ import annotations

from router.learning.tally import Tally
from router.learning.walk import Judge, Walked, walk
from tests.learning.made import step, tried

ONE = step(0, {"a": tried(False, 1.0, latency_s=2.0), "b": tried(True, 5.0, latency_s=3.0)})


def test_columns_add_up_over_passes() -> None:
    """Success, USD, seconds, attempts, refused and unmet, of each step; the mean is of one pass."""
    tally = Tally("t", "policy", 2)
    for _ in range(2):
        tally.add(0, walk(ONE, ("a", "b"), Judge()), unmet=True)
        tally.add(1, Walked(()), unmet=True)
        tally.passes += 1
    assert tally.mean.tolist() == [[1, 6, 5, 2, 0, 1], [0, 0, 0, 0, 1, 0]]
    assert tally.first == {"a": 2}


def test_a_part_counts_in_part() -> None:
    """Of an arm drawn evenly from two, half."""
    tally = Tally("t", "random", 1)
    for arm in ("a", "b"):
        tally.add(0, walk(ONE, (arm,), Judge(f=1.0)), weight=0.5)
    assert tally.mean.tolist() == [[0.5, 3, 2.5, 1, 0, 0]]
