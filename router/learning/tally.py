"""What a way of routing came to, step by step, as arrays that add up over seeds."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from router.learning.walk import Walked

Array = NDArray[np.float64]
Kind = Literal["policy", "always", "random", "cascade", "oracle"]
SUCCESS, COST, SECONDS, ATTEMPTS, REFUSED, UNMET = range(6)
COLUMNS = 6


class Tally:
    """One way of routing. `sums` has a row for each step, in the trace's order, and the columns above."""

    def __init__(self, name: str, kind: Kind, steps: int) -> None:
        self.name, self.kind = name, kind
        self.sums: Array = np.zeros((steps, COLUMNS))
        self.first: dict[str, float] = {}
        """Arm → how often it was tried first."""
        self.passes = 0
        """How often the trace was gone through."""

    def add(self, at: int, walked: Walked, *, unmet: bool = False, weight: float = 1.0) -> None:
        """What came of step `at`; no attempt at all: nothing could take it."""
        row = self.sums[at]
        if not walked.attempts:
            row[REFUSED] += weight
            return
        row[SUCCESS] += weight * walked.success
        row[COST] += weight * walked.cost_usd
        row[SECONDS] += weight * walked.seconds
        row[ATTEMPTS] += weight * len(walked.attempts)
        row[UNMET] += weight * unmet
        first = walked.attempts[0].arm
        self.first[first] = self.first.get(first, 0.0) + weight

    @property
    def mean(self) -> Array:
        """(steps, columns), of one pass."""
        out: Array = self.sums / max(1, self.passes)
        return out


class Interval(msgspec.Struct, frozen=True):
    value: float | None
    """None: infinite, a cost per success where nothing succeeded."""
    low: float | None
    high: float | None
