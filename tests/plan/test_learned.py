"""Plans from learned beliefs: what a step's facts add, on a grid that keeps tables useful."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from router.beliefs import Beliefs
from router.outcome import Evidence, Trial
from router.plan import Situation, decide
from router.plan.offers import GRID, shifts, skills
from router.step import Facts, vector
from tests.plan.small import FACTS, Q122, TERMS, N, catalog

CATALOG = catalog()
HARD, EASY = Facts(input_bytes=32_000, code=1.0, severity=2), Facts(input_bytes=32_000)


def taught() -> Beliefs:
    """After 400 steps of which those with code and exceptions mostly failed on the cheap arm, and not on the other."""
    rng, beliefs = np.random.default_rng(0), Beliefs.prior(CATALOG)
    for i in range(400):
        facts, arm = (HARD, EASY)[i % 2], (N, Q122)[i // 2 % 2]
        chance = 0.15 if facts is HARD and arm == N else 0.75
        beliefs = beliefs.learn(Evidence("task", (Trial(arm, float(rng.uniform() < chance)),), vector(facts)))
    return beliefs


TAUGHT = taught()


def chosen(facts: Facts, **situation: Any) -> tuple[str, ...]:
    terms = replace(TERMS, accuracy=0.6, max_attempts=1)
    return decide(facts, terms, TAUGHT, CATALOG, Situation(**situation)).chosen.arms


def test_facts_choose_the_arm() -> None:
    """Where the cheap arm is known to fail at such steps, the dear one goes first; elsewhere the cheap one."""
    assert chosen(EASY)[0] == N and chosen(HARD)[0] == Q122
    found = {f: decide(f, TERMS, TAUGHT, CATALOG, Situation()).options[N][0].p for f in (HARD, EASY)}
    assert found[HARD] < 0.4 < 0.6 < found[EASY]


def test_nothing_learned_adds_nothing() -> None:
    """Before outcomes, facts are not even looked at."""
    assert shifts(Beliefs.prior(CATALOG).success, "task", HARD) == ()


def test_grid() -> None:
    """Learned logits lie on a grid above the score's, so that like steps share what is worked out for them."""
    moved = shifts(TAUGHT.success, "task", HARD)
    exact = TAUGHT.success.shifts("task", vector(HARD))
    assert moved == tuple(np.round(exact * GRID))
    able = skills(TAUGHT.success, CATALOG.arms, "task", 1.5, 1.0, 0.9, (), moved)
    for i, arm in enumerate(CATALOG.arms):
        start = TAUGHT.success.scores.of(arm.name, "task", 1.5, 1.0).mu
        belief = TAUGHT.success.of(arm.name, "task", 1.5, 1.0)
        steps = (able[arm.name].logit - start) * GRID
        assert steps == pytest.approx(round(steps), abs=1e-6)
        assert able[arm.name].logit == pytest.approx(belief.mu + exact[i], abs=1 / GRID)
        assert able[arm.name].low == pytest.approx(belief.logit(0.9) + exact[i], abs=2 / GRID)


def test_known_failures_still_count() -> None:
    """A failed attempt lowers its arm's next one, on top of what the facts say."""
    before = decide(FACTS, TERMS, TAUGHT, CATALOG, Situation()).options[N][0].p
    after = decide(FACTS, TERMS, TAUGHT, CATALOG, Situation(failed=(N,))).options[N][0].p
    assert after < before - 0.1


def corrected() -> Beliefs:
    """After steps at which blind retries came to what the first attempt did, and those that saw its error did not."""
    beliefs = Beliefs.prior(CATALOG)
    for i in range(160):
        right, shown = float(i % 2), i % 4 > 1
        second = 1.0 - right if shown else right
        beliefs = beliefs.learn(Evidence("task", (Trial(N, right), Trial(N, second, feedback=shown))))
    return beliefs


def test_a_retry_that_sees_its_error_is_another_than_a_blind_one() -> None:
    """Told by the messages: more than before, and the model was shown what was wrong; as many, and it was not."""
    beliefs = corrected()

    def retried(size: int, before: int, **situation: Any) -> float:
        facts, moment = Facts(input_bytes=size), Situation(before=before, **{"failed": (N,), **situation})
        return decide(facts, TERMS, beliefs, CATALOG, moment).options[N][0].p

    blind = retried(32_000, 32_000)
    assert retried(32_000, 31_000) > blind + 0.05
    assert retried(32_000, 0) == blind  # nobody remembers what it was
    once = {"failed": (), "assume_failed": 1}
    assert retried(32_000, 31_000, **once) > retried(32_000, 0, **once)


def test_retries_to_come_are_the_callers_or_our_own() -> None:
    """A caller that judges will show the error; what a check rejects is sent again as it was."""
    beliefs = corrected()
    own, ours = (
        decide(FACTS, replace(TERMS, verify=verify, checks=("x",)), beliefs, CATALOG, Situation()).terms.tau
        for verify in ("caller", "checks")
    )
    assert own < ours == beliefs.success.spread("task").tau
