"""Weights on what is known of a step, as independent normals: one row for all arms, one for each arm, class and both.

An arm's logit moves by the features times the sum of its rows, so what all rows share is learned once (how hard such
a step is) and an arm's own row only holds how it differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from router.beliefs.latent import Array, Index

Floats = NDArray[Any]
Places = Index | slice
Key = tuple[str, str]
"""(kind, name) of a row."""
Keys = tuple[tuple[Key, ...], ...]
"""The rows of each of some arms."""


class Linear(msgspec.Struct, frozen=True, eq=False):
    """A ridge prior N(0, scale^2) on every weight, and what outcomes made of it."""

    width: int
    scales: Mapping[str, float]
    """Kind of row → standard deviation of its weights before any outcome."""
    rows: Mapping[Key, int]
    mean: Floats
    """(rows, width)"""
    variance: Floats

    def shift(self, keys: Keys, at: Places, values: Floats) -> Array:
        """What the features add to the logits of arms. Rows not seen yet add nothing."""
        if not self.rows:
            return np.zeros(len(keys))
        used, incidence = _used(keys)
        by_row = self.mean[:, at] @ values
        out: Array = incidence @ np.array([by_row[r] if (r := self.rows.get(key)) is not None else 0.0 for key in used])
        return out

    def covariance(self, keys: Keys, at: Places, values: Floats) -> Array:
        """(arms, arms) of what `shift` gives."""
        used, incidence = _used(keys)
        squares = values * values
        fresh = float(squares.sum())
        known = [self.rows.get(key, -1) for key in used]
        seen = [r for r in known if r >= 0]
        told = iter((self._cut(self.variance, np.array(seen, np.intp), at) @ squares).tolist()) if seen else iter(())
        of_row = [
            next(told) if r >= 0 else fresh * self.scales[key[0]] ** 2 for r, key in zip(known, used, strict=True)
        ]
        out: Array = (incidence * np.array(of_row)) @ incidence.T
        return out

    def add(self, keys: Keys, at: Places, values: Floats, gradient: Array, precision: Array, keep: float) -> Linear:
        """After evidence with this gradient and precision, (arms,) and (arms, arms), all other uncertainty in it.

        `keep`: share of what these weights knew that is not forgotten.
        """
        used, incidence = _used(keys)
        rows, mean, variance = self._with(used)
        chosen = np.array([rows[key] for key in used], np.intp)
        rest = np.array([(1.0 - keep) / self.scales[key[0]] ** 2 for key in used], mean.dtype)[:, None]
        before = self._cut(variance, chosen, at)
        wide = 1.0 / (keep / before + rest)
        middle = self._cut(mean, chosen, at) * (keep * wide / before)
        places = (chosen[:, None], at) if isinstance(at, np.ndarray) else (chosen, at)
        pull = (gradient @ incidence).astype(mean.dtype)
        mean[places] = middle + wide * (pull[:, None] * values)
        curved = ((precision @ incidence) * incidence).sum(0).astype(mean.dtype)
        variance[places] = wide / (1.0 + wide * (curved[:, None] * (values * values)))
        return msgspec.structs.replace(self, rows=rows, mean=mean, variance=variance)

    @staticmethod
    def _cut(array: Floats, rows: Index, at: Places) -> Floats:
        return array[rows[:, None], at] if isinstance(at, np.ndarray) else array[rows, at]

    def _with(self, used: tuple[Key, ...]) -> tuple[Mapping[Key, int], Floats, Floats]:
        """Rows and copies of the arrays in which each of `used` has its place."""
        new = [key for key in used if key not in self.rows]
        if not new:
            return self.rows, self.mean.copy(), self.variance.copy()
        rows = {**self.rows, **{key: len(self.rows) + i for i, key in enumerate(new)}}
        kind = self.mean.dtype
        fresh = np.repeat(np.array([self.scales[key[0]] ** 2 for key in new], dtype=kind)[:, None], self.width, axis=1)
        return rows, np.concatenate((self.mean, np.zeros_like(fresh))), np.concatenate((self.variance, fresh))


@lru_cache(maxsize=4096)
def _used(keys: Keys) -> tuple[tuple[Key, ...], Array]:
    """The rows that any arm uses, and which arm uses which, (arms, rows)."""
    used = tuple(dict.fromkeys(key for own in keys for key in own))
    return used, np.array([[float(key in own) for key in used] for own in keys])


def blank(width: int, scales: Mapping[str, float], kind: type[np.floating[Any]] = np.float64) -> Linear:
    return Linear(width, scales, {}, np.zeros((0, width), kind), np.zeros((0, width), kind))
