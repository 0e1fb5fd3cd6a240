"""Sorted samples: quantiles, neighbours, averages with forgetting, stand-ins for what was cut off."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.beliefs.sample import Average, Pairs, beyond, pinball, swapped, three

NUMBERS = st.floats(-50, 50)


@given(st.lists(NUMBERS, min_size=1, max_size=60))
def test_quantiles(values: list[float]) -> None:
    """They are Weibull's, i / (n + 1), within the sample and in order."""
    found = three(sorted(values))
    assert found == pytest.approx(np.quantile(values, (0.1, 0.5, 0.9), method="weibull"), abs=1e-9)
    assert list(found) == sorted(found)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=40), st.integers(-5, 25), st.integers(1, 12))
def test_near(keys: list[int], key: int, count: int) -> None:
    """The nearest keys, as many as asked for or as there are."""
    sample = Pairs()
    for k in keys:
        sample = sample.swap((k, float(k)), None)
    got = sorted(abs(value - key) for value in sample.near(key, count))
    assert got == sorted(abs(k - key) for k in keys)[:count]


def test_of_equal_keys_the_latest() -> None:
    """Where more answers are equally near than are asked for, the last ones count."""
    sample = Pairs()
    for value in range(10):
        sample = sample.swap((3.0, float(value)), None)
    sample = sample.swap((9.0, 99.0), None)
    assert sample.near(3.0, 4) == [6.0, 7.0, 8.0, 9.0]


def test_swap_leaves_the_old_one() -> None:
    """A pair goes and another comes in a new value; the old one stays as it was."""
    one = Pairs().swap((1.0, 10.0), None).swap((1.0, 11.0), None).swap((0.0, 5.0), None)
    other = one.swap((2.0, 20.0), (1.0, 11.0))
    assert (one.keys, one.values) == ([0.0, 1.0, 1.0], [5.0, 10.0, 11.0])
    assert (other.keys, other.values) == ([0.0, 1.0, 2.0], [5.0, 10.0, 20.0])
    assert other.swap(None, None) is other
    assert swapped([1.0, 2.0, 3.0], 2.5, 1.0) == [2.0, 2.5, 3.0]


def test_pinball() -> None:
    """The quantile of a sample has the least pinball loss at its level."""
    sample = np.random.default_rng(1).exponential(1.0, 2001)
    for level in (0.1, 0.5, 0.9):
        tried = [
            sum(pinball(v, q, level) for v in sample) for q in np.quantile(sample, (level - 0.05, level, level + 0.05))
        ]
        assert min(tried) == tried[1]


def test_average() -> None:
    """A plain mean until it remembers enough, exponential after; shrunk by what its parent counts as."""
    average = Average()
    for value in (1.0, 2.0, 3.0, 6.0):
        average = average.add(value, 100.0)
    assert (average.weight, average.mean) == (4.0, pytest.approx(3.0))
    assert average.towards(7.0, 4.0) == pytest.approx(5.0)
    for _ in range(200):
        average = average.add(10.0, 20.0)
    assert average.weight == 20.0 and average.mean == pytest.approx(10.0, abs=0.01)
    assert average.capped(2.0) == Average(2.0, average.mean)
    assert Average().towards(7.0, 4.0) == 7.0


@given(NUMBERS, NUMBERS, st.floats(0.01, 10))
def test_beyond_never_falls_short(bound: float, middle: float, s: float) -> None:
    """What is only known to exceed a bound counts as more than the bound, and as no less than what was expected."""
    assert beyond(bound, middle, s) >= max(bound, middle - 1e-3 * s)


def test_beyond_is_the_median() -> None:
    """Of the normal law beyond the bound."""
    draws = np.random.default_rng(2).normal(1.0, 2.0, 400_000)
    assert beyond(2.0, 1.0, 2.0) == pytest.approx(float(np.median(draws[draws > 2.0])), abs=0.02)
    assert math.isfinite(beyond(1e6, 0.0, 1.0))
