"""How long an answer will be: log-normal beliefs on visible and reasoning tokens, which are billed alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from router.catalog import Catalog

Z90 = 1.2815515655446004
"""The standard normal's 0.9 quantile."""
HINT_SPREAD = 0.35
"""Log-sd of the visible length around a caller's own expectation: q90 at 1.57 times the hint."""
REASONING_SPREAD = 0.9
"""Log-sd of reasoning tokens: traces are long-tailed, q90 at about 3.2 times the median."""


def phi(x: float) -> float:
    """The standard normal's distribution function."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


class LogNormal(msgspec.Struct, frozen=True):
    mu: float
    s: float

    @property
    def mean(self) -> float:
        return math.exp(self.mu + self.s * self.s / 2)

    @property
    def variance(self) -> float:
        return self.mean**2 * math.expm1(self.s * self.s)

    def scaled(self, factor: float) -> LogNormal:
        return LogNormal(self.mu + math.log(factor), self.s)

    def quantile(self, z: float) -> float:
        """The quantile at the standard normal's `z`."""
        return math.exp(self.mu + self.s * z)

    def cdf(self, x: float) -> float:
        """P(X <= x) for x > 0."""
        return phi((math.log(x) - self.mu) / self.s)

    def mean_below(self, top: float) -> float:
        """E[min(X, top)]: the mean where longer answers are cut off at `top`."""
        z = (math.log(top) - self.mu) / self.s
        return self.mean * phi(z - self.s) + top * phi(-z)


def matched(mean: float, variance: float) -> LogNormal:
    """The log-normal of this mean and variance (Fenton-Wilkinson, for sums of log-normals)."""
    s2 = math.log1p(variance / mean**2)
    return LogNormal(math.log(mean) - s2 / 2, math.sqrt(s2))


class Length(msgspec.Struct, frozen=True):
    """Output tokens of one answer, reasoning included."""

    q10: float
    q50: float
    q90: float
    mean: float
    reasoning: float
    """Mean reasoning tokens among them."""


@lru_cache(maxsize=4096)
def length(q50: float, q90: float, hint: int | None, max_tokens: int | None, reasoning: float) -> Length:
    """The belief on one answer's length.

    `q50`, `q90`: visible tokens of the class; `hint`: the caller's own expectation, which replaces the median and
    narrows the spread; `max_tokens` cuts answers off; `reasoning`: the arm's median reasoning tokens, 0 for none.
    """
    s = max(math.log(q90 / q50) / Z90, 1e-6)
    total = LogNormal(math.log(hint), min(s, HINT_SPREAD)) if hint else LogNormal(math.log(q50), s)
    thought = 0.0
    if reasoning > 0:
        hidden = LogNormal(math.log(reasoning), REASONING_SPREAD)
        thought = hidden.mean / (hidden.mean + total.mean)
        total = matched(total.mean + hidden.mean, total.variance + hidden.variance)
    low, middle, high, mean = total.quantile(-Z90), total.quantile(0.0), total.quantile(Z90), total.mean
    if max_tokens:
        low, middle, high = min(low, max_tokens), min(middle, max_tokens), min(high, max_tokens)
        mean = total.mean_below(max_tokens)
    return Length(low, middle, high, mean, mean * thought)


class Lengths(msgspec.Struct, frozen=True, eq=False):
    """Beliefs on output length of all arms. Compared and hashed by identity, so that look-ups can be cached on it."""

    reasoning: Mapping[str, float]
    """Arm → median reasoning tokens."""

    def of(self, arm: str, q50: float, q90: float, hint: int | None, max_tokens: int | None) -> Length:
        return length(q50, q90, hint, max_tokens, self.reasoning[arm])


def prior(catalog: Catalog) -> Lengths:
    return Lengths({arm.name: arm.model.thinking[arm.mode].reasoning_tokens for arm in catalog.arms})
