"""Exploration: realised frequencies are the propensities that are logged, and nothing is drawn that is not allowed."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from router.plan import Decision, Draw, Lot, Situation, everything
from router.plan.exploring import drawable, drawn, variants
from router.plan.few import Choice
from router.plan.gates import ask
from router.policy import Exploration
from router.step import Facts
from tests.plan.small import FACTS, Q122, Q397, TERMS, N, catalog, choose

CATALOG = catalog()
ALL = Exploration(share=0.3, regret=100)
"""A third of it to each of three arms, however bad."""


def at(lot: tuple[float, float], **terms: Any) -> Decision:
    base = replace(TERMS, failure_cost=terms.pop("failure_cost", 0.01), exploration=terms.pop("exploration", ALL))
    situation = Situation(lot=Lot(*lot), **terms.pop("situation", {}))
    return choose(CATALOG, terms.pop("facts", FACTS), situation, base, **terms)


def chi_square(seen: Counter[Any], expected: dict[Any, float], n: int) -> float:
    assert seen.keys() <= expected.keys()
    return sum((seen[k] - n * p) ** 2 / (n * p) for k, p in expected.items())


@pytest.mark.parametrize(
    ("terms", "kinds"),
    [
        ({"max_attempts": 1}, 3),
        ({"max_attempts": 3}, 3),
        ({"max_attempts": 1, "accuracy": 0.7}, 2),  # the cheap arm cannot reach it alone
        ({"max_attempts": 2, "exploration": Exploration(share=0.5, arms=frozenset({"q397"}), regret=100)}, 2),
        ({"max_attempts": 1, "exploration": Exploration(share=1.0, regret=100)}, 3),
    ],
)
def test_frequencies_are_the_propensities(terms: dict[str, Any], kinds: int) -> None:
    """Over many runs each plan comes as often as it said; the plans' propensities sum to one."""
    rng, n = random.Random(7), 1_500
    decisions = [at((rng.random(), rng.random()), **dict(terms)) for _ in range(n)]
    expected = {d.chosen.arms: d.propensity for d in decisions}
    assert len(expected) == kinds and sum(expected.values()) == pytest.approx(1.0)
    assert all(d.propensity == expected[d.chosen.arms] for d in decisions)
    assert chi_square(Counter(d.chosen.arms for d in decisions), expected, n) < 16.3  # P < 0.001 with 3 degrees
    draws = {d.drawn.arm: d.drawn.p for d in decisions if d.drawn}
    assert sum(draws.values()) == pytest.approx(1.0)
    assert chi_square(Counter(d.drawn.arm for d in decisions if d.drawn), draws, n) < 18.5


def test_off_is_certain() -> None:
    """Without a share, or without a lot, the choice is what it was, with propensity exactly one and nothing drawn."""
    off = choose(CATALOG, situation=Situation(lot=Lot(0.0, 0.99)), failure_cost=0.01)
    none = choose(CATALOG, exploration=ALL, failure_cost=0.01)
    for decision in (off, none):
        assert decision.propensity == 1.0 and decision.drawn is None and decision.kind == "failure_cost"
        assert decision.chosen == choose(CATALOG, failure_cost=0.01).chosen


def test_the_same_lot_begins_all_steps_with_the_same_arm() -> None:
    """A run keeps its variant over steps that differ, wherever it is allowed; propensities are never multiplied."""
    steps = [Facts(input_bytes=size, turn=i) for i, size in enumerate((2_000, 32_000, 400_000))]
    found = [at((0.1, 0.9), facts=facts) for facts in steps]
    assert [d.chosen.arms[0] for d in found] == [Q397] * 3
    assert [d.drawn for d in found] == [Draw(Q397, pytest.approx(0.1))] * 3
    assert [d.propensity for d in found] == [pytest.approx(0.1)] * 3
    assert {(d.kind, d.reason) for d in found} == {
        ("exploration", "drawn for this run (propensity 0.1): the best that begins with q397/off")
    }


def test_what_is_drawn_is_the_best_of_its_kind() -> None:
    """The rest of a drawn plan is chosen as ever, and it meets the accuracy that is asked for."""
    decision = at((0.0, 0.5), accuracy=0.8, max_attempts=2)
    listed = everything(decision)
    assert decision.chosen.arms[0] == Q122 and decision.chosen.p_low >= 0.8
    rivals = [one.plan for one in listed if one.plan.arms[0] == Q122 and one.plan.p_low >= 0.8]
    assert decision.chosen.objective == min(plan.objective for plan in rivals)
    assert listed[0].plan == decision.chosen and listed[0].why == decision.reason
    assert decision.chosen in decision.frontier
    passed = next(one for one in listed if one.plan.arms == at((0.9, 0.0), accuracy=0.8, max_attempts=2).chosen.arms)
    assert passed.why.startswith("the best by objective, $") and passed.why.endswith("the run's draw was another")


