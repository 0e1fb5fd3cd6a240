"""Spreads of difficulty and of what a model keeps, from sequences that stop at their first success."""

from __future__ import annotations

import math

import numpy as np
import pytest

from router.beliefs.correlation import BATCH, FIRSTS, Correlation, Spread
from router.beliefs.likelihood import Try, tried
from router.outcome import Evidence, Trial
from tests.beliefs.worlds import World, blank
from tests.plan.small import Q122, N

MU = {N: 0.66, Q122: 1.53}
PRIOR = Spread(1.5, 1.0, 1.0)


def test_the_policy_holds_without_sequences() -> None:
    """What a policy says stays exactly, without outcomes, for other classes, and for single attempts."""
    known = Correlation()
    assert known.of("task", 1.37, 0.9) == Spread(1.37, 0.9, 0.9)
    assert known.add("task", (Try(0, 0, 1.0, 0.0),), {0: 0.6}, PRIOR, 1.0, 1.0) is known
    taught = known
    for _ in range(BATCH):
        taught = taught.add("task", (Try(0, 0, 1.0, 0.0), Try(0, 0, 1.0, 0.0)), {0: 0.6}, PRIOR, 1.0, 1.0)
    assert taught.of("chat", 1.37, 0.9) == Spread(1.37, 0.9, 0.9)


@pytest.mark.parametrize(("sigma", "tau"), [(2.5, 1.5), (0.5, 0.5)])
def test_total_from_one_models_retries(sigma: float, tau: float) -> None:
    """Retries of one model, stopped at success, tell how large both spreads are together, above or below the prior."""
    world, known = World(3, MU, sigma, tau), blank()
    for _ in range(700):
        known = known.observe(world.step((N, N, N)))
    found = known.spread("task")
    assert math.hypot(found.sigma, found.tau) == pytest.approx(math.hypot(sigma, tau), rel=0.3)


def test_split_from_two_models() -> None:
    """Where each model goes first at times, their failures tell what is shared from what is one model's own."""
    shares = []
    for sigma, tau in ((2.2, 0.3), (0.5, 2.2)):
        world, known = World(5, MU, sigma, tau), blank()
        for i in range(900):
            known = known.observe(world.step(((N, N, Q122), (Q122, N, Q122))[i % 2]))
        found = known.spread("task")
        shares.append(found.sigma**2 / (found.sigma**2 + found.tau**2))
    assert shares[0] > 0.75 and shares[1] < 0.5


def test_second_model_counts_once_its_own_chance_is_known() -> None:
    """Attempts of a model that never went first say nothing of the spreads: its chance would be read from them too."""
    pair = (Try(0, 0, 0.0, 1.0), Try(1, 1, 1.0, 0.0))
    known = Correlation()
    assert known.add("task", pair, {0: 0.6, 1: 0.7}, PRIOR, 1.0, 1.0) is known
    for _ in range(FIRSTS + 3):
        known = known.tried("task", 1)
    assert known.firsts == {("task", 1): FIRSTS}
    assert known.add("task", pair, {0: 0.6, 1: 0.7}, PRIOR, 1.0, 1.0) is not known


def test_feedback_has_its_own_tau() -> None:
    """Retries that saw the error end unlike the first attempt, blind ones like it: two taus, one sigma."""
    known = blank()
    for i in range(240):
        right, shown = float(i % 2), bool(i % 4 > 1)
        second = right if not shown else float(i % 3 > 0)
        known = known.observe(Evidence("task", (Trial(N, right), Trial(N, second, feedback=shown))))
    found = known.spread("task")
    assert found.tau_feedback < found.tau - 0.5
    assert found.kept(False) == found.tau
    assert Spread(1.5, 1.0, 0.25).kept(True) == 0.5
    assert PRIOR.kept(True) == PRIOR.tau


def test_taking_back() -> None:
    """A sequence counted and taken back leaves the spreads where they were."""
    tries = (Try(0, 0, 0.0, 1.0), Try(0, 0, 0.0, 1.0), Try(0, 0, 0.7, 0.3, 0.7))
    known = Correlation()
    for _ in range(3 * BATCH):
        known = known.add("task", tries, {0: 0.6}, PRIOR, 1.0, 1.0)
    wide = known.of("task", 1.5, 1.0)
    for _ in range(3 * BATCH):
        known = known.add("task", tries, {0: 0.6}, PRIOR, 1.0, -1.0)
    assert known.of("task", 1.5, 1.0) == PRIOR != wide
    assert np.allclose(known.told["task"].blind, 0.0)


def test_mixed_sequence() -> None:
    """One step may hold both kinds of retry, and checks in place of verdicts."""
    trials = (Trial(N, 0.0), Trial(N, accepted=False, t=0.9, f=0.3), Trial(N, 1.0, feedback=True))
    tries = [t for trial in trials if (t := tried(trial, 0, 0)) is not None]
    known = Correlation()
    for _ in range(BATCH):
        known = known.add("task", tries, {0: 0.6}, PRIOR, 1.0, 1.0)
    assert known.told["task"].shown.any() and not known.told["task"].blind.any()
