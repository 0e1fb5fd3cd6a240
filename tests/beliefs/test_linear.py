"""Independent normal weights in shared rows."""

from __future__ import annotations

import numpy as np
import pytest

from router.beliefs.linear import blank

KEYS = ((("all", ""), ("arm", "a")), (("all", ""), ("arm", "b")))
SCALES = {"all": 0.5, "arm": 0.2}


@pytest.mark.parametrize("at", [slice(0, 2), np.array([3, 7])])
def test_one_update(at: slice | np.ndarray) -> None:
    """Both arms share a row: evidence on one moves the other by the shared part; only what was met changes."""
    old, values = blank(8, SCALES), np.array([1.0, -2.0])
    assert not old.shift(KEYS, at, values).any()
    shared, own = 0.25 * 5.0, 0.04 * 5.0
    assert old.covariance(KEYS, at, values) == pytest.approx(np.array([[shared + own, shared], [shared, shared + own]]))
    new = old.add(KEYS[:1], at, values, np.array([0.3]), np.array([[0.1]]), 1.0)
    assert new.shift(KEYS, at, values) == pytest.approx([0.3 * (shared + own), 0.3 * shared])
    assert new.covariance(KEYS, at, values)[0, 0] < shared + own and not old.rows
    assert len(new.rows) == 2 and np.count_nonzero(new.mean) == 4


def test_forgetting() -> None:
    """Keeping nothing leads a weight back to its prior before it learns again."""
    at, values, nothing = slice(0, 2), np.array([1.0, 1.0]), np.zeros((1, 1))
    known = blank(2, SCALES).add(KEYS[:1], at, values, np.array([1.0]), np.array([[1.0]]), 1.0)
    gone = known.add(KEYS[:1], at, values, np.zeros(1), nothing, 0.0)
    assert not gone.shift(KEYS, at, values).any()
    assert gone.covariance(KEYS[:1], at, values) == pytest.approx(blank(2, SCALES).covariance(KEYS[:1], at, values))
