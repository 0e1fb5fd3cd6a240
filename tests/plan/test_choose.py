"""Whole decisions: worked choices, what only narrows, escalation, holding, and what is said where nothing will do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from router.errors import Infeasible, RateLimited, Unavailable
from router.plan import Situation
from router.step import Facts
from tests.plan.small import FACTS, Q122, Q397, TERMS, THREE, N, catalog, choose, deployment, model

CATALOG = catalog()
ALONE = {"sigma": 0.0, "tau": 0.0}


@pytest.mark.parametrize(
    ("terms", "arms", "p", "cost"),
    [
        ({"accuracy": 0.7, "max_attempts": 1, **ALONE}, (Q122,), 0.73, 0.00592),
        ({"accuracy": 0.7, "max_attempts": 2, **ALONE}, (N, N), 0.844, 0.001786),
        ({"accuracy": 0.85, "max_attempts": 2, **ALONE}, (N, Q122), 0.893, 0.00362),
        ({"accuracy": 0.9, "max_attempts": 2, **ALONE}, (N, Q397), 0.907, 0.004482),
        ({"accuracy": 0.95, "max_attempts": 3, **ALONE}, (N, N, Q122), 0.958, 0.002711),
        ({"accuracy": 0.85, "max_attempts": 2, "f": 0.2, **ALONE}, (Q122, N), 0.861, 0.006196),
        ({"accuracy": 0.8, "max_attempts": 2}, (N, Q122), 0.8450, 0.00362),
        ({"accuracy": 0.8, "max_attempts": 3}, (N, N, N), 0.8284, 0.002094),
        ({"accuracy": 0.85, "max_attempts": 3}, (N, N, Q122), None, None),
        ({"accuracy": 0.9, "max_attempts": 4}, (N, N, N, Q122), 0.9143, 0.00311),
    ],
)
def test_worked_choices(terms: dict[str, Any], arms: tuple[str, ...], p: float | None, cost: float | None) -> None:
    """The cheapest plan that reaches the accuracy, from benchmark scores to dollars."""
    chosen = choose(CATALOG, **terms).chosen
    assert chosen.arms == arms
    if p is not None:
        assert (chosen.p_success, chosen.cost) == (pytest.approx(p, abs=5e-4), pytest.approx(cost, abs=1e-6))


def test_without_verification_one_shot() -> None:
    """If nothing tells wrong from right only single attempts count, and one alone has to meet the accuracy."""
    decision = choose(CATALOG, accuracy=0.7, f=1.0, verify="none")
    assert decision.chosen.arms == (Q122,) and decision.considered == 3 and decision.accuracy_met
    decision = choose(CATALOG, accuracy=0.8, f=1.0, verify="none")
    assert decision.chosen.arms == (Q397,) and not decision.accuracy_met


@pytest.mark.parametrize(
    ("terms", "arms", "kind", "reason"),
    [
        ({}, (N,), "cost_per_success", "least expected cost per success"),
        ({"failure_cost": 1.0}, None, "failure_cost", "least expected cost with $1 for a failure"),
        ({"failure_cost": 0.001, "accuracy": 0.7, "time_value": 1e-6}, None, "failure_cost",
         "least expected cost and time with $0.001 for a failure with P >= 0.7"),
        ({"accuracy": 0.7}, (N, N), "accuracy", "least expected cost with P >= 0.7"),
        ({"accuracy": 0.9999}, None, "accuracy_unmet", "no plan reaches P >= 0.9999: the highest P"),
        ({"accuracy": 0.9, "deadline": 3.5}, (N,), "deadline_unmet",
         "no plan ends within 3.5 s in 9 of 10 cases: the fastest"),
    ],
)  # fmt: skip
def test_reasons(terms: dict[str, Any], arms: tuple[str, ...] | None, kind: str, reason: str) -> None:
    """Every kind of decision says in words what decided."""
    decision = choose(CATALOG, **terms)
    assert arms is None or decision.chosen.arms == arms
    assert (decision.kind, decision.reason) == (kind, reason)
    assert decision.accuracy_met == (kind not in ("accuracy_unmet", "deadline_unmet"))
    assert decision.propensity == 1.0 and decision.beliefs_version == 0


def test_a_dear_failure_buys_certainty() -> None:
    """The more a wrong result costs, the surer the plan."""
    p = [choose(CATALOG, failure_cost=c).chosen.p_success for c in (0.0, 0.01, 0.1, 10.0)]
    assert p == sorted(p) and p[-1] > p[0] + 0.2


def test_time_is_worth_money() -> None:
    """With a value on seconds the faster model wins a step that the surer one would have had."""
    assert choose(CATALOG, failure_cost=1.0, max_attempts=1).chosen.arms == (Q397,)
    assert choose(CATALOG, failure_cost=1.0, max_attempts=1, time_value=0.1).chosen.arms == (N,)


def test_confidence_asks_for_more() -> None:
    """A lower bound is harder to reach than the mean, and is what decides whether the accuracy is met."""
    sure = choose(CATALOG, accuracy=0.7, confidence=0.9).chosen
    assert sure.p_low >= 0.7 and sure.p_success > sure.p_low
    assert sure.cost > choose(CATALOG, accuracy=0.7).chosen.cost


def test_escalation() -> None:
    """After a model's known failure the plan starts elsewhere, and P speaks of what is still to come."""
    before = choose(CATALOG, max_attempts=1, accuracy=0.6)
    after = choose(CATALOG, max_attempts=1, accuracy=0.6, situation=Situation(failed=(N,)))
    assert before.chosen.arms == (N,) and after.chosen.arms == (Q122,)
    assert after.chosen.p_success == pytest.approx(0.6078, abs=5e-4)
    assert after.options[N][0].p == pytest.approx(0.3919, abs=5e-4)


