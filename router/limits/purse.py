"""What each key has spent, today and this month, and what it may spend yet; kept over restarts."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from router.errors import BudgetExhausted
from router.keys import Grant
from router.outcome import Outcome

LOG = logging.getLogger("turnout")


class Spent(msgspec.Struct):
    """USD of one key, on its last day and in its last month, both UTC: `2026-05-31`, `2026-05`."""

    day: str
    day_usd: float = 0.0
    month_usd: float = 0.0


_DECODE = msgspec.json.Decoder(dict[str, Spent]).decode


class Purse:
    """Told of every outcome. A step counts when it ends, so those under way may go beyond the limit by their cost."""

    def __init__(self, path: Path | None = None, now: Callable[[], float] = time.time) -> None:
        """`path`: where it is kept; None keeps it in memory alone. A file that cannot be read is reported, and passed
        over: keys then begin anew."""
        self._path, self._now = path, now
        self._spent: dict[str, Spent] = {}
        self._saved = True
        self._day = ("", -math.inf)
        if path is not None and path.exists():
            try:
                self._spent = _DECODE(path.read_bytes())
            except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
                LOG.error("%s cannot be read, so what keys have spent begins at nothing: %s", path, error)

    def observe(self, outcome: Outcome) -> None:
        self.add(outcome.key_id, outcome.cost_usd)

    def add(self, key_id: str, cost: float) -> None:
        """Counts USD that a key has spent, here or at another server."""
        if cost > 0.0:
            spent = self.spent(key_id)
            spent.day_usd += cost
            spent.month_usd += cost
            self._spent[key_id] = spent
            self._saved = False

    def spent(self, key_id: str) -> Spent:
        """As of now: a new day and a new month begin at nothing."""
        today, known = self._today(), self._spent.get(key_id)
        if known is None or known.day[:7] != today[:7]:
            return Spent(today)
        return known if known.day == today else Spent(today, 0.0, known.month_usd)

    def left(self, grant: Grant) -> float | None:
        """USD that a key may spend yet, two digits of it, rounded down; None where nothing limits it.

        Raises BudgetExhausted where that is nothing.
        """
        if grant.usd_per_day is None and grant.usd_per_month is None:
            return None
        spent = self.spent(grant.key_id)
        lefts = []
        for limit, used, span in (
            (grant.usd_per_day, spent.day_usd, "day"),
            (grant.usd_per_month, spent.month_usd, "month"),
        ):
            if limit is None:
                continue
            if used >= limit:
                raise BudgetExhausted(
                    f"The key has spent its ${limit:g} of this {span}. It may go on when the next {span} begins (UTC).",
                    code="key_budget_exhausted",
                )
            lefts.append(limit - used)
        return _two_digits(min(lefts))

    def save(self) -> None:
        """Writes what has changed, whole or not at all. Blocks. A failure is logged; what it had to write waits."""
        if self._saved or self._path is None:
            return
        self._saved = True
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(msgspec.json.encode(dict(self._spent)))
            fresh.replace(self._path)
        except OSError as error:
            self._saved = False
            LOG.error("what keys have spent could not be kept: %s", error)

    def _today(self) -> str:
        """Worked out once a minute."""
        now = self._now()
        day, at = self._day
        if not 0.0 <= now - at < 60.0 or not day:
            at = now - now % 60.0
            day = time.strftime("%Y-%m-%d", time.gmtime(now))
            self._day = (day, at)
        return day


def _two_digits(amount: float) -> float:
    """Rounded down, so that terms worked out for one amount serve for many."""
    unit = 10.0 ** (math.floor(math.log10(amount)) - 1)
    return math.floor(amount / unit) * unit
