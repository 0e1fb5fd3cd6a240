"""Lets a key's steps in, or says why not and when: before anything of them is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from router.errors import RateLimited
from router.keys import Grant
from router.limits.purse import Purse
from router.limits.quota import Quota

BUSY_S = 1.0
"""Seconds after which a caller with all its steps under way may ask again."""


class Admission:
    """Rate, spending and steps under way, for each key."""

    def __init__(self, purse: Purse, clock: Callable[[], float]) -> None:
        self._purse, self._quota = purse, Quota(clock)
        self._under_way: Counter[str] = Counter()

    def asked(self, grant: Grant) -> None:
        """Counts one request. Raises RateLimited."""
        if grant.per_minute is not None:
            self._quota.take(grant.key_id, grant.per_minute)

    def enter(self, grant: Grant) -> float | None:
        """Lets one step in, until `leave`. Returns the USD that it may spend, None: any.

        Raises RateLimited and BudgetExhausted; then there is nothing to leave.
        """
        if not grant.limited:
            return None
        self.asked(grant)
        left = self._purse.left(grant)
        if grant.concurrency is not None and self._under_way[grant.key_id] >= grant.concurrency:
            raise RateLimited(
                f"The key has {grant.concurrency} steps under way, as many as it may. Wait for one to end.",
                code="too_many_at_once",
                retry_after=BUSY_S,
            )
        self._under_way[grant.key_id] += 1
        return left

    def leave(self, grant: Grant) -> None:
        if grant.limited:
            self._under_way[grant.key_id] -= 1

    def left(self, grant: Grant) -> float | None:
        """USD that the key may spend yet; see Purse."""
        return self._purse.left(grant)
