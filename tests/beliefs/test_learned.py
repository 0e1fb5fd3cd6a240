"""What a step's success teaches all beliefs, and how its terms then read."""

from __future__ import annotations

from msgspec.structs import replace

from router.beliefs import Beliefs
from router.beliefs.rates import CheckRates
from router.outcome import Evidence, Trial
from tests.plan.small import TERMS, N, catalog

CATALOG = catalog()
CHECKS = ("length", "tools")
CHECKED = replace(TERMS, verify="checks", checks=CHECKS, t=0.98, f=0.9)


def step(*success: float | None, checks: tuple[str, ...] = CHECKS) -> Evidence:
    trials = tuple(Trial(N, s, accepted=True, t=0.98, f=0.9, checks=checks) for s in success)
    return Evidence("task", trials)


def test_learn_moves_success_and_checks_alone() -> None:
    """A step counts once, in success and in its checks' rates; the rest is shared, the old value stays."""
    old = Beliefs.prior(CATALOG)
    new = old.learn(step(0.0))
    assert new.version == 1 and new.success is not old.success and new.checks is not old.checks
    assert new.length is old.length and new.speed is old.speed and new.tokens is old.tokens
    assert not old.checks.counts and old.checks is not CheckRates
    assert old.learn(Evidence("task", (Trial("gone/off", 1.0),))) is old


def test_later_verdict_counts_once() -> None:
    """With what was learned of it before, a step told again counts as if it had been told so at first."""
    first, later = step(None), step(0.0)
    whole = Beliefs.prior(CATALOG).learn(later)
    parts = Beliefs.prior(CATALOG).learn(first).learn(later, first)
    assert parts.checks.counts == whole.checks.counts
    one, other = (b.success.of(N, "task", 1.5, 1.0).mu for b in (whole, parts))
    assert abs(one - other) < 0.01


def test_terms_stay_without_outcomes() -> None:
    """Before anything is learned of its class, the very terms of the policy are planned with."""
    beliefs = Beliefs.prior(CATALOG)
    assert beliefs.informed(CHECKED) is CHECKED and beliefs.informed(TERMS) is TERMS


def test_terms_are_informed() -> None:
    """Spreads and rates that outcomes gainsay are planned with as learned; what a caller judges stays his."""
    beliefs = Beliefs.prior(CATALOG)
    for i in range(120):
        right = float(i % 2)
        beliefs = beliefs.learn(step(right, right))
    found = beliefs.informed(CHECKED)
    assert found.f > 0.95 and found.sigma**2 + found.tau**2 > 5.0
    other = beliefs.informed(replace(CHECKED, checks=("schema",), step_class="chat"))
    assert (other.t, other.f, other.sigma, other.tau) == (0.98, 0.9, 1.5, 1.0)
    assert (beliefs.informed(TERMS).t, beliefs.informed(TERMS).f) == (1.0, 0.0)
