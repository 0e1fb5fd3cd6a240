"""Beliefs as one value: what an observation changes and what it leaves."""

from __future__ import annotations

import pytest

from router.beliefs import Beliefs
from router.step import Facts
from tests.plan.small import catalog

CATALOG = catalog()
FACTS = Facts(input_bytes=4000)


def test_observe_moves_one_model() -> None:
    """A report moves the counts of its model alone; the old value stays as it was and the rest is shared."""
    old = Beliefs.prior(CATALOG)
    new = old.observe("n", counted=1000, reported=1500)
    assert (old.version, new.version) == (0, 1)
    n, other = CATALOG.models["n"], CATALOG.models["q122"]
    assert new.tokens.count(n, FACTS)[1] > 1000 == old.tokens.count(n, FACTS)[1]
    assert new.tokens.count(other, FACTS) == (1000, 1000)
    assert new.success is old.success and new.length is old.length and new.speed is old.speed


@pytest.mark.parametrize(("counted", "reported"), [(0, 10), (10, 0), (-1, 10)])
def test_nothing_to_learn(counted: int, reported: int) -> None:
    """Without two positive numbers the beliefs stay."""
    old = Beliefs.prior(CATALOG)
    assert old.observe("n", counted, reported) is old
