"""Prices and times of one attempt, and which deployment of an arm comes first."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from router.beliefs import Beliefs
from router.catalog import Catalog
from router.outcome import Attempt, Past
from router.plan import Candidate, Situation, decide
from router.step import Facts
from tests.plan.small import FACTS, NEMOTRON, TERMS, THREE, N, catalog, choose, deployment

CATALOG = catalog()


def first(found: Catalog, facts: Facts = FACTS, situation: Situation | None = None, **terms: Any) -> Candidate:
    return choose(found, facts, situation, **terms).options[N][0]


def test_price_of_one_attempt() -> None:
    """Input at its price plus expected output at its price; q90 likewise."""
    candidate = first(CATALOG)
    assert (candidate.input_tokens, candidate.input_counted) == (8000, 8000)
    assert candidate.cost == pytest.approx(8000 * 0.085e-6 + 1500 * 0.40e-6, rel=1e-5)
    long = first(CATALOG, output_q90=6000.0)
    assert long.output_q90 == pytest.approx(6000) and long.cost_q90 > long.cost > candidate.cost
    assert (candidate.key, candidate.mode, candidate.evidence) == ("n:main", "off", "scored")


def test_n_multiplies_tokens_and_cost_but_not_time() -> None:
    """Several choices are decoded side by side: each is paid, none waits."""
    one, four = first(CATALOG), first(CATALOG, Facts(input_bytes=32_000, n=4))
    assert four.output_mean == pytest.approx(4 * one.output_mean)
    assert four.cost - one.cost == pytest.approx(3 * 1500 * 0.40e-6, rel=1e-5)
    assert four.seconds == one.seconds


def test_warm_cache() -> None:
    """Tokens that the prompt cache holds cost the cached price, if there is one; no more than the input has."""
    prices = {"input": 1.0, "output": 0.0, "cached_input": 0.1}
    cheap = catalog({**THREE, "n": {**NEMOTRON, "deployments": [deployment(prices=prices)]}})
    assert first(cheap).cost == pytest.approx(8000e-6)
    assert first(cheap, situation=Situation(warm={"n": 6000})).cost == pytest.approx(2600e-6)
    assert first(cheap, situation=Situation(warm={"n": 10**9})).cost == pytest.approx(800e-6)
    assert first(CATALOG, situation=Situation(warm={"n": 6000})).cost == first(CATALOG).cost


def test_leaving_a_warm_cache_is_priced() -> None:
    """A long conversation stays where its prompt is cached, though another model is cheaper when both are cold."""
    prices = {"input": 0.29, "output": 0.4, "cached_input": 0.01}
    both = catalog({"n": NEMOTRON, "q": {**NEMOTRON, "deployments": [deployment(prices=prices)]}})
    facts = Facts(input_bytes=400_000)
    assert choose(both, facts).chosen.arms[0] == N
    assert choose(both, facts, Situation(warm={"q": 95_000})).chosen.arms[0] == "q/off"


def test_load_stretches_time() -> None:
    """Beyond its concurrency a deployment shares its capacity; below it nothing waits."""
    free = first(CATALOG)
    assert first(CATALOG, situation=Situation(inflight={"n:main": 63})).seconds == free.seconds
    busy = first(CATALOG, situation=Situation(inflight={"n:main": 127}))
    assert busy.seconds == pytest.approx(2 * free.seconds)
    assert busy.first_token_s == pytest.approx(2 * free.first_token_s)
    assert busy.tokens_per_s == pytest.approx(free.tokens_per_s / 2)
    assert busy.load == pytest.approx(127 / 64)


def places(*changes: dict[str, Any]) -> Catalog:
    usd = {"input": 0.1, "output": 0.4}
    found = [deployment(**{"name": f"d{i}", "prices": usd, **c}) for i, c in enumerate(changes)]
    return catalog({"n": {**NEMOTRON, "runtimes": {"cuda": 1.0, "rocm": 0.1}, "deployments": found}})


@pytest.mark.parametrize(
    ("changes", "inflight", "terms", "best"),
    [
        (({}, {}), {}, {}, "d0"),
        (({}, {}), {"n:d0": 1}, {}, "d1"),  # the same finish: the less busy
        (({}, {}), {"n:d0": 200}, {}, "d1"),  # an earlier finish
        (({"runtime": "rocm"}, {}), {}, {}, "d1"),
        (({"runtime": "rocm", "prices": {"input": 0.01, "output": 0.04}}, {}), {}, {}, "d0"),  # slow but cheap
        (({"runtime": "rocm", "prices": {"input": 0.01, "output": 0.04}}, {}), {}, {"time_value": 0.01}, "d1"),
        (({"runtime": "rocm", "prices": {"input": 0.01, "output": 0.04}}, {}), {},
         {"deadline": 30.0, "deadline_asked": True}, "d1"),
    ],
)  # fmt: skip
def test_deployment_order(changes: Any, inflight: dict[str, int], terms: dict[str, Any], best: str) -> None:
    """First what can be on time, then the objective, then the expected finish, then the load."""
    decision = choose(places(*changes), situation=Situation(inflight=inflight), **terms)
    assert decision.options[N][0].deployment.name == best
    assert decision.chosen.attempts[0].deployment.name == best


def test_time_follows_length() -> None:
    """First token plus output over speed, at the median; the spread is the length's and a little more."""
    candidate = first(CATALOG)
    median = 0.5 + 1500 / 470
    assert math.exp(candidate.time.mu) == pytest.approx(median, rel=1e-5)
    assert candidate.seconds == pytest.approx(median * math.exp(0.2**2 / 2), rel=1e-4)
    assert candidate.seconds_q90 == pytest.approx(median * math.exp(0.2 * 1.28155), rel=1e-4)


def test_learned_lengths_and_speeds_move_the_price() -> None:
    """What answers taught of length, by run and kind, and of speed is what the next step is priced with."""
    beliefs = Beliefs.prior(CATALOG)
    question = choose(CATALOG).asked
    for _ in range(60):
        beliefs = beliefs.answered(Attempt(N, "n", "main", 0, 0.0, 5.0, 2.0, output_tokens=300), question)
    before, after = (
        decide(FACTS, TERMS, b, CATALOG, Situation()).options[N][0] for b in (Beliefs.prior(CATALOG), beliefs)
    )
    assert (before.output_q50, after.output_q50) == pytest.approx((1500, 300), rel=0.1)
    assert after.cost < before.cost and after.tokens_per_s == pytest.approx(100, rel=0.2)
    assert after.first_token_s == pytest.approx(2.0, rel=0.1)


def test_what_is_asked_of_the_lengths() -> None:
    """The step's name, tools, turn and room are its kind; the run's answers and the input's size go along."""
    past = (Past(N, 30, 100),)
    one = choose(CATALOG, situation=Situation(step="plan", past=past), output_hint=70).asked
    assert (one.step_class, one.hint, one.input_tokens, one.past) == ("task", 70, 8000, past)
    others = [
        choose(CATALOG, situation=Situation(step="act")),
        choose(CATALOG, replace(FACTS, turn=2), Situation(step="plan")),
        choose(CATALOG, replace(FACTS, max_tokens=900), Situation(step="plan")),
        choose(CATALOG, replace(FACTS, tool_results=1), Situation(step="plan")),
    ]
    assert len({one.kind, *(d.asked.kind for d in others)}) == 5
    late = [choose(CATALOG, replace(FACTS, turn=t)).asked.kind for t in (3, 30)]
    assert late[0] == late[1]
