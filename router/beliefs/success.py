"""How able each arm is at each class of step: posteriors on the logit scale, and the latent difficulty behind them.

For an arm m and a step, logit p = mu[m] + sigma * z + tau * u[model of m]: z is the step's difficulty, shared by all
models; u is kept by one model over its retries (the Rasch, or item-response, model).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import msgspec
import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray

from router.catalog import Arm, Catalog, Score

Array = NDArray[np.float64]
Source = Literal["scored", "unconfirmed", "offset", "unknown"]


def _normal_nodes(count: int) -> tuple[Array, Array]:
    """Gauss-Hermite nodes and weights for the expectation over a standard normal variable."""
    nodes, weights = hermegauss(count)
    return nodes, weights / weights.sum()


Z, Z_WEIGHT = _normal_nodes(15)
"""Nodes of the difficulty that all models share."""
U, U_WEIGHT = _normal_nodes(7)
"""Nodes of what one model keeps over its retries."""
LIMIT = 35.0
"""Logits beyond this are certainty; keeps products of many failures above the smallest double."""
LOWEST_MU, HIGHEST_MU = -60.0, 60.0


def logistic(x: Array) -> Array:
    """1 / (1 + e^-x), x clipped to +-LIMIT."""
    out: Array = 1.0 / (1.0 + np.exp(-np.clip(x, -LIMIT, LIMIT)))
    return out


def spread(sigma: float, tau: float) -> Array:
    """sigma * z + tau * u at every pair of nodes, shape (15, 7)."""
    out: Array = sigma * Z[:, None] + tau * U[None, :]
    return out


def marginal(mu: float, sigma: float, tau: float) -> float:
    """P(success) of one attempt, difficulty unknown: E[logistic(mu + sigma z + tau u)]."""
    return _moments(mu + spread(sigma, tau))[0]


@lru_cache(maxsize=1024)
def solve(p: float, sigma: float, tau: float) -> float:
    """The mu whose marginal is `p`, by Newton's method, halving the bracket where a step would leave it."""
    low, high = LOWEST_MU, HIGHEST_MU
    noise, mu, gap = spread(sigma, tau), math.log(p / (1.0 - p)), 1.0
    while abs(gap) > 1e-13 and high - low > 1e-12:
        value, slope = _moments(mu + noise)
        gap = value - p
        low, high = (mu, high) if gap < 0 else (low, mu)
        step = mu - gap / slope
        mu = step if low <= step <= high else (low + high) / 2
    return mu


def _moments(x: Array) -> tuple[float, float]:
    """E[logistic(x)] over the nodes, and its derivative by mu, E[p (1 - p)]."""
    p = logistic(x)
    return float(Z_WEIGHT @ p @ U_WEIGHT), float(Z_WEIGHT @ (p * (1.0 - p)) @ U_WEIGHT)


class Evidence(msgspec.Struct, frozen=True):
    """What a published score says of one arm, before any outcome."""

    p: float
    """The score as a probability. SWE-bench and its like score whole tasks: a proxy for one step."""
    strength: float
    """Pseudo-observations that it is worth."""
    source: Source
    """`scored`; `unconfirmed`: not reproduced independently, half strength; `offset`: another mode's score, moved by
    the catalog's `logit_offset`; `unknown`: no score, the catalog's wide prior."""
    offset: float = 0.0
    """Logits added for a mode that has no score of its own."""
    benchmark: str | None = None


class Success(msgspec.Struct, frozen=True):
    """Posterior of one arm's ability at one class, normal on the logit scale."""

    mu: float
    sd: float
    p: float
    """Marginal P(success) of one attempt at `mu`."""
    strength: float
    source: Source
    benchmark: str | None = None

    def logit(self, confidence: float) -> float:
        """The ability that is exceeded with probability `confidence`; at 0.5 the posterior mean."""
        return self.mu if confidence == 0.5 else self.mu - NormalDist().inv_cdf(confidence) * self.sd


@lru_cache(maxsize=1024)
def posterior(evidence: Evidence, sigma: float, tau: float) -> Success:
    """Evidence as a posterior under the spreads of a class.

    The marginal equals the score. Its variance is that of a Beta with `strength` observations, p (1 - p) / (n + 1),
    carried to the logit scale by the delta method: sd(mu) = sd(p) / E[p (1 - p)].
    """
    mu = solve(evidence.p, sigma, tau) + evidence.offset
    p, slope = _moments(mu + spread(sigma, tau))
    sd = math.sqrt(p * (1.0 - p) / (evidence.strength + 1.0)) / slope
    return Success(mu, sd, p, evidence.strength, evidence.source, evidence.benchmark)


class Successes(msgspec.Struct, frozen=True, eq=False):
    """Beliefs on success of all arms and classes. Compared by identity, so that look-ups can be cached on it."""

    classes: Mapping[str, str]
    """Step class → benchmark that stands for it."""
    evidence: Mapping[tuple[str, str], Evidence]
    """(arm, benchmark) → what its score says."""
    unknown: Mapping[str, Evidence]
    """Arm → the wide prior where no benchmark stands for the class, or the model has no score there."""

    def of(self, arm: str, step_class: str, sigma: float, tau: float) -> Success:
        """The posterior of `arm` at `step_class`; a KeyError for an arm that the catalog lacks."""
        benchmark = self.classes.get(step_class)
        found = self.evidence.get((arm, benchmark)) if benchmark is not None else None
        return posterior(found or self.unknown[arm], sigma, tau)


def prior(catalog: Catalog) -> Successes:
    """Beliefs from published scores alone."""
    evidence = {}
    for arm in catalog.arms:
        for benchmark in catalog.benchmarks:
            found = _read(arm, benchmark, catalog) or _blank(arm, benchmark, catalog)
            if found is not None:
                evidence[arm.name, benchmark] = found
    # Without a score the modes still differ by what the catalog says of them, else the cheapest mode would always win.
    unknown = {
        arm.name: Evidence(
            catalog.unknown.p, catalog.unknown.strength, "unknown", arm.model.thinking[arm.mode].logit_offset
        )
        for arm in catalog.arms
    }
    return Successes(catalog.classes, evidence, unknown)


def _read(arm: Arm, benchmark: str, catalog: Catalog) -> Evidence | None:
    """The arm's own score on `benchmark`, else another mode's with the catalog's offset, else None."""
    scores = [s for s in arm.model.scores if s.benchmark == benchmark]
    if not scores:
        return None
    own = [s for s in scores if s.mode == arm.mode]
    best = min(own or scores, key=lambda s: not s.confirmed)
    strength = _strength(best, catalog)
    if own:
        return Evidence(best.percent / 100, strength, "scored" if best.confirmed else "unconfirmed", 0.0, benchmark)
    offset = arm.model.thinking[arm.mode].logit_offset
    return Evidence(best.percent / 100, min(strength, catalog.unscored_mode_strength), "offset", offset, benchmark)


def _blank(arm: Arm, benchmark: str, catalog: Catalog) -> Evidence | None:
    """What the benchmark says of a model without a score: on a hard one, ignorance must not look like an advantage."""
    unknown = catalog.benchmarks[benchmark].unknown
    if unknown is None:
        return None
    return Evidence(unknown.p, unknown.strength, "unknown", arm.model.thinking[arm.mode].logit_offset)


def _strength(score: Score, catalog: Catalog) -> float:
    return catalog.prior_strength * (1.0 if score.confirmed else 0.5)
