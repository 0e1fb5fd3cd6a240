"""Logits shifted by a lagged window where an arm succeeds less or more often than believed."""

from __future__ import annotations

import numpy as np
import pytest

from router.beliefs.calibration import MOST, WINDOW, blank


def test_lagged() -> None:
    """Nothing moves until a window is full; then the arm's shift makes up for most of what was missing, others stay."""
    rng, known, logit = np.random.default_rng(0), blank(2), 1.0
    for seen in range(6 * WINDOW):
        believed = 1.0 / (1.0 + np.exp(-(logit + known.shift[0])))
        right = rng.uniform() < 1.0 / (1.0 + np.exp(-0.4))
        if seen == WINDOW - 1:
            assert not known.shift.any()
        known = known.observe(0, float(right) - believed, believed * (1.0 - believed))
    assert known.shift[0] == pytest.approx(-0.6, abs=0.25) and known.shift[1] == 0.0


def test_bounded() -> None:
    """What is wrong by more than a logit is not a matter of calibration."""
    known = blank(1)
    for _ in range(5 * WINDOW):
        known = known.observe(0, -0.9, 0.1)
    assert known.shift[0] == -MOST
