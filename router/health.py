"""Circuit breakers, one per deployment: who is left alone, until when, and who may probe."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half_open"]

FAILURES_TO_OPEN = 5
"""Faults in a row."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 3.0, 30.0
PROBES = 3
"""Requests let through at once after a pause."""
PROBE_S = 30.0
"""Seconds after which a probe that told nothing makes room for another: a long stream tells only at its end."""
RETRY_AFTER_CAP_S = 60.0
NOBODY: frozenset[str] = frozenset()


class _Breaker:
    __slots__ = ("failures", "opened", "probed", "probes", "until")

    def __init__(self) -> None:
        self.failures = 0
        self.opened = 0
        """Times opened in a row, for the growing pause."""
        self.until = 0.0
        self.probes = 0
        """Under way."""
        self.probed = 0.0
        """When the last one began."""

    def shut(self, now: float) -> bool:
        return now < self.until or (self.opened > 0 and self.probes >= PROBES and now < self.probed + PROBE_S)


class Health:
    """Moves on faults and successes; times are seconds of the given clock, which must not be negative."""

    def __init__(
        self,
        clock: Callable[[], float],
        jitter: Callable[[], float] = random.random,
        turned: Callable[[str, float | None], None] = lambda key, pause: None,
    ) -> None:
        """`turned` is told of each breaker that opens, with its pause in seconds, or closes, with None."""
        self._clock, self._jitter, self._turned = clock, jitter, turned
        self._breakers: dict[str, _Breaker] = {}
        """Only deployments with a recent fault; empty in good times, so that a look costs nothing."""

    def unhealthy(self) -> frozenset[str]:
        """Keys (`model:deployment`) that must not be called now."""
        if not self._breakers:
            return NOBODY
        now = self._clock()
        return frozenset(k for k, b in self._breakers.items() if b.shut(now))

    def retry_after(self, keys: frozenset[str]) -> float:
        """Seconds until the first of `keys` may be called again, at least 1."""
        now = self._clock()
        waits = [self._breakers[k].until - now for k in keys if k in self._breakers]
        return max(1.0, min(waits, default=1.0))

    def begin(self, key: str) -> bool:
        """Asks to call `key`. False where its breaker is open or its probes are out."""
        if not self._breakers or (breaker := self._breakers.get(key)) is None:
            return True
        now = self._clock()
        if breaker.shut(now):
            return False
        if breaker.opened:
            breaker.probes = 1 + breaker.probes % PROBES  # all out and none told anything: counted anew
            breaker.probed = now
        return True

    def succeeded(self, key: str) -> None:
        """The call went well. One that began before a pause, and ends within it, does not end the pause."""
        if self._breakers and (breaker := self._breakers.get(key)) is not None:
            if self._clock() < breaker.until:
                breaker.failures = 0
            else:
                del self._breakers[key]
                if breaker.opened:
                    self._turned(key, None)

    def abandoned(self, key: str) -> None:
        """The call ended without telling anything of the deployment's health: the caller left, or was at fault."""
        if self._breakers and (breaker := self._breakers.get(key)) is not None:
            breaker.probes = max(0, breaker.probes - 1)

    def failed(self, key: str, retry_after: float | None = None) -> None:
        """Counts a fault. With `retry_after`, a 429's or 503's own word, the key is left alone so long at least."""
        breaker = self._breakers.setdefault(key, _Breaker())
        now = self._clock()
        told = min(retry_after or 0.0, RETRY_AFTER_CAP_S)
        pause = 0.0
        if now >= breaker.until:  # one that began before a pause, and fails within it, is no news
            breaker.failures += 1
            breaker.probes = max(0, breaker.probes - 1)
            if breaker.opened or breaker.failures >= FAILURES_TO_OPEN:
                pause = self._pause(breaker.opened)
                breaker.opened += 1
                breaker.probes = 0
                self._turned(key, max(told, pause))
        breaker.until = max(breaker.until, now + max(told, pause))

    def _pause(self, opened: int) -> float:
        """Seconds, doubled each time in a row; jittered from the second on, so that replicas do not probe in step."""
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(opened, 8))
        return pause * (0.5 + 0.5 * self._jitter()) if opened else pause

    def state(self, key: str) -> State:
        breaker = self._breakers.get(key)
        if breaker is None or (not breaker.opened and self._clock() >= breaker.until):
            return "closed"
        return "open" if self._clock() < breaker.until else "half_open"
