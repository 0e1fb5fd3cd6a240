"""What published benchmark scores say of each arm, before any outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import msgspec

from router.beliefs.latent import moments, solve, spread
from router.catalog import Arm, Catalog, Score

Source = Literal["scored", "unconfirmed", "offset", "unknown"]


class Published(msgspec.Struct, frozen=True):
    """What a published score says of one arm."""

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
    """Pseudo-observations that it is worth, outcomes included."""
    source: Source
    benchmark: str | None = None

    def logit(self, confidence: float) -> float:
        """The ability that is exceeded with probability `confidence`; at 0.5 the posterior mean."""
        return self.mu if confidence == 0.5 else self.mu - NormalDist().inv_cdf(confidence) * self.sd

    def moved(self, mu: float, sd: float, sigma: float, tau: float) -> Success:
        """The same arm believed at `mu` and `sd`; its strength is what a Beta of that spread would be worth."""
        p, slope = moments(mu + spread(sigma, tau))
        strength = max(self.strength, p * (1.0 - p) / (sd * slope) ** 2 - 1.0)
        return Success(mu, sd, p, strength, self.source, self.benchmark)


@lru_cache(maxsize=4096)
def posterior(published: Published, sigma: float, tau: float) -> Success:
    """A published score as a posterior under the spreads of a class.

    The marginal equals the score. Its variance is that of a Beta with `strength` observations, p (1 - p) / (n + 1),
    carried to the logit scale by the delta method: sd(mu) = sd(p) / E[p (1 - p)].
    """
    mu = solve(published.p, sigma, tau) + published.offset
    p, slope = moments(mu + spread(sigma, tau))
    sd = math.sqrt(p * (1.0 - p) / (published.strength + 1.0)) / slope
    return Success(mu, sd, p, published.strength, published.source, published.benchmark)


class Scores(msgspec.Struct, frozen=True, eq=False):
    """The catalog's scores by arm and step class. Compared by identity, so that look-ups can be cached on it."""

    classes: Mapping[str, str]
    """Step class → benchmark that stands for it."""
    known: Mapping[tuple[str, str], Published]
    """(arm, benchmark) → what its score says."""
    unknown: Mapping[str, Published]
    """Arm → the wide prior where no benchmark stands for the class, or the model has no score there."""

    def of(self, arm: str, step_class: str, sigma: float, tau: float) -> Success:
        """What is believed of `arm` at `step_class` by its scores; a KeyError for an arm that the catalog lacks."""
        benchmark = self.classes.get(step_class)
        found = self.known.get((arm, benchmark)) if benchmark is not None else None
        return posterior(found or self.unknown[arm], sigma, tau)


def scores(catalog: Catalog) -> Scores:
    known = {}
    for arm in catalog.arms:
        for benchmark in catalog.benchmarks:
            found = _read(arm, benchmark, catalog) or _blank(arm, benchmark, catalog)
            if found is not None:
                known[arm.name, benchmark] = found
    # Without a score the modes still differ by what the catalog says of them, else the cheapest mode would always win.
    unknown = {
        arm.name: Published(
            catalog.unknown.p, catalog.unknown.strength, "unknown", arm.model.thinking[arm.mode].logit_offset
        )
        for arm in catalog.arms
    }
    return Scores(catalog.classes, known, unknown)


def _read(arm: Arm, benchmark: str, catalog: Catalog) -> Published | None:
    """The arm's own score on `benchmark`, else another mode's with the catalog's offset, else None."""
    found = [s for s in arm.model.scores if s.benchmark == benchmark]
    if not found:
        return None
    own = [s for s in found if s.mode == arm.mode]
    best = min(own or found, key=lambda s: not s.confirmed)
    strength = _strength(best, catalog)
    if own:
        return Published(best.percent / 100, strength, "scored" if best.confirmed else "unconfirmed", 0.0, benchmark)
    offset = arm.model.thinking[arm.mode].logit_offset
    return Published(best.percent / 100, min(strength, catalog.unscored_mode_strength), "offset", offset, benchmark)


def _blank(arm: Arm, benchmark: str, catalog: Catalog) -> Published | None:
    """What the benchmark says of a model without a score: on a hard one, ignorance must not look like an advantage."""
    unknown = catalog.benchmarks[benchmark].unknown
    if unknown is None:
        return None
    return Published(unknown.p, unknown.strength, "unknown", arm.model.thinking[arm.mode].logit_offset)


def _strength(score: Score, catalog: Catalog) -> float:
    return catalog.prior_strength * (1.0 if score.confirmed else 0.5)
