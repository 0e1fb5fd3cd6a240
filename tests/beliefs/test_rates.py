"""How far checks can be believed, from verdicts that come more often for what a check accepted."""

from __future__ import annotations

import numpy as np
import pytest

from router.beliefs.rates import CheckRates
from router.outcome import Trial
from router.policy import Rates

SET = ("length", "schema")
PRIOR = Rates(t=0.99, f=0.9)


def drawn(t: float, f: float, accepted: float, rejected: float, count: int = 6_000, right: float = 0.6) -> CheckRates:
    """Rates after `count` answers, of which these shares get a verdict."""
    rng, known = np.random.default_rng(0), CheckRates()
    for _ in range(count):
        good = rng.uniform() < right
        passed = bool(rng.uniform() < (t if good else f))
        seen = rng.uniform() < (accepted if passed else rejected)
        trial = Trial("a", float(good) if seen else None, passed, checks=SET)
        known = known.observe("code", (trial,), 1.0, 1.0)
    return known


def test_prior_holds_without_verdicts() -> None:
    """Until somebody judges, the policy's own numbers stand, and checks alone teach nothing of themselves."""
    known = drawn(0.9, 0.3, 0.0, 0.0, count=50)
    assert known.rates(SET, "code", PRIOR) is PRIOR
    assert known.rates(SET, "chat", PRIOR) is PRIOR and known.rates(("schema",), "code", PRIOR) is PRIOR


@pytest.mark.parametrize(("accepted", "rejected"), [(0.5, 0.5), (0.6, 0.1), (0.2, 0.8)])
def test_selection_does_not_mislead(accepted: float, rejected: float) -> None:
    """Whichever answers get verdicts, t and f come out: the judged few stand for all of which the check said so."""
    found = drawn(0.9, 0.35, accepted, rejected).rates(SET, "code", PRIOR)
    assert (found.t, found.f) == (pytest.approx(0.9, abs=0.03), pytest.approx(0.35, abs=0.06))


def test_few_verdicts_hardly_move_it() -> None:
    """A policy's rates are worth a score of observations."""
    found = drawn(0.5, 0.1, 1.0, 1.0, count=4).rates(SET, "code", PRIOR)
    assert 0.8 < found.t <= 0.99 and 0.7 < found.f <= 0.9


def test_taking_back_and_scores() -> None:
    """Told again with a verdict, an answer counts once; a score counts as both in part; what has no checks as none."""
    silent, judged = Trial("a", None, True, checks=SET), Trial("a", 0.25, True, checks=SET)
    known = CheckRates().observe("code", (silent,), 1.0, 1.0)
    known = known.observe("code", (silent,), -1.0, 1.0).observe("code", (judged,), 1.0, 1.0)
    assert known.counts[SET, "code"] == (0.25, 0.0, 0.75, 0.0, 0.0, 0.0)
    rejected = known.observe(
        "code", (Trial("a", 0.0, False, checks=SET), Trial("a", None, False, checks=SET)), 1.0, 1.0
    )
    assert rejected.counts[SET, "code"] == (0.25, 0.0, 0.75, 1.0, 0.0, 1.0)
    assert known.observe("code", (Trial("a", 1.0), Trial("a", 1.0, True)), 1.0, 1.0) is known


def test_forgetting() -> None:
    """What a check did long ago fades, and the policy's word returns."""
    known = drawn(0.9, 0.3, 1.0, 1.0, count=500)
    before = known.rates(SET, "code", PRIOR).f
    for _ in range(2_000):
        known = known.observe("code", (Trial("a", None, True, checks=SET),), 1.0, 0.99)
    assert known.rates(SET, "code", PRIOR).f > before + 0.2


@pytest.mark.parametrize("prior", [Rates(t=1.0, f=0.0), Rates(t=1.0, f=1.0)])
def test_certain_priors(prior: Rates) -> None:
    """Rates of 0 and 1 bend like any others."""
    found = drawn(0.9, 0.3, 1.0, 1.0, count=1_000).rates(SET, "code", prior)
    assert (found.t, found.f) == (pytest.approx(0.9, abs=0.04), pytest.approx(0.3, abs=0.06))