def test_assumed_failures_are_the_planners_own_choices() -> None:
    """A second try that nobody remembers the first of is planned as if the plan's first arm had failed."""
    told = choose(CATALOG, max_attempts=1, accuracy=0.6, situation=Situation(failed=(N,)))
    guessed = choose(CATALOG, max_attempts=1, accuracy=0.6, situation=Situation(assume_failed=1))
    assert guessed.chosen == told.chosen
    thrice = choose(CATALOG, max_attempts=1, accuracy=0.6, situation=Situation(assume_failed=15))
    assert 0 < thrice.chosen.p_success < guessed.chosen.p_success


def test_failures_of_other_arms() -> None:
    """An arm that left the catalog teaches nothing; one that is gated out still does; very many do no harm."""
    fresh = choose(CATALOG, max_attempts=1)
    assert choose(CATALOG, max_attempts=1, situation=Situation(failed=("gone/on",))).chosen == fresh.chosen
    only = (frozenset({"q122"}),)
    lower = choose(CATALOG, max_attempts=1, models=only, situation=Situation(failed=(N,))).chosen
    assert lower.p_success == pytest.approx(0.6078, abs=5e-4)
    many = choose(CATALOG, max_attempts=1, situation=Situation(failed=(N,) * 400)).chosen
    assert 0 < many.p_success < 1


@pytest.mark.parametrize(
    ("hold", "accuracy", "attempts", "held", "length"),
    [
        ("auto", 0.7, 2, False, 1),  # the 122B alone meets it
        ("auto", 0.8, 2, True, 2),  # only a checked retry does
        ("auto", 0.8, 1, False, 1),  # no retry: holding would not help
        ("auto", None, 2, False, 1),  # nothing is required
        ("never", 0.7, 2, False, 2),
        ("always", 0.7, 2, True, 2),
    ],
)
def test_hold(hold: str, accuracy: float | None, attempts: int, held: bool, length: int) -> None:
    """`auto` buffers a stream exactly when no one-shot plan meets the accuracy and a retry helps."""
    decision = choose(CATALOG, verify="checks", hold=hold, accuracy=accuracy, max_attempts=attempts)
    assert (decision.hold, len(decision.chosen.arms)) == (held, length)


