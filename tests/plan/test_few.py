"""Few plans are chosen among without arrays, and exactly as the search over arrays would choose."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.plan import Situation, choose
from router.plan.few import FEW, few, fits
from router.plan.search import search
from router.step import Facts
from tests.plan.small import catalog
from tests.plan.small import choose as decided

WISHES = st.fixed_dictionaries(
    {
        "accuracy": st.none() | st.floats(0.01, 0.99),
        "failure_cost": st.none() | st.floats(0, 10),
        "time_value": st.sampled_from([0.0, 0.0002, 0.01]),
        "deadline": st.floats(0.05, 200),
        "max_cost": st.none() | st.floats(0.02, 0.1),
        "confidence": st.sampled_from([0.5, 0.9]),
        "t": st.sampled_from([1.0, 0.95]),
        "f": st.sampled_from([0.0, 0.3]),
    }
)


@given(
    WISHES,
    st.sampled_from([(("n",), 1), (("n",), 4), (("n", "q122"), 2), (("q122", "q397"), 1), (("n", "q122", "q397"), 2)]),
    st.sampled_from([(), ("n/off",), ("n/off", "q122/off")]),
    st.integers(100, 200_000),
    st.sampled_from([{}, {"n/off": 1}, {"q122/off": 1, "q397/off": 2}]),
)
def test_it_chooses_as_the_search_does(
    terms: dict[str, Any], wanted: tuple[tuple[str, ...], int], failed: tuple[str, ...], size: int, most: dict[str, int]
) -> None:
    """For every wish: the same plan, the same numbers, the same word on accuracy and deadline."""
    models, attempts = wanted
    decision = decided(
        catalog(),
        Facts(input_bytes=size),
        Situation(failed=failed, most=most),
        models=(frozenset(models),),
        max_attempts=attempts,
        **terms,
    )
    assert fits(len(models), attempts)
    mine = few(decision.space, decision.options, decision.terms, attempts)
    found = search(decision.space, decision.terms, attempts)
    row = found.row(found.best)
    assert (mine.accuracy_met, mine.deadline_met) == (found.accuracy_met, found.deadline_met)
    assert mine.row.arms == row.arms == decision.chosen.arms
    for name in ("p", "p_low", "cost", "seconds", "objective", "reach"):
        assert getattr(mine.row, name) == pytest.approx(getattr(row, name), rel=1e-9, abs=1e-12)
    assert mine.considered == len(found.cost)
    assert choose.few is few


def test_many_plans_are_for_the_search() -> None:
    """Single attempts are always few; longer plans only up to a dozen."""
    assert fits(100, 1)
    assert [arms for arms in range(1, 20) if fits(arms, 2)] == [1, 2, 3]
    assert 3 + 9 == FEW
    assert not fits(3, 3)


@pytest.mark.parametrize(
    ("deadline", "chosen", "kept"), [(8.0, "n/off", True), (600.0, "q122/off", True), (1.0, "n/off", False)]
)
def test_a_deadline_leaves_those_on_time(deadline: float, chosen: str, kept: bool) -> None:
    """The best plan gives way to one that is on time; where none is, it is the fastest."""
    decision = decided(
        catalog(), Facts(input_bytes=32_000), models=(frozenset(("n", "q122")),), accuracy=0.7, f=1.0, deadline=deadline
    )
    assert decision.chosen.arms == (chosen,)
    assert decision.deadline_met is kept
