"""95% intervals by resampling whole runs, whose steps are not independent; the same resamples for every row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from router.learning.tally import COLUMNS, COST, REFUSED, SECONDS, SUCCESS, Array, Interval, Tally
from router.learning.trace import Step

RESAMPLES = 1_000
AT_ONCE = 2_000_000
"""Draws held in memory at a time."""
LOW, HIGH = 0.025, 0.975
EPSILON = 1e-9


def units(steps: Sequence[Step]) -> NDArray[np.intp]:
    """The unit of each step: its run, or itself where it belongs to none."""
    number: dict[tuple[str, str], int] = {}
    keys = [("run", s.run_id) if s.run_id is not None else ("step", s.step_id) for s in steps]
    return np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.intp)


def resampled(tallies: Sequence[Tally], unit: NDArray[np.intp], seed: int) -> Array:
    """(RESAMPLES, tallies, columns + 1): sums over the steps of each resample; the last column counts its steps."""
    count = int(unit.max()) + 1
    ones = np.ones(len(unit))
    table = np.zeros((count, len(tallies), COLUMNS + 1))
    for i, tally in enumerate(tallies):
        mean = tally.mean
        for column in range(COLUMNS):
            table[:, i, column] = np.bincount(unit, mean[:, column], count)
        table[:, i, COLUMNS] = np.bincount(unit, ones, count)
    flat = table.reshape(count, -1)
    draws, out = np.random.default_rng(seed), []
    batch = max(1, AT_ONCE // count)
    for start in range(0, RESAMPLES, batch):
        size = min(batch, RESAMPLES - start)
        picked = draws.integers(count, size=(size, count))
        picked += np.arange(size)[:, None] * count
        times = np.bincount(picked.ravel(), minlength=size * count).reshape(size, count)
        out.append(times @ flat)
    return np.concatenate(out).reshape(RESAMPLES, len(tallies), COLUMNS + 1)


def success(tally: Tally, samples: Array) -> Interval:
    """Share of steps whose returned answer was right."""
    return _interval(float(tally.mean[:, SUCCESS].mean()), samples[:, SUCCESS] / samples[:, COLUMNS])


def seconds(tally: Tally, samples: Array) -> Interval:
    """Mean of the steps that were tried, all their attempts together."""
    mean = tally.mean
    value = _over(mean[:, SECONDS].sum(), len(mean) - mean[:, REFUSED].sum())
    return _interval(value, _over(samples[:, SECONDS], samples[:, COLUMNS] - samples[:, REFUSED]))


def cost_per_success(tally: Tally, samples: Array) -> Interval:
    """USD spent on all steps over the number of successes."""
    mean = tally.mean
    return _interval(_over(mean[:, COST].sum(), mean[:, SUCCESS].sum()), _over(samples[:, COST], samples[:, SUCCESS]))


def _over(part: Array, whole: Array) -> Array:
    """Infinite where `whole` is nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out: Array = np.where(whole > EPSILON, part / whole, np.inf)
    return out


def _interval(value: Array | float, samples: Array) -> Interval:
    """The value with the percentiles of its resamples."""
    ordered = np.sort(samples)
    low, high = (ordered[round(q * (len(ordered) - 1))] for q in (LOW, HIGH))
    return Interval(finite(float(value)), finite(float(low)), finite(float(high)))


def finite(x: float) -> float | None:
    """Eight digits: sums over many steps may differ in the last ones from machine to machine."""
    return float(f"{x:.8g}") if np.isfinite(x) else None
