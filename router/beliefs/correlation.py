"""How far apart the steps of a class lie (sigma), and what a model keeps over its retries (tau), from whole sequences.

Each step with two attempts or more adds its log marginal likelihood to a grid of spreads, the abilities moved along so
that the chance of a first attempt stays what it is believed to be. That steps end with their first success does not
bias it: the likelihood of a sequence is the same whoever decided when to stop. Retries that were shown the error have a
grid of their own, with a tau of their own.

One model's retries tell how large both spreads are together; how they divide, only another model's attempts at the same
step can tell, and only if that model's own chance is known from steps that it was the first to try.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec
import numpy as np

from router.beliefs.latent import LIMIT, U_WEIGHT, Z_WEIGHT, Array, Index, U, Z
from router.beliefs.likelihood import Try

SIGMAS = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.25, 4.25, 5.5, 7.5])
TAUS = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.25, 6.0])
TOTAL_SD, SHARE_SD, TAU_SD = 1.0, 0.15, 0.8
"""Prior standard deviations around what the policy says: of the log of both spreads together, of sigma's share of the
variance, of tau_feedback."""
FIRSTS = 30
"""First attempts of an arm at a class, from which on its later ones tell how the spreads divide."""
STEP = 1 / 16
"""Spreads are told on this grid, so that what is cached by them survives most outcomes."""
BATCH = 4
"""Sequences of a class that are gathered before its spreads are looked at again."""
MOST_TRIES = 16
LEAST, MOST = 0.36, 9.0
"""Of both spreads together: what lies beyond is as good as these."""
FARTHEST, FINE = 6.0, 4
"""Chances of an attempt are told apart up to this logit, in steps of 1 / FINE."""


class Spread(msgspec.Struct, frozen=True):
    sigma: float
    tau: float
    tau_feedback: float
    """tau of retries that were shown why the attempt before was wrong."""

    def kept(self, shown: bool) -> float:
        """The tau to plan with: what a model keeps of a failure when it is tried again.

        With tau for a first attempt and tau_feedback for those that are `shown` what was wrong with it, they hang
        together by the product of both; the one tau that comes to the same is their geometric mean.
        """
        return self.tau if not shown else round(math.sqrt(self.tau * self.tau_feedback) / STEP) * STEP


class Sequences(msgspec.Struct, frozen=True, eq=False):
    """What the sequences of one class say: log likelihoods, (sigmas, taus). Compared by identity, for the cache."""

    blind: Array
    """Of those without feedback."""
    shown: Array
    """Of those with feedback, by sigma and tau_feedback."""

    def plus(self, other: Sequences, keep: float) -> Sequences:
        return Sequences(keep * self.blind + other.blind, keep * self.shown + other.shown)


class Correlation(msgspec.Struct, frozen=True, eq=False):
    told: Mapping[str, Sequences] = {}
    """Step class → what its spreads are read from."""
    fresh: Mapping[str, tuple[int, Sequences]] = {}
    """Step class → how many sequences came since, and what they say."""
    firsts: Mapping[tuple[str, int], int] = {}
    """(step class, arm) → steps that it was the first to try, up to FIRSTS."""

    def of(self, step_class: str, sigma: float, tau: float) -> Spread:
        """What is believed of `step_class`, shrunk to the policy's `sigma` and `tau`; exactly these without outcomes.

        A feedback retry is taken to keep as much as a blind one until outcomes say otherwise.
        """
        known = self.told.get(step_class)
        return Spread(sigma, tau, tau) if known is None else _mean(known, sigma, tau)

    def add(
        self,
        step_class: str,
        tries: Sequence[Try],
        chances: Mapping[int, float],
        spread: Spread,
        keep: float,
        weight: float,
    ) -> Correlation:
        """After one step; `chances`: each arm's marginal P(success). A negative weight takes an earlier count back."""
        known = [t for t in tries if t.model == tries[0].model or self.firsts.get((step_class, t.arm), 0) >= FIRSTS]
        if len(known) < 2:
            return self
        found = _grid(_pattern(known[:MOST_TRIES], chances), spread.tau) * weight
        blank = np.zeros((len(SIGMAS), len(TAUS)))
        one = Sequences(blank, found) if any([t.feedback for t in tries]) else Sequences(found, blank)
        count, sums = self.fresh.get(step_class, (0, Sequences(blank, blank)))
        count, sums = count + 1, sums.plus(one, 1.0)
        if count < BATCH:
            return Correlation(self.told, {**self.fresh, step_class: (count, sums)}, self.firsts)
        before = self.told.get(step_class)
        told = sums if before is None else before.plus(sums, keep**BATCH)
        left = {name: fresh for name, fresh in self.fresh.items() if name != step_class}
        return Correlation({**self.told, step_class: told}, left, self.firsts)

    def tried(self, step_class: str, arm: int) -> Correlation:
        """After a step that `arm` was the first to try."""
        key = (step_class, arm)
        seen = self.firsts.get(key, 0)
        return self if seen >= FIRSTS else Correlation(self.told, self.fresh, {**self.firsts, key: seen + 1})


@lru_cache(maxsize=256)
def _mean(known: Sequences, sigma: float, tau: float) -> Spread:
    """Posterior means of the log of both spreads together and of sigma's share; then of tau_feedback at that sigma."""
    total, share, sigmas, (low, weight) = _mesh()
    far = (total - math.log(max(math.hypot(sigma, tau), LEAST))) / TOTAL_SD
    apart = (share - sigma**2 / max(sigma**2 + tau**2, LEAST**2)) / SHARE_SD
    shown = known.shown - ((TAUS - tau) / TAU_SD) ** 2 / 2
    told = (known.blind.ravel()[low] * weight).sum(0) - (far**2 + apart**2) / 2
    likely = _weights(told + np.interp(sigmas, SIGMAS, np.log(_weights(shown).sum(1))))
    likely /= likely.sum()
    size, part = math.exp(float(likely @ total)), float(likely @ share)
    own, left = size * math.sqrt(part), size * math.sqrt(1.0 - part)
    after = left
    if known.shown.any():
        row = _weights(np.array([np.interp(own, SIGMAS, column) for column in shown.T]))
        after = float(row @ TAUS / row.sum())
    return Spread(*[round(v / STEP) * STEP for v in (own, left, after)])


