"""Inside a tool loop a warm cache keeps a step where it is, as long as that costs no more than the cache is worth."""

from __future__ import annotations

from typing import Any

import pytest

from router.plan import Decision, Loop, Situation, everything
from router.step import Facts
from tests.plan.small import NEMOTRON, Q122, QWEN122, N, catalog, choose, deployment

Q = "q/off"
DEARER = deployment(prices={"input": 0.29, "output": 0.40, "cached_input": 0.10})
BOTH = catalog({"n": NEMOTRON, "q": {**NEMOTRON, "deployments": [DEARER]}})
LOOPED = Situation(warm={"q": 7000}, looped="q")
GAIN, LOSS = 0.00031, 7000 * 0.19e-6
"""8,000 tokens in, of which `q` holds 7,000, and 1,500 out: $0.00128 at `n` against $0.00159 at `q`."""


def loop(situation: Situation = LOOPED, **terms: Any) -> Decision:
    return choose(BOTH, situation=situation, **{"failure_cost": 0.01, "max_attempts": 1, **terms})


def test_a_loop_stays_where_leaving_gains_less_than_the_cache_is_worth() -> None:
    """And says so."""
    decision = loop()
    assert decision.chosen.arms == (Q,) and decision.kind == "affinity"
    assert decision.loop is not None and (decision.loop.model, decision.loop.stays) == ("q", True)
    assert (decision.loop.gain, decision.loop.loss) == pytest.approx((GAIN, LOSS))
    assert "stays with q" in decision.reason
    assert decision.considered == loop(affinity=0.0).considered
    told = {listed.plan.arms: listed.why for listed in everything(decision)}
    assert told[Q,] == decision.reason
    assert told[N,].endswith("the loop stays where it is")


@pytest.mark.parametrize(("affinity", "arm"), [(0.0, N), (0.2, N), (0.24, Q), (1.0, Q), (5.0, Q)])
def test_affinity_says_how_much_a_switch_has_to_gain(affinity: float, arm: str) -> None:
    """Times what the warm cache saves at this step."""
    assert loop(affinity=affinity).chosen.arms == (arm,)


@pytest.mark.parametrize(
    "situation",
    [
        Situation(warm={"q": 7000}),
        Situation(looped="q"),
        Situation(looped="n", warm={"q": 7000}),
        Situation(looped="gone", warm={"q": 7000}),
        Situation(looped="q", warm={"q": 7000}, failed=(Q,)),
        Situation(looped="q", warm={"q": 7000}, unhealthy=frozenset({"q:main"})),
    ],
)
def test_nothing_holds_a_step_back_otherwise(situation: Situation) -> None:
    """Not outside a loop, not with a cold cache, not at a model that failed this step, is ill, or is gone."""
    assert loop(situation).chosen.arms[0] == N


def test_staying_that_is_best_anyway_is_no_reason() -> None:
    """The step is decided as ever, and the loop is shown."""
    decision = loop(Situation(looped="n", warm={"n": 7000}))
    assert (decision.kind, decision.loop) == ("failure_cost", Loop("n", True, 0.0, 0.0))


def test_per_success_the_cache_is_worth_more() -> None:
    """Where the objective is cost per success, so is what leaving loses."""
    decision = loop(failure_cost=None)
    assert decision.loop is not None and decision.loop.loss == pytest.approx(LOSS / 0.6047)


def test_time_counts_as_far_as_the_policy_counts_it() -> None:
    """A warm cache saves reading, too."""
    plain, timed = loop(), loop(time_value=0.001)
    assert plain.loop is not None and timed.loop is not None and timed.loop.loss >= plain.loop.loss


def test_an_accuracy_is_never_traded_for_a_cache() -> None:
    """A model that misses it is left, whatever is warm; where none meets it, the surest is taken."""
    three = catalog({"n": NEMOTRON, "q122": QWEN122})
    warm = Situation(warm={"n": 8000}, looped="n")
    facts = Facts(input_bytes=32_000)
    decision = choose(three, facts, warm, max_attempts=1, accuracy=0.7, affinity=100.0)
    assert decision.chosen.arms == (Q122,) and decision.loop == Loop("n", False, 0.0, 0.0)
    decision = choose(three, facts, warm, max_attempts=1, accuracy=0.9, affinity=100.0)
    assert decision.chosen.arms == (Q122,) and decision.loop == Loop("n", False, 0.0, 0.0)


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_only_the_first_attempt_is_bound(attempts: int) -> None:
    """A plan that begins with the loop's model is the best of those that do."""
    decision = loop(max_attempts=attempts, accuracy=0.6)
    plans = [listed.plan for listed in everything(decision)]
    best = min((p for p in plans if p.arms[0] == Q), key=lambda p: p.objective)
    assert decision.chosen.arms[0] == Q and decision.chosen.objective == pytest.approx(best.objective)
