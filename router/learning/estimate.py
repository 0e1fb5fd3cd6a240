"""What another policy would have come to, from weighed runs: doubly robust, with self-normalised weights as a check.

With draws v of the candidate, P(v) their probability, P(run) that of the run under the policy that logged, R what came
of a run and Q(v) what was foretold of it at the draw v,

    sum_v P(v) Q(v) + sum_v P(v) 1[v agrees with what was run] (R - Q(v)) / P(run)

has the candidate's mean whatever Q is, as long as P(run) is right, and varies less the better Q is (Dudik, Langford, Li
2011; here with one draw for a run, and P(run) over all that agree with the part of the plan that ran). Q is a straight
line through what was believed of the run's first step, fitted to the other folds' runs. A run that would count for more
than a hundredth of all is left to the model, as SWITCH does (Wang, Agarwal, Dudik 2017).
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from router.learning.weighing import COST, JUDGED, SECONDS, STEPS, SUCCESS, Array, Runs

FOLDS = 5
HEAVIEST = 0.01
"""Most of all runs that a single one may stand for."""
Z95 = 1.959963984540054
FORETOLD = {SUCCESS: 0, COST: 1, SECONDS: 2}
"""Column of what came → column of what was foretold; the others are the same for all plans as far as is believed."""


class Estimate(msgspec.Struct, frozen=True):
    """A number and its 95% interval, by the central limit theorem over runs."""

    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Standard error."""
        return (self.high - self.low) / (2 * Z95)


class Value(msgspec.Struct, frozen=True, eq=False):
    """A policy's numbers, and each run's influence on them: (3,) and (N, 3), success, USD per success, seconds."""

    numbers: Array
    influence: Array

    def estimates(self) -> tuple[Estimate, Estimate, Estimate]:
        found = [_estimate(float(n), self.influence[:, i]) for i, n in enumerate(self.numbers)]
        return found[0], found[1], found[2]

    def minus(self, other: Value) -> Value:
        """The change from `other`, told by the same runs."""
        return Value(self.numbers - other.numbers, self.influence - other.influence)


def _estimate(value: float, influence: Array) -> Estimate:
    half = Z95 * float(influence.std(ddof=1)) / math.sqrt(len(influence))
    return Estimate(value, value - half, value + half)


def weights(runs: Runs) -> Array:
    """(N,): how many runs of the candidate each stands for."""
    out: Array = runs.agrees.sum(axis=1) / runs.p
    return out


def effective(weight: Array) -> float:
    """How many equally weighed runs say as much (Kish)."""
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares else 0.0


def heavy(runs: Runs) -> NDArray[np.bool_]:
    """(N,): the runs that are left to the model."""
    out: NDArray[np.bool_] = weights(runs) > max(1.0, HEAVIEST * len(runs.p))
    return out


def doubly_robust(runs: Runs) -> Value:
    count = len(runs.p)
    fold, told = np.arange(count) % FOLDS, np.empty((count, 5))
    ratio = np.where(heavy(runs)[:, None], 0.0, runs.agrees / runs.p[:, None])
    for column in range(5):
        q = np.empty((count, len(runs.share)))
        for k in range(FOLDS):
            q[fold == k] = _model(runs, column, fold != k, fold == k)
        told[:, column] = q @ runs.share + (ratio * (runs.came[:, column, None] - q)).sum(axis=1)
    return _value(told.mean(axis=0), told - told.mean(axis=0))


def _model(runs: Runs, column: int, known: NDArray[np.bool_], asked: NDArray[np.bool_]) -> Array:
    """What is foretold of the runs `asked` at each draw, as the runs `known` have borne it out."""
    came, source = runs.came[known, column], FORETOLD.get(column)
    mean = float(came.mean()) if len(came) else 0.0
    if source is None:
        return np.full((int(asked.sum()), len(runs.share)), mean)
    said = runs.foretold_real[known, source]
    spread = float(((said - said.mean()) ** 2).sum()) if len(said) else 0.0
    if spread <= 1e-18:
        return np.full((int(asked.sum()), len(runs.share)), mean)
    slope = float(((said - said.mean()) * (came - mean)).sum()) / spread
    out: Array = mean + slope * (runs.foretold[asked, :, source] - float(said.mean()))
    return out


def self_normalised(runs: Runs) -> Value:
    weight = weights(runs)
    whole = float(weight.mean())
    mean = (weight @ runs.came) / len(weight) / whole
    return _value(mean, weight[:, None] * (runs.came - mean) / whole)


def _value(mean: Array, off: Array) -> Value:
    """Success per judged step, USD per step over that, and seconds per step, by the delta method."""
    with np.errstate(divide="ignore", invalid="ignore"):
        success, cost, seconds = mean[[SUCCESS, COST, SECONDS]] / mean[[JUDGED, STEPS, STEPS]]
        d_success = (off[:, SUCCESS] - success * off[:, JUDGED]) / mean[JUDGED]
        d_cost = (off[:, COST] - cost * off[:, STEPS]) / mean[STEPS]
        d_seconds = (off[:, SECONDS] - seconds * off[:, STEPS]) / mean[STEPS]
        each = cost / success
        d_each = d_cost / success - each * d_success / success
    return Value(np.array([success, each, seconds]), np.stack((d_success, d_each, d_seconds), axis=1))
