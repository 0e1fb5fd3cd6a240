"""A logged decision made again: under whatever policy, from what its record tells."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from benchmarks.offline import BOTH, World, catalog, policy
from router.journal import StepRecord
from router.journal.records import Drawn
from router.learning.again import again, atoms
from router.policy import Policy

MODELS = catalog()
S, L = "small/off", "large/off"


def logged(**changes: Any) -> StepRecord:
    """The first step of the world, changed."""
    return replace(next(World(BOTH, MODELS, 1).runs(1))[0], **changes)


def test_draws_sum_to_one() -> None:
    """Classes with shares of their own cut the draws into levels; a policy that never explores has one."""
    capped = BOTH.classes[0].model_copy(update={"exploration": 0.1})
    both = BOTH.model_copy(update={"classes": (capped, BOTH.classes[1])})
    found = atoms(both, MODELS)
    assert sum(a.p for a in found) == pytest.approx(1.0) and len(found) == 5
    assert [a.upper for a in found] == [0.1, 0.1, 0.4, 0.4, 1.0]
    assert len(atoms(policy("still"), MODELS)) == 1
    assert sum(a.p for a in atoms(policy("always", 1.0), MODELS)) == pytest.approx(1.0)


def changed(**fields: Any) -> Policy:
    return BOTH.model_copy(update={"name": "other", **fields})


def test_what_the_record_does_not_tell() -> None:
    """An arm that the policy kept out then and another would take is not known; one alone is."""
    narrow = changed(constraints=BOTH.constraints.model_copy(update={"models": frozenset({"small"})}))
    record = logged(drawn=None, propensity=1.0)
    alone = replace(record, offers=tuple(o for o in record.offers if o.arm == S))
    assert again(alone, BOTH, MODELS, narrow).unknown and not again(record, BOTH, MODELS, BOTH).unknown
    only = again(record, narrow, MODELS, BOTH)
    assert only.base is not None and set(only.base.arms) == {S} and not only.unknown
    nobody = changed(constraints=BOTH.constraints.model_copy(update={"models": frozenset({"gone"})}))
    assert again(record, nobody, MODELS, BOTH).base is None


def test_hints_are_heard_again() -> None:
    """What the caller asked stands under every policy: its retries, what its run had left, its caps."""
    pinned = logged(hints={"step": "easy", "retries": 0}, drawn=None, propensity=1.0)
    assert again(pinned, BOTH, MODELS, BOTH).terms.max_attempts == 1
    record = logged(hints={"step": "easy", "run_retries": 3, "run_max_cost": 1.0}, drawn=None)
    assert record.asked is not None
    spent = replace(record, asked=replace(record.asked, max_cost=1e-9, max_attempts=1))
    found = again(spent, BOTH, MODELS, BOTH)
    assert found.terms.max_attempts == 1 and found.base is None and found.terms.exploration is None


def test_a_loop_stays() -> None:
    """A step that stayed with its loop's model stays with it again, unless the other policy has no affinity."""
    record = logged(why="affinity", drawn=Drawn(None, 0.6))
    assert record.chosen is not None
    record = replace(record, chosen=replace(record.chosen, arms=(S, S)))
    kept, free = again(record, BOTH, MODELS, BOTH), again(record, changed(affinity=0.0), MODELS, BOTH)
    assert kept.base is not None and kept.base.arms[0] == S
    assert free.base is not None and free.base.arms[0] == L
