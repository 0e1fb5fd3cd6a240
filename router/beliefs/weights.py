"""Weights on the facts of a step: in each row a normal law of all its weights together, its covariance kept in full.

Facts come together (tools are offered, turns are many, results come back), so what one weight has learned is known of
the sum of them, not of each alone: with their covariances dropped, ten outcomes that share their facts would move the
sum as if nobody had ever seen such a step. Facts are centred on what is usual at their class, so that what is always
so there is left to the arms' abilities and moves nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from router.beliefs.ability import solved
from router.beliefs.latent import Array
from router.beliefs.linear import Key, Keys, used

MEMORY = 2_000.0
"""Most outcomes that a centre is the mean of; after that older ones count less and less."""
BORROWED = 10.0
"""Outcomes of a class that the centre of all classes counts as."""
DUE = 0.98
"""Share of a row that may be left to forget: forgetting costs more than learning, so it is done in such steps."""

TINY = 1e-12
"""Stands in for a variance along facts of which none is unusual."""


class Row(msgspec.Struct, frozen=True, array_like=True, eq=False):
    mean: Array
    """(facts,)"""
    covariance: Array
    """(facts, facts)"""
    keep: float = 1.0
    """Share of what it knew that is not forgotten, and not yet taken away from it."""

    def forgotten(self, variance: float) -> Row:
        """What is left, the rest gone back to a prior of independent weights with this variance."""
        facts = len(self.mean)
        rest = self.keep * np.eye(facts) + (1.0 - self.keep) / variance * self.covariance
        both = solved(rest, np.column_stack((self.keep * self.mean, self.covariance)))
        return Row(both[:, 0].copy(), (both[:, 1:] + both[:, 1:].T) / 2)


class Centre(msgspec.Struct, frozen=True, array_like=True, eq=False):
    """The mean of the facts of steps."""

    mean: Array
    weight: float
    """Outcomes it is the mean of."""

    def add(self, x: Array) -> Centre:
        weight = min(self.weight, MEMORY - 1.0) + 1.0
        return Centre(self.mean + (x - self.mean) / weight, weight)


class Sight(msgspec.Struct, frozen=True, eq=False):
    """What is known along the facts of one step."""

    keys: tuple[Key, ...]
    """Rows that any of its arms uses."""
    incidence: Array
    """(arms, rows): which arm uses which."""
    rows: tuple[Row, ...]
    means: Array
    """(rows, facts)"""
    along: Array
    """(rows, facts): covariance of each row's weights with what they add up to."""
    shift: Array
    """(arms,): what the facts add to the arms' logits."""
    variance: Array
    """(rows,): of what they add up to."""
    covariance: Array
    """(arms, arms): of `shift`."""


class Weights(msgspec.Struct, frozen=True, eq=False):
    """Rows of weights, each a prior N(0, scale^2) on every weight and what outcomes made of it."""

    width: int
    """Facts; of a step that tells fewer, the rest are zero."""
    scales: Mapping[str, float]
    """Kind of row → standard deviation of its weights before any outcome."""
    rows: Mapping[Key, Row] = {}
    centres: Mapping[str, Centre] = {}
    """Step class → the usual facts there; of all classes under the empty name."""

    def centred(self, step_class: str, x: Sequence[float]) -> Array:
        """The facts `x` as what is unusual in them at `step_class`, (width,)."""
        common = self.centres.get("")
        if common is None:
            return np.zeros(self.width)
        usual, own = common.mean, self.centres.get(step_class)
        if own is not None:
            usual = (own.weight * own.mean + BORROWED * usual) / (own.weight + BORROWED)
        return self.whole(x) - usual

    def met(self, step_class: str, x: Sequence[float]) -> Weights:
        """After a step with the facts `x`."""
        whole = self.whole(x)
        new = {name: self.centres.get(name, Centre(whole, 0.0)).add(whole) for name in ("", step_class)}
        return msgspec.structs.replace(self, centres={**self.centres, **new})

    def weights(self, keys: Keys) -> Array:
        """(arms, facts): mean weights of each arm, its rows summed. Rows not seen yet add nothing."""
        names, incidence = used(keys)
        nothing = np.zeros(self.width)
        rows = [self.rows.get(key) for key in names]
        out: Array = incidence @ np.array([nothing if row is None else row.mean for row in rows])
        return out

    def sight(self, keys: Keys, values: Array) -> Sight:
        """What is known along centred facts."""
        names, incidence = used(keys)
        rows = tuple([self.rows.get(key) or self._blank(self.scales[key[0]]) for key in names])
        means = np.array([row.mean for row in rows])
        along: Array = np.array([row.covariance for row in rows]) @ values
        variance = along @ values
        covariance = (incidence * variance) @ incidence.T
        return Sight(names, incidence, rows, means, along, incidence @ (means @ values), variance, covariance)

    def add(self, seen: Sight, gradient: Array, precision: Array, keep: float) -> Weights:
        """After evidence with this gradient and precision, (arms,) and (arms, arms), all other uncertainty in it.

        `keep`: share of what these weights knew that is not forgotten.

        Rows that are summed come to hang together: each is then less unsure than it would be alone. That is not kept;
        instead each loses along the facts the share that their sum loses, so that the sum is as unsure as it should be.
        """
        pull = gradient @ seen.incidence
        means = seen.means + pull[:, None] * seen.along
        curved = self._shares(seen, precision) / np.maximum(seen.variance, TINY)
        lost = (curved[:, None] * seen.along)[:, :, None] * seen.along[:, None, :]
        new = {}
        for i, (key, row) in enumerate(zip(seen.keys, seen.rows, strict=True)):
            moved = Row(means[i].copy(), row.covariance - lost[i], row.keep * keep)
            new[key] = moved if moved.keep > DUE else moved.forgotten(self.scales[key[0]] ** 2)
        return msgspec.structs.replace(self, rows={**self.rows, **new})

    @staticmethod
    def _shares(seen: Sight, precision: Array) -> Array:
        """(rows,), below 1: of the variance along the facts that is lost, where several arms use a row the largest."""
        covariance = seen.covariance
        lost = ((covariance @ precision) * covariance.T).sum(1) / np.maximum(np.diag(covariance), TINY)
        out: Array = (seen.incidence * lost[:, None]).max(0)
        return out

    def whole(self, x: Sequence[float]) -> Array:
        """(width,): those that are not told are zero."""
        if len(x) == self.width:
            return np.array(x, np.float64)
        out = np.zeros(self.width)
        told = x[: self.width]
        out[: len(told)] = told
        return out

    def _blank(self, scale: float) -> Row:
        return Row(np.zeros(self.width), np.eye(self.width) * scale**2)
