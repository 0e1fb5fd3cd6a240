"""Chance by key."""

from __future__ import annotations

import statistics

import pytest

from router.simulate import draws


def test_draws_only_depend_on_their_key() -> None:
    """The same key gives the same number; parts of a key are not run together; numbers fill the interval evenly."""
    assert draws.uniform(7, "a", 1) == draws.uniform(7, "a", 1)
    assert draws.uniform("a", "bc") != draws.uniform("ab", "c")
    many = [draws.uniform("u", i) for i in range(20_000)]
    assert 0 < min(many) and max(many) < 1
    assert statistics.fmean(many) == pytest.approx(0.5, abs=0.01)
    normals = [draws.normal("n", i) for i in range(20_000)]
    assert statistics.fmean(normals) == pytest.approx(0, abs=0.03)
    assert statistics.stdev(normals) == pytest.approx(1, abs=0.03)
