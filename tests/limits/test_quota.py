"""So many a minute."""

from __future__ import annotations

import pytest

from router.errors import RateLimited
from router.limits import Quota


def test_a_quota_is_spent_by_each_key_and_comes_back_with_time() -> None:
    """A minute's worth at once, then one every so often; the message says when."""
    now = 0.0
    quota = Quota(lambda: now)
    for _ in range(6):
        quota.take("one", 6)
    with pytest.raises(RateLimited, match="6 requests a minute") as caught:
        quota.take("one", 6)
    assert caught.value.retry_after == pytest.approx(10.0)
    quota.take("two", 6)
    now = 9.0
    with pytest.raises(RateLimited) as caught:
        quota.take("one", 6)
    assert caught.value.retry_after == pytest.approx(1.0)
    now = 10.1
    quota.take("one", 6)
    with pytest.raises(RateLimited):
        quota.take("one", 6)
    now = 1e6
    for _ in range(6):
        quota.take("one", 6)
    with pytest.raises(RateLimited):
        quota.take("one", 6)


@pytest.mark.parametrize("per_minute", [1, 7, 60, 6_000])
def test_in_the_long_run_the_rate_is_what_it_says(per_minute: int) -> None:
    """Whoever asks four times as often for ten minutes gets ten minutes' worth, and the first minute's at once."""
    now, taken = 0.0, 0
    quota = Quota(lambda: now)
    step = 60.0 / per_minute / 4
    for i in range(40 * per_minute):
        now = i * step
        try:
            quota.take("one", per_minute)
        except RateLimited:
            continue
        taken += 1
    assert taken == pytest.approx(11 * per_minute, abs=1)
