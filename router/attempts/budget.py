"""The budget of attempts after faults, shared by all steps: an outage must not be made worse by asking again."""

from __future__ import annotations

from collections.abc import Callable

SHARE = 0.2
PER_S = 10.0
WINDOW_S = 10
"""Finagle's defaults (RetryBudget: percentCanRetry, minRetriesPerSec, ttl): a fifth of the steps of the last ten
seconds, and ten a second for a server with few steps."""


class FaultBudget:
    """What the checks reject, and what a caller asks for again, draws nothing from it."""

    def __init__(self, clock: Callable[[], float], denied: Callable[[], None] = lambda: None) -> None:
        """`clock`: seconds. `denied` is told of each attempt that was not made."""
        self._clock, self._denied = clock, denied
        self._second = -1
        self._steps = [0] * WINDOW_S
        self._taken = [0] * WINDOW_S

    def step(self) -> None:
        """A step begins."""
        second = int(self._clock())
        if second != self._second:
            self._roll(second)
        self._steps[second % WINDOW_S] += 1

    def take(self) -> bool:
        """Asks to try elsewhere after a fault."""
        second = int(self._clock())
        if second != self._second:
            self._roll(second)
        if sum(self._taken) + 1 > SHARE * sum(self._steps) + PER_S * WINDOW_S:
            self._denied()
            return False
        self._taken[second % WINDOW_S] += 1
        return True

    def _roll(self, second: int) -> None:
        """Forgets the seconds that have left the window."""
        for passed in range(max(self._second + 1, second - WINDOW_S + 1), second + 1):
            self._steps[passed % WINDOW_S] = self._taken[passed % WINDOW_S] = 0
        self._second = second
