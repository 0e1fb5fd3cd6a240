"""Independent normal weights in shared rows."""

from __future__ import annotations

import numpy as np
import pytest

from router.beliefs.linear import Linear

KEYS = ((("all", ""), ("arm", "a")), (("all", ""), ("arm", "b")))
SCALES = {"all": 0.5, "arm": 0.2}
AT, VALUES = np.array([3, 7]), np.array([1.0, -2.0])


def test_one_update() -> None:
    """Both arms share a row: evidence on one moves the other by the shared part; only what was met changes."""
    old = Linear(8, SCALES)
    assert not old.shift(KEYS, AT, VALUES).any()
    shared, own = 0.25 * 5.0, 0.04 * 5.0
    assert old.look(KEYS, AT, VALUES).covariance == pytest.approx(
        np.array([[shared + own, shared], [shared, shared + own]])
    )
    new = old.add(old.look(KEYS[:1], AT, VALUES), np.array([0.3]), np.array([[0.1]]), 1.0)
    assert new.shift(KEYS, AT, VALUES) == pytest.approx([0.3 * (shared + own), 0.3 * shared])
    assert new.look(KEYS, AT, VALUES).covariance[0, 0] < shared + own and not old.rows
    assert len(new.rows) == 2 and all(np.flatnonzero(row.mean).tolist() == [3, 7] for row in new.rows.values())
    again = new.add(new.look(KEYS[:1], AT, VALUES), np.array([0.3]), np.array([[0.1]]), 1.0)
    assert float(new.shift(KEYS, AT, VALUES)[0]) < float(again.shift(KEYS, AT, VALUES)[0])


def test_forgetting() -> None:
    """Keeping nothing leads a weight back to its prior before it learns again."""
    values, nothing = np.array([1.0, 1.0]), np.zeros((1, 1))
    start = Linear(8, SCALES)
    known = start.add(start.look(KEYS[:1], AT, values), np.array([1.0]), np.array([[1.0]]), 1.0)
    gone = known.add(known.look(KEYS[:1], AT, values), np.zeros(1), nothing, 0.0)
    assert not gone.shift(KEYS, AT, values).any()
    assert gone.look(KEYS, AT, values).covariance == pytest.approx(start.look(KEYS, AT, values).covariance)
