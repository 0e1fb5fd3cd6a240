"""Weights on what is known of a step, as independent normals: one row for all arms, one for each arm, class and both.

An arm's logit moves by the features times the sum of its rows, so what all rows share is learned once (how hard such
a step is) and an arm's own row only holds how it differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from router.beliefs.latent import Array, Index

Floats = NDArray[Any]
Places = Index | slice


class Linear(msgspec.Struct, frozen=True, eq=False):
    """A ridge prior N(0, scale^2) on every weight, and what outcomes made of it."""

    width: int
    scales: Mapping[str, float]
    """Kind of row → standard deviation of its weights before any outcome."""
    rows: Mapping[tuple[str, str], int]
    """(kind, name) → row."""
    mean: Floats
    """(rows, width)"""
    variance: Floats

    def shift(self, keys: Sequence[Sequence[tuple[str, str]]], at: Places, values: Floats) -> Array:
        """What the features add to the logits of arms; `keys`: each arm's rows. Rows not seen yet add nothing."""
        if not self.rows:
            return np.zeros(len(keys))
        by_row = self.mean[:, at] @ values
        return np.array([sum([by_row[r] for k in own if (r := self.rows.get(k)) is not None]) for own in keys])

    def covariance(self, keys: Sequence[Sequence[tuple[str, str]]], at: Places, values: Floats) -> Array:
        """(arms, arms) of what `shift` gives."""
        squares = values * values
        fresh = float(squares.sum())
        used = {key: None for own in keys for key in own}
        of_row = {
            key: float(self.variance[self.rows[key], at] @ squares)
            if key in self.rows
            else fresh * self.scales[key[0]] ** 2
            for key in used
        }
        incidence = np.array([[key in own for key in used] for own in keys], dtype=float)
        out: Array = (incidence * np.array(list(of_row.values()))) @ incidence.T
        return out

    def add(
        self,
        keys: Sequence[Sequence[tuple[str, str]]],
        at: Places,
        values: Floats,
        gradient: Array,
        precision: Array,
        keep: float,
    ) -> Linear:
        """After evidence with this gradient and precision, (arms,) and (arms, arms), all other uncertainty in it.

        `keep`: share of what these weights knew that is not forgotten.
        """
        used = {key: None for own in keys for key in own}
        rows, mean, variance = self._with(used)
        squares = values * values
        for key in used:
            mine = np.array([key in own for own in keys], dtype=float)
            row, prior = rows[key], self.scales[key[0]] ** 2
            before = variance[row, at]
            wide = 1.0 / (keep / before + (1.0 - keep) / prior)
            middle = mean[row, at] * (keep * wide / before)
            mean[row, at] = middle + wide * values * (mine @ gradient)
            curved = float(mine @ precision @ mine)
            variance[row, at] = wide / (1.0 + wide * squares * curved)
        return msgspec.structs.replace(self, rows=rows, mean=mean, variance=variance)

    def _with(self, used: Mapping[tuple[str, str], None]) -> tuple[Mapping[tuple[str, str], int], Floats, Floats]:
        """Rows and copies of the arrays in which each of `used` has its place."""
        new = [key for key in used if key not in self.rows]
        if not new:
            return self.rows, self.mean.copy(), self.variance.copy()
        rows = {**self.rows, **{key: len(self.rows) + i for i, key in enumerate(new)}}
        kind = self.mean.dtype
        fresh = np.repeat(np.array([self.scales[key[0]] ** 2 for key in new], dtype=kind)[:, None], self.width, axis=1)
        return (
            rows,
            np.concatenate((self.mean, np.zeros_like(fresh))),
            np.concatenate((self.variance, fresh)),
        )


def blank(width: int, scales: Mapping[str, float], kind: type[np.floating[Any]] = np.float64) -> Linear:
    return Linear(width, scales, {}, np.zeros((0, width), kind), np.zeros((0, width), kind))