@pytest.mark.parametrize(
    ("arm", "terms"),
    [
        (0.0, {"accuracy": 0.7, "max_attempts": 1}),
        (0.0, {"accuracy": 0.7, "max_attempts": 1, "f": 1.0, "verify": "none"}),
        (0.9, {"max_cost": 0.007, "max_attempts": 1}),
        (0.9, {"max_cost": 0.007, "max_attempts": 2}),
        (0.9, {"deadline": 15.0, "max_attempts": 1}),
        (0.9, {"deadline": 15.0, "max_attempts": 2}),
        (0.9, {"deadline": 15.0, "max_attempts": 2, "failure_cost": 10.0}),
        (0.0, {"max_attempts": 2, "facts": replace(FACTS, images=((64, 64),))}),
        (0.9, {"max_attempts": 2, "situation": {"unhealthy": frozenset({"q397:main"})}}),
        (0.9, {"max_attempts": 1, "exploration": Exploration(share=0.3, regret=0.0)}),
    ],
)
def test_what_is_not_allowed_is_not_drawn(arm: float, terms: dict[str, Any]) -> None:
    """A variant whose arm misses accuracy, cap, deadline, a gate or the bound of regret does what the policy does."""
    explored, plain = at((0.0, arm), **dict(terms)), at((0.9, arm), **dict(terms))
    assert explored.drawn is not None and explored.drawn.arm == (N if arm == 0.0 else Q397)
    assert explored.chosen == plain.chosen and explored.kind == plain.kind != "exploration"
    assert explored.propensity == plain.propensity > 0.7


@pytest.mark.parametrize(
    "terms",
    [
        {"situation": {"failed": (N,)}},
        {"situation": {"assume_failed": 1}},
        {"facts": replace(FACTS, thinking="off")},
        {"accuracy": 0.9999},
        {"deadline": 0.01},
        {"exploration": Exploration(share=0.3, arms=frozenset({"gone"}))},
    ],
)
def test_steps_that_are_not_drawn_for(terms: dict[str, Any]) -> None:
    """Not a second try, not a step whose mode is pinned, nor one that even the best plan falls short on."""
    decision = at((0.0, 0.9), **terms)
    assert decision.propensity == 1.0 and decision.drawn is None


def test_a_smaller_share_explores_in_the_same_runs() -> None:
    """Classes with a cap take part in some of the policy's explored runs and never in others."""
    names = drawable(CATALOG.arms, ask(Facts(), TERMS), None)
    assert names == (N, Q122, Q397)
    assert drawable(CATALOG.arms, ask(Facts(), TERMS), frozenset({"q122", Q397})) == (Q122, Q397)
    for lot in (Lot(0.05, 0.4), Lot(0.2, 0.4), Lot(0.35, 0.4)):
        small, large = (drawn(Exploration(share=share), names, lot) for share in (0.1, 0.3))
        assert small.arm in (None, large.arm)


def test_held_exactly_where_the_drawn_plan_retries() -> None:
    """With `hold: auto`, a drawn plan of one attempt is not held back."""
    keen = {"hold": "auto", "verify": "checks", "f": 0.1, "accuracy": 0.75}
    alone, retried = at((0.0, 0.9), max_attempts=2, **keen), at((0.9, 0.0), max_attempts=2, **keen)
    assert (alone.chosen.arms, alone.hold) == ((Q397,), False)
    assert retried.hold == (len(retried.chosen.arms) > 1)


def test_all_variants_at_once() -> None:
    """What each draw would come to, for who judges a log: as the draws say, and nothing where nothing is drawn."""
    decision = at((0.9, 0.0), max_attempts=1)
    row = decision.again().row(decision.again().best)
    best = Choice(row, 3, accuracy_met=True, deadline_met=True, attempts=1)
    found = variants(best, decision.space, decision.terms, CATALOG.arms)
    assert {arm: plan.arms for arm, plan in found.items()} == {
        name: drawn_plan.chosen.arms
        for name, drawn_plan in ((N, at((0.0, 0.0), max_attempts=1)), (Q397, at((0.0, 0.9), max_attempts=1)))
        if drawn_plan.chosen.arms != row.arms
    } | ({Q122: (Q122,)} if row.arms != (Q122,) else {})
    assert variants(replace(best, accuracy_met=False), decision.space, decision.terms, CATALOG.arms) == {}
    still = replace(decision.terms, exploration=None)
    assert variants(best, decision.space, still, CATALOG.arms) == {}
    nobody = replace(decision.terms, exploration=Exploration(share=0.3, arms=frozenset({"gone"})))
    assert variants(best, decision.space, nobody, CATALOG.arms) == {}
