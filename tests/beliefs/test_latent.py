"""The quadrature behind success: marginals, and their inverse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.beliefs.latent import marginal, moments, solve, spread


@settings(max_examples=50, deadline=None)
@given(p=st.floats(0.01, 0.99), sigma=st.floats(0, 5), tau=st.floats(0, 5))
def test_marginal_equals_score(p: float, sigma: float, tau: float) -> None:
    """Whatever the spreads, `solve` finds the mu whose chance of one attempt is p."""
    assert marginal(solve(p, sigma, tau), sigma, tau) == pytest.approx(p, abs=1e-9)


def test_quadrature_agrees_with_simulation() -> None:
    """The marginal is the mean over drawn difficulties; its slope that of a small step."""
    rng = np.random.default_rng(0)
    z, u = rng.normal(size=(2, 200_000))
    drawn = 1.0 / (1.0 + np.exp(-(0.7 + 1.5 * z + 1.0 * u)))
    p, slope = moments(0.7 + spread(1.5, 1.0))
    assert p == pytest.approx(drawn.mean(), abs=0.004)
    assert slope == pytest.approx((marginal(0.701, 1.5, 1.0) - marginal(0.699, 1.5, 1.0)) / 0.002, rel=1e-3)