def test_hold_needs_checks() -> None:
    """Where the caller judges there is nothing to wait for, and the plan may be long."""
    decision = choose(CATALOG, verify="caller", hold="auto", accuracy=0.8)
    assert not decision.hold and len(decision.chosen.arms) > 1


def test_infeasible_lists_reasons() -> None:
    """Nothing feasible is the caller's fault, told by model and gate, and cut short where there are many."""
    with pytest.raises(Infeasible, match=r"n: modality: takes text only.* q122: thinking: mode off"):
        choose(CATALOG, Facts(images=((0, 0),)), thinking=(frozenset({"on"}),))
    many = catalog({f"m{i}": model(50.0, (1, 1)) for i in range(20)})
    with pytest.raises(Infeasible, match=r"and 8 more") as error:
        choose(many, Facts(images=((0, 0),)))
    assert len(error.value.message) < 2000
    pinned = (frozenset({"n"}),)
    with pytest.raises(Infeasible) as error:
        choose(CATALOG, Facts(images=((0, 0),)), models=pinned)
    assert "n: modality" in error.value.message and "allow-list" not in error.value.message
    with pytest.raises(Infeasible, match="q122: allow-list: not among the models allowed: gone"):
        choose(CATALOG, models=(frozenset({"gone"}),))


def test_only_health_in_the_way() -> None:
    """If a model would do but for its health, the answer is: later."""
    sick = frozenset({"q122:main", "q397:main"})
    with pytest.raises(Unavailable) as error:
        choose(CATALOG, Facts(images=((0, 0),)), Situation(unhealthy=sick, retry_after=7.0))
    assert error.value.retry_after == 7.0
    with pytest.raises(Infeasible):
        choose(CATALOG, Facts(input_bytes=40_000_000), Situation(unhealthy=sick))


def test_where_all_ask_for_a_pause_it_is_a_rate_limit() -> None:
    """A 429 rather than a 503, as each of them would have said."""
    sick = frozenset(f"{m.name}:{d.name}" for m in CATALOG.models.values() for d in m.deployments)
    with pytest.raises(RateLimited) as error:
        choose(CATALOG, situation=Situation(unhealthy=sick, retry_after=7.0, limited=True))
    assert error.value.retry_after == 7.0


def test_slow_deployments_are_called_where_there_is_nobody_else() -> None:
    """Planned around while others are there."""
    sick = frozenset(f"{m.name}:{d.name}" for m in CATALOG.models.values() for d in m.deployments)
    one = choose(CATALOG).chosen.attempts[0]
    slow = frozenset({f"{one.model}:{one.deployment.name}"})
    assert choose(CATALOG, situation=Situation(unhealthy=slow, slow=slow)).chosen.attempts[0].model != one.model
    only = choose(CATALOG, situation=Situation(unhealthy=sick, slow=slow))
    assert {c.deployment.name for options in only.options.values() for c in options} == {one.deployment.name}


@pytest.mark.parametrize("attempts", [1, 4])
def test_many_arms(attempts: int) -> None:
    """With too many arms for all plans, the promising ones are looked at, the best among them."""
    modes = {"on": {}, "off": {"logit_offset": -0.5}, "low": {"logit_offset": -0.2}}
    places = {m: {} for m in modes}
    models = {
        f"m{i}": model(
            40.0 + i,
            (0.1 + i, 1.0),
            thinking=modes,
            scores=[{"benchmark": "bench", "percent": 40.0 + i, "mode": "on", "source": "s", "date": "2026-01-01"}],
            deployments=[deployment(prices={"input": 0.1 + i, "output": 1.0}, thinking=places)],
        )
        for i in range(20)
    }
    decision = choose(catalog(models), accuracy=0.9999, max_attempts=attempts)
    assert decision.considered == (60 if attempts == 1 else 4680)
    assert "m19/on" in decision.chosen.arms and len(decision.options) == 60
    cheap = choose(catalog(models), max_attempts=attempts)
    assert cheap.chosen.arms == ("m0/on",)


