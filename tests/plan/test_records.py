"""What a decision tells beyond its choice: the frontier, and how long a plan may take."""

from __future__ import annotations

import numpy as np
import pytest

from router.plan import Situation
from tests.plan.small import TERMS, catalog, choose

CATALOG = catalog()


def test_frontier() -> None:
    """The frontier rises in cost and P, and holds the chosen plan."""
    decision = choose(CATALOG, accuracy=0.85)
    costs, p = [one.cost for one in decision.frontier], [one.p_success for one in decision.frontier]
    assert costs == sorted(costs) and p == sorted(p) and len(p) > 3
    assert decision.chosen in decision.frontier
    assert decision.frontier is decision.frontier


def test_a_chosen_plan_off_the_frontier_is_listed_all_the_same() -> None:
    """Where time is worth money the chosen plan may be beaten in cost and P, and still belongs to the picture."""
    busy = Situation(inflight={"n:main": 64 * 60})
    decision = choose(CATALOG, situation=busy, max_attempts=2, accuracy=0.8, time_value=1.0, base=TERMS)
    assert decision.chosen in decision.frontier
    assert decision.chosen.cost > min(one.cost for one in decision.frontier if one.p_success >= 0.8)


def test_q90_time_against_draws() -> None:
    """A plan's q90 time is that of the mixture over how many attempts run, below the sum of its attempts' q90 times."""
    chosen = choose(CATALOG, accuracy=0.9, output_q90=4000.0).chosen
    rng, runs = np.random.default_rng(3), 400_000
    total, drawn = np.zeros(runs), rng.random(runs)
    for candidate, reach in zip(chosen.attempts, chosen.reach, strict=True):
        total += np.where(drawn < reach, np.exp(rng.normal(candidate.time.mu, candidate.time.s, runs)), 0.0)
    assert chosen.seconds == pytest.approx(total.mean(), rel=0.02)
    assert chosen.seconds_q90 == pytest.approx(np.quantile(total, 0.9), rel=0.05)
    assert chosen.attempts[0].seconds_q90 < chosen.seconds_q90 < sum(c.seconds_q90 for c in chosen.attempts)


def test_candidates_name_their_deployment() -> None:
    """A candidate's key is that of health and load."""
    assert choose(CATALOG).chosen.attempts[0].key == "n:main"
