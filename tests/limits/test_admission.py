"""Who is let in, and what the others are told."""

from __future__ import annotations

import pytest

from router.errors import BudgetExhausted, RateLimited
from router.keys import LOCAL, Grant
from router.limits import Admission, Purse
from tests.limits.test_purse import spend


def test_without_limits_everybody_comes_in() -> None:
    """As often as they like."""
    admission = Admission(Purse(), lambda: 0.0)
    for _ in range(1000):
        assert admission.enter(LOCAL) is None
        admission.asked(LOCAL)
    admission.leave(LOCAL)


def test_steps_under_way_are_counted_by_key() -> None:
    """One that ends makes room for the next; a step that was refused left nothing behind."""
    admission = Admission(Purse(), lambda: 0.0)
    one, two = Grant("one", concurrency=2), Grant("two", concurrency=1)
    admission.enter(one)
    admission.enter(one)
    admission.enter(two)
    for _ in range(3):
        with pytest.raises(RateLimited, match="2 steps under way") as caught:
            admission.enter(one)
        assert caught.value.code == "too_many_at_once" and caught.value.retry_after == 1.0
    admission.leave(one)
    admission.enter(one)
    with pytest.raises(RateLimited):
        admission.enter(one)


def test_rate_and_money_come_before() -> None:
    """A key over its rate, or with nothing left, has no step under way."""
    now = 0.0
    purse = Purse(now=lambda: 1e9)
    admission = Admission(purse, lambda: now)
    key = Grant("k", per_minute=2, concurrency=1, usd_per_day=1.0)
    assert admission.enter(key) == admission.left(key) == 1.0
    admission.leave(key)
    purse.observe(spend(1.0))
    with pytest.raises(BudgetExhausted):
        admission.enter(key)
    with pytest.raises(RateLimited, match="2 requests a minute"):
        admission.enter(key)
    now = 60.0
    with pytest.raises(BudgetExhausted):
        admission.enter(key)
    purse.observe(spend(1.0, "another"))
    assert admission.enter(Grant("k", concurrency=1)) is None
