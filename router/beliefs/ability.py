"""How far the arms' abilities differ from their published scores: one Gaussian over all arms and classes.

In units of each score's own spread, the deviation of arm a at class c is h[a] + e[a, c]. h is common to all classes, e
is the class's own; both are correlated between arms, since a score that is a poor proxy for a step misjudges all arms
alike. Given h the classes are independent, so what was seen of each is kept apart, as a precision and a shift (A, A)
and (A,), and only its message to h is shared: exact, and as cheap as one class whatever their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec
import numpy as np

from router.beliefs.latent import Array, Index, identity

COMMON = (0.05, 0.10, 0.20)
"""Shares of a score's variance that lie in h: what all arms have in common, a model's modes, one arm alone."""
OWN = (0.30, 0.10, 0.25)
"""The same of e. All six sum to 1, so that before any outcome an arm is believed exactly as its score says."""


class Ability(msgspec.Struct, frozen=True, eq=False):
    """What outcomes say. All arrays are in units of the prior's standard deviations."""

    models: tuple[int, ...]
    """Index of each arm's model."""
    rows: Mapping[str, int]
    """Step class → its place in the arrays."""
    precision: Array
    """(classes, A, A): information about h + e[c]."""
    shift: Array
    """(classes, A): precision times mean, of the same."""
    to_common: Array
    """(classes, A, A + 1): each class's message to h, precision and shift."""

    def of(self, step_class: str) -> tuple[Array, Array]:
        """Mean (A,) and covariance (A, A) of the deviations at `step_class`, seen before or not."""
        return _posterior(self, step_class)

    def add(self, step_class: str, arms: Index, gradient: Array, precision: Array, keep: float) -> Ability:
        """After evidence on `arms` (indices) with this gradient, at the mean, and this precision of the log likelihood.

        `keep`: share of what was known of the class that is not forgotten.
        """
        size = len(self.models)
        rows = self.rows
        information, shift, messages = self.precision, self.shift, self.to_common
        if step_class in rows:
            information, shift, messages = information.copy(), shift.copy(), messages.copy()
        else:
            rows = {**rows, step_class: len(rows)}
            information = np.concatenate((information, np.zeros((1, size, size))))
            shift = np.concatenate((shift, np.zeros((1, size))))
            messages = np.concatenate((messages, np.zeros((1, size, size + 1))))
        at = rows[step_class]
        mean = self.of(step_class)[0][arms]
        information[at] *= keep
        shift[at] *= keep
        information[at, arms[:, None], arms] += precision
        shift[at, arms] += gradient + precision @ mean
        messages[at] = _message(information[at], shift[at], structure(self.models)[1])
        return Ability(self.models, rows, information, shift, messages)

    def widened(self, step_class: str, arms: Index, keep: float) -> Ability:
        """As sure of `arms` at the class as after the share `keep` of what was seen there; means stay."""
        at = self.rows.get(step_class)
        if at is None:
            return self
        scale = np.ones(len(self.models))
        scale[arms] = keep**0.5
        information, shift, messages = self.precision.copy(), self.shift.copy(), self.to_common.copy()
        seen = np.linalg.pinv(information[at], hermitian=True) @ shift[at]
        information[at] *= scale[:, None] * scale
        shift[at] = information[at] @ seen
        messages[at] = _message(information[at], shift[at], structure(self.models)[1])
        return Ability(self.models, self.rows, information, shift, messages)

    def carried(self, models: tuple[int, ...], places: Sequence[int | None]) -> Ability:
        """The same for another list of arms; `places`: of each new arm its index here, None where it has none.

        A new arm begins unknown. One that is gone is integrated out, so that what it said of the others stays.
        """
        kept = np.array([p for p in places if p is not None], dtype=np.intp)
        gone = np.array([i for i in range(len(self.models)) if i not in places], dtype=np.intp)
        at = np.array([i for i, p in enumerate(places) if p is not None], dtype=np.intp)
        size, own = len(models), structure(models)[1]
        information, shift = np.zeros((len(self.rows), size, size)), np.zeros((len(self.rows), size))
        messages = np.zeros((len(self.rows), size, size + 1))
        for row in range(len(self.rows)):
            known, lean = self.precision[row], self.shift[row]
            share = known[np.ix_(kept, gone)] @ np.linalg.pinv(known[np.ix_(gone, gone)], hermitian=True)
            information[row][np.ix_(at, at)] = known[np.ix_(kept, kept)] - share @ known[np.ix_(gone, kept)]
            shift[row][at] = lean[kept] - share @ lean[gone]
            messages[row] = _message(information[row], shift[row], own)
        return Ability(models, self.rows, information, shift, messages)


def blank(models: tuple[int, ...]) -> Ability:
    size = len(models)
    return Ability(models, {}, np.zeros((0, size, size)), np.zeros((0, size)), np.zeros((0, size, size + 1)))


@lru_cache(maxsize=64)
def structure(models: tuple[int, ...]) -> tuple[Array, Array]:
    """Prior covariances (A, A) of h and e."""
    index = np.array(models)
    same = (index[:, None] == index[None, :]).astype(np.float64)
    one = np.eye(len(models))
    common: Array = COMMON[0] + COMMON[1] * same + COMMON[2] * one
    own: Array = OWN[0] + OWN[1] * same + OWN[2] * one
    return common, own


def _message(information: Array, shift: Array, own: Array) -> Array:
    """What a class says of h, its own e integrated out: (A, A) precision and (A,) shift, side by side."""
    size = len(shift)
    return solved(identity(size) + information @ own, np.concatenate((information, shift[:, None]), axis=1))


def solved(matrix: Array, right: Array) -> Array:
    """matrix^-1 right."""
    if len(matrix) == 1:
        return right / matrix
    out: Array = np.linalg.solve(matrix, right).astype(np.float64, copy=False)
    return out


@lru_cache(maxsize=256)
def _posterior(ability: Ability, step_class: str) -> tuple[Array, Array]:
    common, own = structure(ability.models)
    size = len(ability.models)
    if not ability.rows:
        return np.zeros(size), common + own
    total = ability.to_common.sum(0)
    at = ability.rows.get(step_class)
    if at is not None:
        total = total - ability.to_common[at]
    # (common^-1 + P)^-1 = (1 + common P)^-1 common, without inverting the prior.
    both = solved(
        identity(size) + common @ total[:, :size], np.concatenate((common, (common @ total[:, size])[:, None]), axis=1)
    )
    covariance, mean = both[:, :size] + own, both[:, size]
    if at is not None:
        information, shift = ability.precision[at], ability.shift[at]
        both = solved(
            identity(size) + covariance @ information,
            np.concatenate((covariance, (mean + covariance @ shift)[:, None]), axis=1),
        )
        covariance, mean = both[:, :size], both[:, size]
    return mean, (covariance + covariance.T) / 2
