"""What one step's attempts say of the arms that made them: slope and curvature of their joint marginal likelihood.

The attempts of a step share its difficulty, so they are judged together: the difficulty z, and what each model keeps
over its retries, are integrated out of the product of all of them. Taken one by one, models that are only tried after
others failed, on the harder steps, would look worse than they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from router.beliefs.latent import LIMIT, U_WEIGHT, Z_WEIGHT, Array, Z, spread
from router.outcome import Trial

TINY = 1e-300
"""Stands in for a likelihood below the smallest double."""
WEIGHTS = Z_WEIGHT[:, None] * U_WEIGHT
SLIM = 1e-9
"""Rates t and f closer than this tell nothing apart."""
UNSURE = 0.01
"""Share of right or wrong answers that seem otherwise, from which on a sign is no verdict."""


class Try(msgspec.Struct, frozen=True):
    """One attempt that says something: its likelihood is right * p + wrong * (1 - p), or by `score`, see there."""

    arm: int
    """Position of its arm among those of the step."""
    model: int
    right: float
    """P(what was seen | a right answer)."""
    wrong: float
    """P(what was seen | a wrong answer)."""
    score: float | None = None
    """A verdict strictly between 0 and 1: p^score * (1 - p)^(1 - score)."""
    feedback: bool = False


class Slope(msgspec.Struct, frozen=True):
    """Of the log likelihood by the logits of the step's arms."""

    value: float
    """The log likelihood itself."""
    gradient: Array
    """(arms,)"""
    precision: Array
    """(arms, arms): minus the second derivative; need not be positive."""

    def less(self, earlier: Slope) -> Slope:
        """What is left where `earlier` was counted before."""
        return Slope(self.value - earlier.value, self.gradient - earlier.gradient, self.precision - earlier.precision)


def tried(trial: Trial, arm: int, model: int) -> Try | None:
    """What a trial says, or None where it says nothing. A verdict outweighs what a check said."""
    if trial.success is not None:
        right = min(1.0, max(0.0, trial.success))
        score = right if 0.0 < right < 1.0 else None
        return Try(arm, model, right, 1.0 - right, score, trial.feedback)
    right, wrong = trial.seen
    if trial.accepted is not None and abs(trial.t - trial.f) >= SLIM:
        right *= trial.t if trial.accepted else 1.0 - trial.t
        wrong *= trial.f if trial.accepted else 1.0 - trial.f
    if abs(right - wrong) < SLIM:
        return None
    return Try(arm, model, right, wrong, None, trial.feedback)


def telling(tries: tuple[Try, ...]) -> tuple[Try, ...]:
    """Those that say how retries hang together: up to the first of which nobody knows for sure what it was.

    What a sign is worth is itself a belief, and where that is a little wrong, so would be what follows it.
    """
    last = next((i for i, t in enumerate(tries) if min(t.right, t.wrong) > UNSURE * max(t.right, t.wrong)), len(tries))
    return tries[: last + 1]


def slope(tries: Sequence[Try], logits: Array, sigma: float, tau: float, tau_feedback: float) -> Slope:
    """At `logits`, one for each arm of the step. `tau_feedback` takes tau's place where a model saw its error."""
    arms = len(logits)
    if len(tries) == 1 == arms:
        return _alone(tries[0], float(logits[0]), sigma, tau_feedback if tries[0].feedback else tau)
    by_model: dict[int, list[Try]] = {}
    for one in tries:
        by_model.setdefault(one.model, []).append(one)
    weight, parts = Z_WEIGHT, []
    for own in by_model.values():
        share, part = _given_z(own, logits, sigma, tau, tau_feedback)
        weight = weight * share
        parts.append(part)
    total = float(weight.sum())
    weight = weight / total
    first = np.zeros((arms, len(Z)))
    second = np.zeros((arms, arms, len(Z)))
    for scores, products in parts:
        second += first[:, None] * scores[None] + scores[:, None] * first[None] + products
        first += scores
    gradient: Array = first @ weight
    return Slope(float(np.log(total)), gradient, np.outer(gradient, gradient) - second @ weight)


def _alone(one: Try, logit: float, sigma: float, tau: float) -> Slope:
    """The same where a step had one attempt, as most have."""
    value, d1, d2 = _terms(one, _chance(logit, sigma, tau))
    weighted = value * WEIGHTS
    total = float(weighted.sum())
    weighted /= total
    gradient = float((weighted * d1).sum())
    curved = float((weighted * (d1 * d1 + d2)).sum())
    return Slope(math.log(total), np.array([gradient]), np.array([[gradient * gradient - curved]]))


def _given_z(
    own: Sequence[Try], logits: Array, sigma: float, tau: float, tau_feedback: float
) -> tuple[Array, tuple[Array, Array]]:
    """One model's attempts given z, u integrated out: their likelihood (15,), E[score] by arm (arms, 15), and
    E[score score' + curvature] (arms, arms, 15)."""
    arms = len(logits)
    likelihood: Array | float = 1.0
    scores: dict[int, Array] = {}
    curved: dict[int, Array] = {}
    for one in own:
        value, d1, d2 = _terms(one, _chance(float(logits[one.arm]), sigma, tau_feedback if one.feedback else tau))
        likelihood = likelihood * value
        scores[one.arm] = scores[one.arm] + d1 if one.arm in scores else d1
        curved[one.arm] = curved[one.arm] + d2 if one.arm in curved else d2
    weighted = likelihood * U_WEIGHT
    share: Array = np.maximum(weighted.sum(1), TINY)
    posterior = weighted / share[:, None]
    first, products = np.zeros((arms, len(Z))), np.zeros((arms, arms, len(Z)))
    for a, score in scores.items():
        seen = score * posterior
        first[a] = seen.sum(1)
        for b, other in scores.items():
            products[a, b] = (seen * other).sum(1)
        products[a, a] += (curved[a] * posterior).sum(1)
    return share, (first, products)


def _chance(logit: float, sigma: float, tau: float) -> Array:
    """P(right | z, u), (15, 7)."""
    out: Array = 1.0 / (1.0 + np.exp(-min(LIMIT, max(-LIMIT, logit)) - spread(sigma, tau)))
    return out


def _terms(one: Try, p: Array) -> tuple[Array, Array, Array]:
    """Likelihood of one attempt, and first and second derivative of its log by the logit."""
    q = 1.0 - p
    if one.score is not None:
        return p**one.score * q ** (1.0 - one.score), one.score - p, -p * q
    if one.wrong == 0.0:
        return one.right * p, q, -p * q
    if one.right == 0.0:
        return one.wrong * q, -p, -p * q
    value = one.right * p + one.wrong * q
    rise = (one.right - one.wrong) * p * q / value
    return value, rise, rise * (q - p) - rise * rise


def positive(precision: Array) -> Array:
    """The nearest matrix that takes nothing from what is known: negative curvature is the model's doubt, not ours."""
    if len(precision) == 1:
        return np.maximum(precision, 0.0)
    if len(precision) == 2:
        (a, b), (_, d) = precision.tolist()
        if a >= 0.0 and d >= 0.0 and a * d >= b * b:
            return precision
    values, vectors = np.linalg.eigh(precision)
    out: Array = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return out
