"""Every plan that was compared, and why it lost."""

from __future__ import annotations

from typing import Any

import pytest

from router.plan import everything
from tests.plan.small import Q122, Q397, N, catalog, choose

CATALOG = catalog()


def reasons(**terms: Any) -> dict[tuple[str, ...], str]:
    return {listed.plan.arms: listed.why for listed in everything(choose(CATALOG, **terms))}


def test_all_plans_once_the_chosen_first() -> None:
    """The list is complete, starts with the chosen plan, and marks the frontier."""
    decision = choose(CATALOG, accuracy=0.8, max_attempts=3)
    listed = everything(decision)
    assert len(listed) == decision.considered == 39 == len({one.plan.arms for one in listed})
    assert listed[0].plan == decision.chosen and listed[0].why == decision.reason
    assert [one.chosen for one in listed] == [True] + [False] * 38
    assert {one.plan.arms for one in listed if one.frontier} == {p.arms for p in decision.frontier}
    assert everything(decision, limit=5) == listed[:5]


@pytest.mark.parametrize(
    ("terms", "arms", "why"),
    [
        ({"accuracy": 0.8, "max_attempts": 2}, (N,), "P 0.6047 is below 0.8"),
        ({"accuracy": 0.8, "max_attempts": 2}, (N, Q397), "objective $0.004482 against $0.003620"),
        ({"accuracy": 0.7, "max_attempts": 1}, (Q397,), "objective $0.008100 against $0.005920"),
        ({"accuracy": 0.8, "max_attempts": 2}, (Q122, N),
         "beaten in both: $0.006266 and P 0.8450 against $0.003620 and P 0.8450"),
        ({"accuracy": 0.95, "max_attempts": 1}, (N,), "P 0.6047 is below 0.95, and below the best of 0.7640"),
        ({"max_cost": 0.009, "max_attempts": 2, "accuracy": 0.6}, (Q122, Q397),
         "all its attempts cost $0.014020, over the cap of $0.009"),
        ({"max_attempts": 2, "accuracy": 0.6, "deadline": 10.0}, (Q122, Q397),
         "takes over 10 s in more than 1 of 10 cases"),
        ({"max_attempts": 1, "accuracy": 0.6, "deadline": 2.0}, (Q122,), "slower: 10.7 s against 3.8 s"),
    ],
)  # fmt: skip
def test_why(terms: dict[str, Any], arms: tuple[str, ...], why: str) -> None:
    """Each plan that lost says what it lost by."""
    assert reasons(**terms)[arms] == why