OPEN = {
    "accuracy": st.none() | st.floats(0.05, 0.999),
    "failure_cost": st.none() | st.floats(0, 1),
    "time_value": st.floats(0, 0.01),
    "max_attempts": st.integers(1, 4),
    "t": st.floats(0.5, 1),
    "f": st.floats(0, 1),
    "confidence": st.floats(0.05, 0.99),
    "deadline": st.floats(2, 600),
    "sigma": st.sampled_from((0.0, 1.5)),
    "tau": st.sampled_from((0.0, 1.0)),
}
REVERSED = catalog(dict(reversed(THREE.items())))


@settings(max_examples=60, deadline=None)
@given(terms=st.fixed_dictionaries(OPEN))
def test_what_always_holds(terms: dict[str, Any]) -> None:
    """P in 0..1, cost at least that of the first attempt, reach falling, the catalog's order without effect."""
    decision = choose(CATALOG, **terms)
    chosen = decision.chosen
    assert 0 <= chosen.p_low <= 1 and 0 <= chosen.p_success <= 1
    assert chosen.cost >= chosen.attempts[0].cost - 1e-12
    assert chosen.reach[0] == pytest.approx(1) and list(chosen.reach) == sorted(chosen.reach, reverse=True)
    assert choose(REVERSED, **terms).chosen.arms == chosen.arms


@settings(max_examples=30, deadline=None)
@given(terms=st.fixed_dictionaries({k: OPEN[k] for k in ("t", "f", "sigma", "tau", "confidence")}))
def test_more_retries_never_lower_the_best_p(terms: dict[str, Any]) -> None:
    """Out of reach of the accuracy, the highest P grows with the retries allowed."""
    p = [choose(CATALOG, accuracy=0.99999, max_attempts=n, **terms).chosen.p_low for n in (1, 2, 3, 4)]
    assert all(a <= b + 1e-9 for a, b in zip(p, p[1:], strict=False))


@settings(max_examples=30, deadline=None)
@given(terms=st.fixed_dictionaries({k: OPEN[k] for k in ("accuracy", "failure_cost", "max_attempts")}))
def test_a_check_that_sees_nothing_gives_one_shot(terms: dict[str, Any]) -> None:
    """As f goes to 1 a retry is worth nothing, and at 1 none is planned."""
    assert len(choose(CATALOG, f=1.0, **terms).chosen.arms) == 1
    if terms["failure_cost"] is None:
        assert len(choose(CATALOG, f=1 - 1e-13, **terms).chosen.arms) == 1


@settings(max_examples=30, deadline=None)
@given(
    terms=st.fixed_dictionaries({k: OPEN[k] for k in ("accuracy", "failure_cost", "max_attempts", "f")}),
    limit=st.fixed_dictionaries(
        {},
        optional={
            "max_cost": st.floats(0.006, 0.03),
            "license": st.just((frozenset({"Apache-2.0"}),)),
            "models": st.just((frozenset({"n", "q122"}),)),
            "language": st.just(frozenset({"sw"})),
        },
    ),
)
def test_constraints_only_narrow(terms: dict[str, Any], limit: dict[str, Any]) -> None:
    """A constraint never opens an arm, shortens the list of gates, or makes a better objective possible."""
    base = replace(TERMS, **terms)
    free, bound = choose(CATALOG, base=base), choose(CATALOG, base=base, **limit)
    assert set(bound.options) <= set(free.options) and len(bound.gates) >= len(free.gates)
    if bound.accuracy_met:
        assert free.accuracy_met and free.chosen.objective <= bound.chosen.objective + 1e-12
    assert bound.chosen.p_success <= free.chosen.p_success + 1e-9 or free.accuracy_met


def test_facts_are_enough() -> None:
    """The same values give the same decision."""
    assert choose(CATALOG, FACTS, accuracy=0.9).chosen == choose(catalog(), FACTS, accuracy=0.9).chosen
