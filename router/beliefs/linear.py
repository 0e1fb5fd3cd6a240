"""Weights on the words of a step, as independent normals: one row for all models, one for each.

An arm's logit moves by the features times the sum of its rows, so what all rows share is learned once (how hard such
a step is) and a model's own row only holds how it differs.
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
Key = tuple[str, str]
"""(kind, name) of a row."""
Keys = tuple[tuple[Key, ...], ...]
"""The rows of each of some arms."""


class Line(msgspec.Struct, frozen=True, array_like=True, eq=False):
    """One row of weights, (width,) each."""

    mean: Floats
    variance: Floats


class Look(msgspec.Struct, frozen=True, eq=False):
    """What is known of the features of one step."""

    keys: tuple[Key, ...]
    """Rows that any of its arms uses."""
    incidence: Array
    """(arms, rows): which arm uses which."""
    at: Index
    values: Floats
    squares: Floats
    means: list[Floats]
    """Of each row, at the features' places."""
    variances: list[Floats]
    shift: Array
    """(arms,): what the features add to the arms' logits."""
    covariance: Array
    """(arms, arms): of `shift`."""


class Linear(msgspec.Struct, frozen=True, eq=False):
    """A ridge prior N(0, scale^2) on every weight, and what outcomes made of it."""

    width: int
    scales: Mapping[str, float]
    """Kind of row → standard deviation of its weights before any outcome."""
    rows: Mapping[Key, Line] = {}

    def shift(self, keys: Keys, at: Index, values: Floats) -> Array:
        """What the features, of weights `at`, add to the logits of arms. Rows not seen yet add nothing."""
        names, incidence = used(keys)
        found = [0.0 if (row := self.rows.get(key)) is None else float(row.mean.take(at) @ values) for key in names]
        out: Array = incidence @ np.array(found)
        return out

    def look(self, keys: Keys, at: Index, values: Floats) -> Look:
        """What is known of the features."""
        names, incidence = used(keys)
        squares = values * values
        means, variances = [], []
        for key in names:
            if (row := self.rows.get(key)) is not None:
                means.append(row.mean.take(at))
                variances.append(row.variance.take(at))
            else:
                means.append(np.zeros_like(values))
                variances.append(np.full_like(values, self.scales[key[0]] ** 2))
        of_row = np.array([float(v @ squares) for v in variances])
        shift = incidence @ np.array([float(m @ values) for m in means])
        covariance = (incidence * of_row) @ incidence.T
        return Look(names, incidence, at, values, squares, means, variances, shift, covariance)

    def add(self, seen: Look, gradient: Array, precision: Array, keep: float) -> Linear:
        """After evidence with this gradient and precision, (arms,) and (arms, arms), all other uncertainty in it.

        `keep`: share of what these weights knew that is not forgotten.
        """
        pulls = (gradient @ seen.incidence).tolist()
        curves = ((precision @ seen.incidence) * seen.incidence).sum(0).tolist()
        new = {}
        for key, pull, curved, middle, before in zip(seen.keys, pulls, curves, seen.means, seen.variances, strict=True):
            left = keep + ((1.0 - keep) / self.scales[key[0]] ** 2) * before
            wide = before / left
            mean, variance = self._copied(key, before.dtype)
            mean[seen.at] = (keep / left) * middle + (pull * wide) * seen.values
            variance[seen.at] = wide / (1.0 + (curved * wide) * seen.squares)
            new[key] = Line(mean, variance)
        return msgspec.structs.replace(self, rows={**self.rows, **new})

    def _copied(self, key: Key, kind: np.dtype[Any]) -> tuple[Floats, Floats]:
        row = self.rows.get(key)
        if row is not None:
            return row.mean.copy(), row.variance.copy()
        return np.zeros(self.width, kind), np.full(self.width, self.scales[key[0]] ** 2, kind)


@lru_cache(maxsize=4096)
def used(keys: Keys) -> tuple[tuple[Key, ...], Array]:
    """The rows that any arm uses, and which arm uses which, (arms, rows)."""
    names = tuple(dict.fromkeys(key for own in keys for key in own))
    return names, np.array([[float(key in own) for key in names] for own in keys])
