"""Prices and speeds of models that no catalog serves, read off the steps that a replay has passed.

Of every arm, tried or not: what a model costs and how fast it is stands in a price list; whether it succeeds does not.
"""

from __future__ import annotations

import math

from router.catalog import Prices
from router.learning.scene import Tariff
from router.learning.trace import Tried
from router.plan import Candidate

SLOWEST, FASTEST = 1e-3, 1e6
"""Tokens per second."""
TINY = 1e-9


class Bill:
    """What one model's answers cost and took, against the tokens that were expected of them."""

    def __init__(self) -> None:
        self._in_in = self._in_out = self._out_out = 0.0
        self._in_cost = self._out_cost = 0.0
        self._in = self._out = self._cost = self._seconds = 0.0

    def add(self, expected: Candidate, came: Tried) -> None:
        """After an answer; `expected`: what the planner saw of it beforehand."""
        tokens_in, tokens_out, cost = float(expected.input_tokens), expected.output_mean, came.cost_usd
        self._in_in += tokens_in * tokens_in
        self._in_out += tokens_in * tokens_out
        self._out_out += tokens_out * tokens_out
        self._in_cost += tokens_in * cost
        self._out_cost += tokens_out * cost
        self._in, self._out = self._in + tokens_in, self._out + tokens_out
        self._cost, self._seconds = self._cost + cost, self._seconds + came.latency_s

    def tariff(self) -> Tariff:
        """Prices that give what was paid, in sum exactly and step by step as nearly as two prices can."""
        per_in, per_out = self._prices()
        fitted = per_in * self._in + per_out * self._out
        scale = self._cost / fitted * 1e6 if fitted > 0 else 0.0
        speed = self._out / self._seconds if self._seconds > 0 else FASTEST
        prices = Prices(input=per_in * scale, output=per_out * scale)
        return Tariff(prices, min(max(speed, SLOWEST), FASTEST))

    def _prices(self) -> tuple[float, float]:
        """Least squares of cost by input and expected output tokens, neither price below 0."""
        spread = self._in_in * self._out_out - self._in_out**2
        if spread > TINY * self._in_in * self._out_out:
            per_in = (self._in_cost * self._out_out - self._out_cost * self._in_out) / spread
            per_out = (self._out_cost * self._in_in - self._in_cost * self._in_out) / spread
            if per_in >= 0 and per_out >= 0:
                return per_in, per_out
        by_in = self._in_cost / math.sqrt(self._in_in) if self._in_in else 0.0
        by_out = self._out_cost / math.sqrt(self._out_out) if self._out_out else 0.0
        if by_in > by_out:  # the one that leaves less unexplained
            return self._in_cost / self._in_in, 0.0
        return 0.0, self._out_cost / self._out_out if self._out_out else 0.0
