"""How far apart the steps of a class lie (sigma), and what a model keeps over its retries (tau), from whole sequences.

Each step with two attempts or more adds its log marginal likelihood to a grid of spreads, the abilities moved along so
that the chance of a first attempt stays what it is believed to be. That steps end with their first success does not
bias it: the likelihood of a sequence is the same whoever decided when to stop. Retries that were shown the error have a
grid of their own, with a tau of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec
import numpy as np

from router.beliefs.latent import LIMIT, U_WEIGHT, Z_WEIGHT, Array, U, Z
from router.beliefs.likelihood import Try

SIGMAS = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0])
TAUS = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0])
PRIOR_SD = 0.8
"""Of sigma and of tau around what the policy says, in logits, before any outcome."""
STEP = 1 / 16
"""Spreads are told on this grid, so that what is cached by them survives most outcomes."""
MOST_TRIES = 16


class Spread(msgspec.Struct, frozen=True):
    sigma: float
    tau: float
    tau_feedback: float
    """tau of retries that were shown why the attempt before was wrong."""


class Correlation(msgspec.Struct, frozen=True, eq=False):
    blind: Mapping[str, Array]
    """Step class → log likelihood of its sequences (sigmas, taus), those without feedback."""
    shown: Mapping[str, Array]
    """The same of sequences with feedback, by sigma and tau_feedback."""

    def of(self, step_class: str, sigma: float, tau: float) -> Spread:
        """What is believed of `step_class`, shrunk to the policy's `sigma` and `tau`; exactly these without outcomes.

        A feedback retry is taken to keep as much as a blind one until outcomes say otherwise.
        """
        blind, shown = self.blind.get(step_class), self.shown.get(step_class)
        if blind is None and shown is None:
            return Spread(sigma, tau, tau)
        return _mean(self, step_class, sigma, tau)

    def add(
        self,
        step_class: str,
        tries: Sequence[Try],
        chances: Mapping[int, float],
        spread: Spread,
        keep: float,
        sign: float,
    ) -> Correlation:
        """After one step; `chances`: marginal P(success) of each arm. `sign` -1 takes an earlier count of it back."""
        if len(tries) < 2:
            return self
        told = _grid(tuple(tries[:MOST_TRIES]), chances, spread) * sign
        if any(t.feedback for t in tries):
            return Correlation(self.blind, _added(self.shown, step_class, told, keep))
        return Correlation(_added(self.blind, step_class, told, keep), self.shown)


def _added(sums: Mapping[str, Array], step_class: str, told: Array, keep: float) -> Mapping[str, Array]:
    return {**sums, step_class: keep * sums[step_class] + told if step_class in sums else told}


@lru_cache(maxsize=256)
def _mean(known: Correlation, step_class: str, sigma: float, tau: float) -> Spread:
    """Posterior means over the grids."""
    near_sigma = -((SIGMAS - sigma) ** 2) / (2 * PRIOR_SD**2)
    near_tau = -((TAUS - tau) ** 2) / (2 * PRIOR_SD**2)
    blank = np.zeros((len(SIGMAS), len(TAUS)))
    blind = _weights(known.blind.get(step_class, blank) + near_tau)
    shown = _weights(known.shown.get(step_class, blank) + near_tau)
    # The two grids share sigma.
    of_sigma = _weights(near_sigma + np.log(blind[1].sum(1)) + blind[0] + np.log(shown[1].sum(1)) + shown[0])[1]
    expected = of_sigma / of_sigma.sum()

    def mean(grid: Array) -> float:
        return float(expected @ (grid @ TAUS / grid.sum(1)))

    found = (float(expected @ SIGMAS), mean(blind[1]), mean(shown[1]))
    return Spread(*(round(v / STEP) * STEP for v in found))


def _weights(logs: Array) -> tuple[float, Array]:
    """The logs as (a common log, weights), none so small that its log is lost."""
    top = float(logs.max())
    return top, np.exp(np.maximum(logs - top, -500.0))


def _grid(tries: tuple[Try, ...], chances: Mapping[int, float], spread: Spread) -> Array:
    """Log likelihood of one step's attempts, (sigmas, taus)."""
    feedback = any(t.feedback for t in tries)
    likelihood: dict[int, Array] = {}
    cached: dict[tuple[int, bool], Array] = {}
    for one in tries:
        # Where a step mixes both kinds, its blind attempts keep the tau that is believed.
        fixed = feedback and not one.feedback
        key = (one.arm, fixed)
        if key not in cached:
            cached[key] = _chance(chances[one.arm], spread.tau if fixed else None)
        p = cached[key]
        value = (
            p**one.score * (1.0 - p) ** (1.0 - one.score)
            if one.score is not None
            else one.wrong + (one.right - one.wrong) * p
        )
        likelihood[one.model] = likelihood[one.model] * value if one.model in likelihood else value
    given_z: Array = np.prod([own @ U_WEIGHT for own in likelihood.values()], axis=0)
    out: Array = np.log(given_z @ Z_WEIGHT)
    return out


def _chance(chance: float, tau: float | None) -> Array:
    """P(right | z, u) at each point of the grid, (sigmas, taus, 15, 7), where the marginal is `chance`."""
    centres, noise = _centres(), _noise()
    if tau is not None:
        at = int(np.abs(TAUS - tau).argmin())
        centres, noise = centres[:, at : at + 1], noise[:, at : at + 1]
    logit = min(6.0, max(-6.0, float(np.log(chance / (1.0 - chance)))))
    place = (logit + 6.0) * 4.0
    low = min(int(place), centres.shape[2] - 2)
    share = place - low
    mu = (1.0 - share) * centres[..., low] + share * centres[..., low + 1]
    out: Array = 1.0 / (1.0 + np.exp(np.clip(-(mu[..., None, None] + noise), -LIMIT, LIMIT)))
    return out


@lru_cache(maxsize=1)
def _noise() -> Array:
    out: Array = (
        SIGMAS[:, None, None, None] * Z[None, None, :, None] + TAUS[None, :, None, None] * U[None, None, None, :]
    )
    return out


@lru_cache(maxsize=1)
def _centres() -> Array:
    """The mu with marginal logistic(-6), logistic(-5.75), ..., logistic(6) at each point, (sigmas, taus, 49)."""
    wanted = 1.0 / (1.0 + np.exp(-np.arange(-6.0, 6.25, 0.25)))
    noise = _noise()[:, :, None]
    low = np.full((*noise.shape[:2], len(wanted)), -60.0)
    high = -low
    for _ in range(40):
        middle = (low + high) / 2
        p = 1.0 / (1.0 + np.exp(np.clip(-(middle[..., None, None] + noise), -LIMIT, LIMIT)))
        under = (p @ U_WEIGHT) @ Z_WEIGHT < wanted
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return (low + high) / 2
