"""Sorted samples and what is read from them: neighbours of a key, quantiles, losses."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import msgspec

_NORMAL = NormalDist()
LEVELS = (0.1, 0.5, 0.9)
Three = tuple[float, float, float]
"""A value at each of LEVELS."""


def three(ordered: Sequence[float]) -> Three:
    """The quantiles at LEVELS of a sorted sample, linear between order statistics at i / (n + 1)."""
    if len(ordered) == 1:
        return ordered[0], ordered[0], ordered[0]
    i, f, j, g, k, h = _places(len(ordered))
    return (
        ordered[i] + f * (ordered[i + 1] - ordered[i]),
        ordered[j] + g * (ordered[j + 1] - ordered[j]),
        ordered[k] + h * (ordered[k + 1] - ordered[k]),
    )


@lru_cache(maxsize=4096)
def _places(n: int) -> tuple[int, float, int, float, int, float]:
    """For each level, the order statistic below it and the share of the way to the next; `n` at least 2."""
    (i, f), (j, g), (k, h) = (_place(level * (n + 1) - 1, n) for level in LEVELS)
    return i, f, j, g, k, h


def _place(at: float, n: int) -> tuple[int, float]:
    inside = min(max(at, 0.0), n - 1.0)
    below = min(int(inside), n - 2)
    return below, inside - below


def pinball(value: float, quantile: float, level: float) -> float:
    """The loss that the quantile at `level` minimises."""
    gap = value - quantile
    return level * gap if gap > 0 else (level - 1.0) * gap


class Pairs(msgspec.Struct, frozen=True, array_like=True):
    """Values in the order of their keys; those of equal keys in the order in which they came."""

    keys: list[float] = []
    """Neither list is ever changed once the pair exists."""
    values: list[float] = []

    def near(self, key: float, count: int) -> list[float]:
        """The values of the `count` keys nearest to `key`, of equally near ones the latest."""
        keys = self.keys
        if len(keys) <= count:
            return self.values
        end = bisect_right(keys, key)
        low, high = max(0, end - count), min(end, len(keys) - count)
        while low < high:
            middle = (low + high) // 2
            if key - keys[middle] > keys[middle + count] - key:
                low = middle + 1
            else:
                high = middle
        return self.values[low : low + count]

    def swap(self, new: tuple[float, float] | None, old: tuple[float, float] | None) -> Pairs:
        """With the pair `new`, without the pair `old`."""
        if new is None and old is None:
            return self
        keys, values = self.keys.copy(), self.values.copy()
        if new is not None:
            at = bisect_right(keys, new[0])
            keys.insert(at, new[0])
            values.insert(at, new[1])
        if old is not None:
            at = values.index(old[1], bisect_left(keys, old[0]))
            del keys[at], values[at]
        return Pairs(keys, values)


def swapped(ordered: list[float], new: float, old: float | None) -> list[float]:
    """A sorted list with `new` and without `old`."""
    out = ordered.copy()
    insort(out, new)
    if old is not None:
        del out[bisect_left(out, old)]
    return out


class Average(msgspec.Struct, frozen=True, array_like=True):
    """A mean with forgetting: of all values until there are many, exponentially weighted after."""

    weight: float = 0.0
    """How many values it is worth."""
    mean: float = 0.0

    def add(self, value: float, memory: float, weight: float = 1.0) -> Average:
        """With `value`; `memory` is the most values that it may be worth."""
        total = min(self.weight, memory - weight) + weight
        return Average(total, self.mean + weight * (value - self.mean) / total)

    def towards(self, parent: float, strength: float) -> float:
        """The mean shrunk to `parent`, which counts as `strength` values."""
        return (self.weight * self.mean + strength * parent) / (self.weight + strength)

    def capped(self, weight: float) -> Average:
        """The same mean, worth `weight` values at most: what follows moves it faster."""
        return Average(min(self.weight, weight), self.mean)


def beyond(bound: float, middle: float, s: float) -> float:
    """Stand-in for a value that is only known to exceed `bound`: the median of the normal law beyond it.

    Never below `bound`, so that what was cut off never counts as less than what was seen of it.
    """
    below = 0.5 * math.erfc((middle - bound) / (s * math.sqrt(2.0)))
    return max(bound, middle + s * _NORMAL.inv_cdf((1.0 + min(below, 0.999)) / 2))
