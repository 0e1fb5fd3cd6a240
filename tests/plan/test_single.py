"""One attempt is chosen without arrays, and exactly as the search over arrays would choose it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.plan import Situation, choose
from router.plan.search import search
from router.plan.single import single
from router.step import Facts
from tests.plan.small import catalog
from tests.plan.small import choose as decided


@given(
    st.fixed_dictionaries(
        {
            "accuracy": st.none() | st.floats(0.01, 0.99),
            "failure_cost": st.none() | st.floats(0, 10),
            "time_value": st.sampled_from([0.0, 0.0002, 0.01]),
            "deadline": st.floats(0.05, 200),
            "confidence": st.sampled_from([0.5, 0.9]),
        }
    ),
    st.sampled_from([(), ("n/off",), ("n/off", "q122/off")]),
    st.integers(100, 200_000),
)
def test_it_chooses_as_the_search_does(terms: dict[str, Any], failed: tuple[str, ...], size: int) -> None:
    """For every wish: the same arm, the same numbers, the same word on accuracy and deadline."""
    decision = decided(catalog(), Facts(input_bytes=size), Situation(failed=failed), max_attempts=1, **terms)
    mine = single(decision.space.arms, decision.options, decision.terms)
    found = search(decision.space, decision.terms, 1)
    row = found.row(found.best)
    assert (mine.accuracy_met, mine.deadline_met) == (found.accuracy_met, found.deadline_met)
    assert mine.row.arms == row.arms == decision.chosen.arms
    for name in ("p", "p_low", "cost", "seconds", "objective"):
        assert getattr(mine.row, name) == pytest.approx(getattr(row, name), rel=1e-9, abs=1e-12)
    assert mine.row.reach == (1.0,)
    assert mine.considered == len(found.cost)
    assert choose.single is single
