"""Prices and speeds read off a trace."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from router.learning.tariff import FASTEST, Bill
from tests.learning.made import tried


def offered(tokens_in: int, tokens_out: float) -> Any:
    return SimpleNamespace(input_tokens=tokens_in, output_mean=tokens_out)


def test_two_prices_are_found() -> None:
    """Where input and output differ from step to step, both prices come out."""
    rng, bill = random.Random(1), Bill()
    for _ in range(50):
        a, b = rng.randint(100, 9_000), rng.randint(10, 3_000)
        bill.add(offered(a, b), tried(True, (a * 0.3 + b * 2.5) * 1e-6, latency_s=b / 80))
    found = bill.tariff()
    assert (found.prices.input, found.prices.output) == (pytest.approx(0.3), pytest.approx(2.5))
    assert found.tokens_per_s == pytest.approx(80)


@pytest.mark.parametrize(
    ("steps", "cost"),
    [
        ([(1_000, 500.0)] * 3, 0.004),  # nothing tells the two apart
        ([(1_000, 500.0), (9_000, 500.0)], 0.004),  # the dearest input price would be below 0
        ([(0, 500.0)] * 2, 0.004),
        ([(1_000, 0.0)] * 2, 0.004),
    ],
)
def test_the_sum_is_what_was_paid(steps: list[tuple[int, float]], cost: float) -> None:
    """Whatever the shape of the data, no price is negative and all steps together cost what they did."""
    bill = Bill()
    for a, b in steps:
        bill.add(offered(a, b), tried(True, cost))
    prices = bill.tariff().prices
    assert prices.input >= 0 and prices.output >= 0
    assert sum(prices.cost(a, b) for a, b in steps) == pytest.approx(cost * len(steps))


def test_nothing_seen_costs_nothing() -> None:
    """Before the first step, and where a trace has neither costs nor times."""
    bill = Bill()
    assert bill.tariff().prices.cost(1_000, 1_000) == 0
    bill.add(offered(5, 5.0), tried(True, 0.0))
    assert bill.tariff().prices.cost(1_000, 1_000) == 0
    assert bill.tariff().tokens_per_s == FASTEST
