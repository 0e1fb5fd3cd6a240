"""What keys have spent."""

from __future__ import annotations

import asyncio
import calendar
from pathlib import Path

import pytest

from router.errors import BudgetExhausted
from router.keys import Grant
from router.limits import Purse
from router.outcome import Attempt, Outcome

DAY = 86_400.0
MAY_30 = float(calendar.timegm((2026, 5, 30, 12, 0, 0)))
POOR = Grant("k", usd_per_day=1.0, usd_per_month=2.5)


def spend(usd: float, key: str = "k") -> Outcome:
    """A step that cost so much."""
    attempt = Attempt("a/off", "a", "d", 0, 0.0, 1.0, cost_usd=usd)
    return Outcome("dec_1", key, "default", "chat", False, 1.0, 0.0, 200, "returned", (attempt,))


def test_a_key_spends_by_the_day_and_by_the_month() -> None:
    """By the calendar in UTC. What is left caps the next step; at nothing it is refused, and told why."""
    now = MAY_30
    purse = Purse(now=lambda: now)
    assert purse.left(POOR) == 1.0 and purse.left(Grant("k")) is None
    purse.observe(spend(0.3))
    purse.observe(spend(5.0, "another"))
    assert purse.left(POOR) == pytest.approx(0.7, abs=1e-9)
    purse.observe(spend(0.8))  # was under way
    with pytest.raises(BudgetExhausted, match=r"\$1 of this day") as caught:
        purse.left(POOR)
    assert (caught.value.status, caught.value.code) == (429, "key_budget_exhausted")
    now += DAY
    assert purse.left(POOR) == 1.0
    purse.observe(spend(0.9))
    purse.observe(spend(0.6))
    with pytest.raises(BudgetExhausted, match="day"):
        purse.left(POOR)
    with pytest.raises(BudgetExhausted, match=r"\$2.5 of this month"):
        purse.left(Grant("k", usd_per_month=2.5))
    now += DAY  # the first of June
    assert purse.left(POOR) == 1.0 and purse.spent("k").month_usd == 0.0


@pytest.mark.parametrize(
    ("left", "told"), [(1.0, 1.0), (0.999, 0.99), (123.9, 120.0), (0.000_123_9, 0.000_12), (5.55e-9, 5.5e-9)]
)
def test_what_is_left_is_told_in_two_digits(left: float, told: float) -> None:
    """Never more than there is, and few enough numbers for terms to be worked out once."""
    found = Purse().left(Grant("k", usd_per_day=left))
    assert found is not None and found <= left and found == pytest.approx(told)


def test_what_was_spent_outlives_the_server(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A restart gives nobody a new budget. A file that is broken is reported."""
    path = tmp_path / "state" / "spent.json"
    purse = Purse(path, lambda: MAY_30)
    purse.save()
    assert not path.exists()  # there was nothing to write
    purse.observe(spend(0.0))
    purse.observe(spend(0.7))
    purse.save()
    written = path.read_bytes()
    purse.save()
    assert Purse(path, lambda: MAY_30).left(POOR) == pytest.approx(0.3)
    assert [p.name for p in path.parent.iterdir()] == ["spent.json"] and not caplog.records
    path.write_bytes(written[:-3])
    assert Purse(path, lambda: MAY_30).left(POOR) == 1.0
    assert "cannot be read" in caplog.text


async def test_what_cannot_be_kept_is_kept_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log says so; nothing fails, and nothing is lost."""
    (tmp_path / "state").write_text("")
    purse = Purse(tmp_path / "state" / "spent.json", lambda: MAY_30)
    purse.observe(spend(0.7))
    await asyncio.to_thread(purse.save)
    assert "could not be kept" in caplog.text
    (tmp_path / "state").unlink()
    await asyncio.to_thread(purse.save)
    assert Purse(tmp_path / "state" / "spent.json", lambda: MAY_30).left(POOR) == pytest.approx(0.3)
