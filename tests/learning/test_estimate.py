"""The estimators, on a log of one-step runs whose truth is plain."""

from __future__ import annotations

import numpy as np
import pytest

from router.learning.estimate import doubly_robust, effective, heavy, self_normalised, weights
from router.learning.weighing import Runs


def bandit(count: int, seed: int, *, foretold: float = 1.0) -> Runs:
    """Arm 1 is drawn with 0.2 and right in 0.6 of runs at $2; arm 0 in 0.8 at $1. Asked is arm 1 alone."""
    rng = np.random.default_rng(seed)
    arm = (rng.uniform(size=count) < 0.2).astype(float)
    right = rng.uniform(size=count) < np.where(arm == 1, 0.6, 0.8)
    came = np.stack((right, np.ones(count), 1.0 + arm, np.ones(count), 3.0 + arm), axis=1).astype(float)
    said = np.tile([0.6 * foretold, 2.0, 4.0], (count, 1, 1))
    real = np.stack((np.where(arm == 1, 0.6, 0.8), 1.0 + arm, 3.0 + arm), axis=1)
    p = np.where(arm == 1, 0.2, 0.8)
    return Runs(came, p, arm[:, None], np.ones(1), said, real, np.zeros(count))


@pytest.mark.parametrize("foretold", [1.0, 0.1])
def test_both_find_the_truth(foretold: float) -> None:
    """Whatever was believed; the doubly robust one is the sharper where that was right."""
    runs = bandit(20_000, 1, foretold=foretold)
    for value in (doubly_robust(runs), self_normalised(runs)):
        success, cost, seconds = value.estimates()
        assert success.low <= 0.6 <= success.high
        assert cost.low - 1e-9 <= 2.0 / 0.6 <= cost.high and seconds.value == pytest.approx(4.0, abs=0.02)


def test_a_good_model_narrows_the_interval() -> None:
    """Costs that are foretold exactly leave the weights nothing to add."""
    runs = bandit(5_000, 2)
    assert doubly_robust(runs).estimates()[2].error < 1e-9
    assert doubly_robust(runs).minus(self_normalised(runs)).estimates()[2].value == pytest.approx(0.0, abs=1e-9)


def test_effective_runs() -> None:
    """Equal weights count whole, one heavy weight counts as one; none as nothing."""
    assert effective(np.ones(10)) == 10 and effective(np.array([100.0, 0, 0])) == pytest.approx(1.0)
    assert effective(np.zeros(3)) == 0.0


def test_a_run_that_weighs_too_much_is_left_to_the_model() -> None:
    """Its outcome does not move the estimate, however large."""
    runs = bandit(2_000, 3)
    runs.p[0] = 1e-6
    runs.agrees[0] = 1.0
    assert heavy(runs).tolist() == [True] + [False] * 1_999 and weights(runs)[0] == pytest.approx(1e6)
    before = doubly_robust(runs).estimates()[1].value
    runs.came[0, 2] = 1e3
    assert doubly_robust(runs).estimates()[1].value == pytest.approx(before, rel=0.5)