@lru_cache(maxsize=1)
def _mesh() -> tuple[Array, Array, Array, tuple[Index, Array]]:
    """Points evenly apart in the log of both spreads together and in sigma's share: both, sigma, and from which four
    cells of the grid each is interpolated, (4, points), with which weights."""
    total, share = (
        m.ravel() for m in np.meshgrid(np.linspace(math.log(LEAST), math.log(MOST), 36), np.linspace(0.0, 1.0, 21))
    )
    sigma, tau = np.exp(total) * np.sqrt(share), np.exp(total) * np.sqrt(1.0 - share)
    (row, right), (column, down) = _between(SIGMAS, sigma), _between(TAUS, tau)
    cells = [(row + i) * len(TAUS) + column + j for i in (0, 1) for j in (0, 1)]
    weights = [(right if i else 1.0 - right) * (down if j else 1.0 - down) for i in (0, 1) for j in (0, 1)]
    return total, share, sigma, (np.array(cells, np.intp), np.array(weights))


def _between(grid: Array, values: Array) -> tuple[Index, Array]:
    """The cell of `grid` that each value lies in, and how far in it; what lies beyond counts as the end."""
    at = np.clip(np.searchsorted(grid, values, side="right") - 1, 0, len(grid) - 2).astype(np.intp)
    return at, np.clip((values - grid[at]) / (grid[at + 1] - grid[at]), 0.0, 1.0)


def _weights(logs: Array) -> Array:
    """Weights in proportion to what `logs` are the logs of, none so small that its own log is lost."""
    out: Array = np.exp(np.maximum(logs - logs.max(), -500.0))
    return out


def _place(chance: float) -> int:
    """Where a chance lies among those of `_centres`."""
    logit = float(np.log(max(chance, 1e-12) / max(1.0 - chance, 1e-12)))
    return round((min(FARTHEST, max(-FARTHEST, logit)) + FARTHEST) * FINE)


def _pattern(tries: Sequence[Try], chances: Mapping[int, float]) -> tuple[Try, ...]:
    """The tries with the places of their chances for arms, and models numbered by first appearance: what the grid
    depends on, so that like sequences are worked out once."""
    numbers: dict[int, int] = {}
    return tuple(
        [
            Try(
                _place(chances[t.arm]), numbers.setdefault(t.model, len(numbers)), t.right, t.wrong, t.score, t.feedback
            )
            for t in tries
        ]
    )


@lru_cache(maxsize=4096)
def _grid(tries: tuple[Try, ...], tau: float) -> Array:
    """Log likelihood of one step's attempts, (sigmas, taus); the arms are the places of their chances."""
    feedback = any(t.feedback for t in tries)
    likelihood: dict[int, Array] = {}
    for one in tries:
        # Where a step mixes both kinds, its blind attempts keep the tau that is believed.
        fixed = int(np.abs(TAUS - tau).argmin()) if feedback and not one.feedback else None
        value = _value(one, _right(one.arm, fixed))
        likelihood[one.model] = likelihood[one.model] * value if one.model in likelihood else value
    given_z: Array = np.prod([np.broadcast_to(own @ U_WEIGHT, SHAPE) for own in likelihood.values()], axis=0)
    out: Array = np.log(given_z @ Z_WEIGHT)
    return out


SHAPE = (len(SIGMAS), len(TAUS), len(Z))


def _value(one: Try, p: Array) -> Array:
    if one.score is not None:
        return p**one.score * (1.0 - p) ** (1.0 - one.score)
    return one.wrong + (one.right - one.wrong) * p


@lru_cache(maxsize=128)
def _right(place: int, fixed: int | None) -> Array:
    """P(right | z, u) at each point of the grid, (sigmas, taus, 15, 7); `fixed`: the one tau that is looked at."""
    centres, noise = _centres()[..., place], _noise()
    if fixed is not None:
        centres, noise = centres[:, fixed : fixed + 1], noise[:, fixed : fixed + 1]
    out: Array = 1.0 / (1.0 + np.exp(np.clip(-(centres[..., None, None] + noise), -LIMIT, LIMIT)))
    return out


@lru_cache(maxsize=1)
def _noise() -> Array:
    sigma, tau = SIGMAS[:, None, None, None], TAUS[None, :, None, None]
    out: Array = sigma * Z[None, None, :, None] + tau * U[None, None, None, :]
    return out


@lru_cache(maxsize=1)
def _centres() -> Array:
    """The mu with marginal logistic(-6), ..., logistic(6) at each point of the grid, (sigmas, taus, places)."""
    wanted = np.arange(-FARTHEST, FARTHEST + 0.5 / FINE, 1 / FINE)
    mus = np.arange(-60.0, 60.0, 0.25)
    p = 1.0 / (1.0 + np.exp(np.clip(-(mus[:, None, None] + _noise()[:, :, None]), -LIMIT, LIMIT)))
    marginals = (p @ U_WEIGHT) @ Z_WEIGHT
    logits = np.log(marginals) - np.log1p(-marginals)
    return np.array([[np.interp(wanted, own, mus) for own in row] for row in logits])
