"""How much of what a key says of success is believed: one of several may not talk the others out of what they know.

A key that says right was wrong, or the reverse, moves what is believed for all. So where there are several, what counts
of one key at one step class is bounded: SHARE of all that counts there, and DAILY attempts a day beside, as many as the
published scores count for. The operator may trust a key wholly; a key that is alone misleads itself only.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from router.verdicts import Change

DAILY = 15.0
"""Attempts of one key that count at a class in a day, whatever others say: what a published score counts for."""
SHARE = 0.2
"""Of all attempts that count at a class, those that may be one key's beside that."""
KEEP = 0.5 ** (1.0 / 2_000.0)
"""Of each attempt's weight, when one more comes at its class: as beliefs forget."""
STEPS = 80_000
"""Steps of which is known whether they count: twice as many as there are decisions to be judged."""
WITHHELD = -1
DAY_S = 86_400.0


class _Class:
    """Weights of what counted at one class, by key, in units that grow, so that all others shrink."""

    __slots__ = ("_of", "_total", "_unit")

    def __init__(self) -> None:
        self._of: dict[str, float] = {}
        self._total = 0.0
        self._unit = 1.0

    def add(self, key_id: str, attempts: int) -> None:
        self._unit /= KEEP**attempts
        self._of[key_id] = self._of.get(key_id, 0.0) + attempts * self._unit
        self._total += attempts * self._unit
        if self._unit > 1e100:
            self._of = {key: weight / self._unit for key, weight in self._of.items()}
            self._total, self._unit = self._total / self._unit, 1.0

    def fits(self, key_id: str, attempts: int) -> bool:
        """Whether the key's share would still be within SHARE."""
        own = self._of.get(key_id, 0.0) / self._unit + attempts
        return own <= SHARE * (self._total / self._unit + attempts)


class Trust:
    """Says of each change whether it counts. What is held back of a step once is held back for good: what comes later
    is told as a difference to it."""

    def __init__(
        self,
        trusts: Callable[[str], bool],
        withheld: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`trusts`: whether a key's word counts without bound. `withheld` is called for each change that does not
        count."""
        self._trusts, self._withheld, self._clock = trusts, withheld, clock
        self._steps: OrderedDict[str, int] = OrderedDict()
        """Step → its attempts that count, or WITHHELD."""
        self._classes: dict[str, _Class] = {}
        self._left: dict[tuple[str, str], tuple[float, float]] = {}
        """Key and class → what was left of its day's attempts, and when."""

    def counts(self, change: Change) -> bool:
        step, last = change.after[0].decision_id, change.after[-1]
        before = self._steps.pop(step, 0)
        attempts = sum(len(one.answers) for one in change.after)
        counts = before != WITHHELD and self._take(last.key_id, last.step_class, max(0, attempts - before))
        self._steps[step] = attempts if counts else WITHHELD
        if len(self._steps) > STEPS:
            self._steps.popitem(last=False)
        if not counts:
            self._withheld()
        return counts

    def _take(self, key_id: str, step_class: str, attempts: int) -> bool:
        """Counts attempts of a key at a class, if they fit."""
        if not attempts:
            return True
        weights = self._classes.setdefault(step_class, _Class())
        if not self._trusts(key_id) and not weights.fits(key_id, attempts):
            now = self._clock()
            left, at = self._left.get((key_id, step_class), (DAILY, now))
            left = min(DAILY, left + max(0.0, now - at) * DAILY / DAY_S)
            if left < attempts:
                self._left[key_id, step_class] = (left, now)
                return False
            self._left[key_id, step_class] = (left - attempts, now)
        weights.add(key_id, attempts)
        return True
