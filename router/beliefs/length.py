"""How long one answer is: log-normal laws of visible and reasoning tokens, which are billed alike, and their sum."""

from __future__ import annotations

import math
from functools import lru_cache

import msgspec

Z90 = 1.2815515655446004
"""The standard normal's 0.9 quantile."""
HINT_SPREAD = 0.35
"""Log-sd of the visible length around a caller's own expectation: q90 at 1.57 times the hint."""
REASONING_SPREAD = 0.9
"""Log-sd of reasoning tokens: traces are long-tailed, q90 at about 3.2 times the median."""
WIDEST = 2.0
"""Log-sd beyond which a log-normal's mean is not believed: of two humps, the median and q90 say little about it."""
NARROWEST = 0.05
"""Least log distance from q50 to q90 that a shift is a multiple of, so that equal lengths can be shifted too."""


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
    uncut: float
    """q90 of the answer that nothing cuts off."""
    thought: float = 0.0
    """Median reasoning tokens that nothing cuts off."""


class Visible(msgspec.Struct, frozen=True):
    """Quantiles of an answer's visible part, natural logs of tokens."""

    q10: float
    q50: float
    q90: float


def compose(
    visible: Visible, reasoning: LogNormal | None, shift: float, factor: float, max_tokens: int | None
) -> Length:
    """The whole answer: visible and reasoning tokens, corrected, and cut off at `max_tokens`.

    `shift`: multiples of the log distance from q50 to q90 by which q90 is moved (it never falls below q50). `factor`:
    on the log-normal's mean, where experience says that it is off.
    """
    low, middle, high = visible.q10, visible.q50, visible.q90
    s = max((high - middle) / Z90, 1e-6)
    share = thought = 0.0
    if reasoning is not None:
        hidden, shown = reasoning.mean, math.exp(middle + s * s / 2)
        share, thought = hidden / (hidden + shown), math.exp(reasoning.mu)
        total = matched(shown + hidden, shown * shown * math.expm1(s * s) + reasoning.variance)
        s, middle = total.s, total.mu
        low, high = middle - Z90 * s, middle + Z90 * s
    mean = factor * math.exp(middle + min(s, WIDEST) ** 2 / 2)
    if shift:
        high = max(middle, high + shift * max(high - middle, NARROWEST))
    q10, q50, q90 = math.exp(low), math.exp(middle), math.exp(high)
    if not max_tokens:
        return Length(q10, q50, q90, mean, mean * share, q90, thought)
    s = min(s, WIDEST)
    mean = LogNormal(math.log(mean) - s * s / 2, s).mean_below(max_tokens)
    low, middle, high = min(q10, max_tokens), min(q50, max_tokens), min(q90, max_tokens)
    return Length(low, middle, high, mean, mean * share, q90, thought)


@lru_cache(maxsize=4096)
def hidden(median: float, spread: float = REASONING_SPREAD) -> LogNormal | None:
    """Reasoning tokens of this median, None where there are none."""
    return LogNormal(math.log(median), spread) if median > 0 else None


def hinted(visible: Visible, hint: int, bias: float = 0.0, error: float | None = None) -> Visible:
    """`visible` where the caller says what it expects. Never wider than without.

    `bias`: mean log of actual over expected length so far, `error` its rms, None before any. A hint that is off by more
    than the lengths scatter anyway is believed in proportion to the variances only.
    """
    s = max((visible.q90 - visible.q50) / Z90, 1e-6)
    trust = 1.0 if error is None or error <= s else (s / error) ** 2
    middle = trust * (math.log(hint) + bias) + (1.0 - trust) * visible.q50
    reach = Z90 * min(s, HINT_SPREAD if error is None else error)
    return Visible(middle - min(reach, visible.q50 - visible.q10), middle, middle + reach)


@lru_cache(maxsize=4096)
def length(q50: float, q90: float, hint: int | None, max_tokens: int | None, reasoning: float) -> Length:
    """The belief on one answer's length before anything is learned.

    `q50`, `q90`: visible tokens of the class; `hint`: the caller's own expectation, which replaces the median and
    narrows the spread; `max_tokens` cuts answers off; `reasoning`: the arm's median reasoning tokens, 0 for none.
    """
    middle, high = math.log(q50), max(math.log(q90), math.log(q50))
    visible = Visible(2 * middle - high, middle, high)
    return compose(hinted(visible, hint) if hint else visible, hidden(reasoning), 0.0, 1.0, max_tokens)
