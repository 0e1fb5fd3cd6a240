"""Circuit breakers, one per deployment: who is left alone, until when, and who may probe."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

import msgspec

State = Literal["closed", "open", "half_open"]

FAILURES_TO_OPEN = 5
"""Faults in a row."""
WINDOW_S = 10.0
LEAST_CALLS = 20
"""Calls in the window below which their shares say nothing."""
FAULT_SHARE, SLOW_SHARE = 0.5, 0.8
"""Of the calls in the window. Half is the default of resilience4j (failureRateThreshold), whose slow share is 1."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 3.0, 30.0
PROBES = 3
"""Requests let through at once after a pause."""
PROBE_S = 30.0
"""Seconds after which a probe that told nothing makes room for another: a long stream tells only at its end."""
RETRY_AFTER_CAP_S = 60.0
LIMITED_S = 1.0
"""A 429 that names no wait, or a shorter one, is heeded for so long."""


class Closed(msgspec.Struct, frozen=True):
    """What stands in the way of calls at one moment. Keys are `model:deployment`."""

    keys: frozenset[str] = frozenset()
    """Not to be called."""
    slow: frozenset[str] = frozenset()
    """Those of `keys` that answer, only too slowly: better than nobody."""
    wait: float = 1.0
    """Seconds until the first of `keys` may be called again, at least 1."""
    limited: bool = False
    """Whether all of them only asked to be left alone for a while."""


NOTHING = Closed()


class _Window:
    """Calls, faults and slow answers of the last WINDOW_S seconds, in two halves."""

    __slots__ = ("_began", "_halves")

    def __init__(self) -> None:
        self._began = 0.0
        self._halves = ([0, 0, 0], [0, 0, 0])

    def add(self, now: float, *, fault: bool = False, slow: bool = False) -> None:
        self._turn(now)
        half = self._halves[1]
        half[0] += 1
        half[1] += fault
        half[2] += slow

    def shares(self, now: float) -> tuple[float, float]:
        """Share of faults and of slow answers; 0 where there are too few calls."""
        self._turn(now)
        calls, faults, slow = (a + b for a, b in zip(*self._halves, strict=True))
        return (faults / calls, slow / calls) if calls >= LEAST_CALLS else (0.0, 0.0)

    def quiet(self, now: float) -> bool:
        """Whether there was neither a fault nor a slow answer."""
        self._turn(now)
        return not any(half[1] or half[2] for half in self._halves)

    def _turn(self, now: float) -> None:
        half = WINDOW_S / 2
        if now - self._began >= half:
            old = self._halves[1] if now - self._began < WINDOW_S else [0, 0, 0]
            self._halves, self._began = (old, [0, 0, 0]), now


class _Breaker:
    __slots__ = ("failures", "limited", "mild", "opened", "probed", "probes", "until", "window")

    def __init__(self) -> None:
        self.window = _Window()
        self.failures = 0
        self.opened = 0
        """Times opened in a row, for the growing pause."""
        self.mild = False
        """Opened for slowness alone: planned around, but not refused."""
        self.limited = False
        """Left alone by its own word."""
        self.until = 0.0
        self.probes = 0
        """Under way."""
        self.probed = 0.0
        """When the last one began."""

    def shut(self, now: float) -> bool:
        return now < self.until or (self.opened > 0 and self.probes >= PROBES and now < self.probed + PROBE_S)


class Health:
    """Moves on faults and answers; times are seconds of the given clock, which must not be negative.

    `turned` and `hear` are the two ends of sharing: what one replica says, the others may hear.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        jitter: Callable[[], float] = random.random,
        turned: Callable[[str, float | None], None] = lambda key, pause: None,
    ) -> None:
        """`turned` is told of each breaker that opens, with its pause in seconds, or closes, with None."""
        self._clock, self._jitter, self._turned = clock, jitter, turned
        self._breakers: dict[str, _Breaker] = {}
        """Only deployments with a recent fault or slow answer; empty in good times, so that a look costs nothing."""

    def closed(self, among: frozenset[str] | None = None) -> Closed:
        """Who must not be called now, `among` these or all."""
        if not self._breakers:
            return NOTHING
        now = self._clock()
        shut = {k: b for k, b in self._breakers.items() if b.shut(now) and (among is None or k in among)}
        if not shut:
            return NOTHING
        return Closed(
            frozenset(shut),
            frozenset(k for k, b in shut.items() if b.mild),
            max(1.0, min(b.until - now for b in shut.values())),
            all(b.limited for b in shut.values()),
        )

    def begin(self, key: str) -> bool:
        """Asks to call `key`. False where its breaker is open or its probes are out."""
        if not self._breakers or (breaker := self._breakers.get(key)) is None:
            return True
        now = self._clock()
        if breaker.shut(now) and not breaker.mild:
            return False
        if breaker.opened:
            breaker.probes = 1 + breaker.probes % PROBES  # all out and none told anything: counted anew
            breaker.probed = now
        return True

    def succeeded(self, key: str, slow: bool = False) -> None:
        """An answer came. One to a call that began before a pause, and ends within it, does not end the pause."""
        breaker = self._breakers.get(key) if self._breakers else None
        if breaker is None:
            if not slow:
                return
            breaker = self._breakers[key] = _Breaker()
        now = self._clock()
        breaker.window.add(now, slow=slow)
        breaker.failures = 0
        if now < breaker.until:
            return
        if breaker.opened and not (slow and breaker.mild):
            self._close(breaker)
            self._turned(key, None)
        elif breaker.opened or breaker.window.shares(now)[1] >= SLOW_SHARE:
            self._open(key, breaker, now, mild=True)
        if not breaker.opened and breaker.window.quiet(now):
            del self._breakers[key]

    def abandoned(self, key: str) -> None:
        """The call ended without telling anything of the deployment's health: the caller left, or was at fault."""
        if self._breakers and (breaker := self._breakers.get(key)) is not None:
            breaker.probes = max(0, breaker.probes - 1)

    def failed(self, key: str, retry_after: float | None = None) -> None:
        """Counts a fault. With `retry_after`, a 503's own word, the key is left alone so long at least."""
        breaker = self._breakers.setdefault(key, _Breaker())
        now = self._clock()
        told = min(retry_after or 0.0, RETRY_AFTER_CAP_S)
        breaker.limited = False
        if now >= breaker.until:  # one that began before a pause, and fails within it, is no news
            breaker.window.add(now, fault=True)
            breaker.failures += 1
            breaker.probes = max(0, breaker.probes - 1)
            often = breaker.failures >= FAILURES_TO_OPEN or breaker.window.shares(now)[0] >= FAULT_SHARE
            if breaker.opened or often:
                self._open(key, breaker, now, mild=False, least=told)
        breaker.until = max(breaker.until, now + told)

    def limited(self, key: str, retry_after: float | None) -> None:
        """A 429: no fault, since who refuses is alive, but its word is heeded, and a moment at least."""
        breaker = self._breakers.setdefault(key, _Breaker())
        now = self._clock()
        breaker.limited = breaker.limited or now >= breaker.until
        breaker.mild = False
        breaker.probes = max(0, breaker.probes - 1)
        breaker.until = max(breaker.until, now + min(max(retry_after or 0.0, LIMITED_S), RETRY_AFTER_CAP_S))

    def hear(self, key: str, pause: float | None) -> None:
        """What `turned` was told elsewhere: a replica has opened the breaker of `key` for so long, or closed it."""
        if pause is None:
            if (breaker := self._breakers.get(key)) is not None:
                self._close(breaker)
            return
        breaker = self._breakers.setdefault(key, _Breaker())
        breaker.opened, breaker.mild, breaker.limited = max(1, breaker.opened), False, False
        breaker.until = max(breaker.until, self._clock() + min(pause, RETRY_AFTER_CAP_S))

    def _open(self, key: str, breaker: _Breaker, now: float, *, mild: bool, least: float = 0.0) -> None:
        pause = max(least, self._pause(breaker.opened))
        breaker.opened += 1
        breaker.probes = breaker.failures = 0
        breaker.mild, breaker.limited = mild, False
        breaker.until = now + pause
        breaker.window = _Window()
        self._turned(key, pause)

    @staticmethod
    def _close(breaker: _Breaker) -> None:
        breaker.opened = breaker.probes = breaker.failures = 0
        breaker.mild = False
        breaker.until = 0.0
        breaker.window = _Window()

    def _pause(self, opened: int) -> float:
        """Seconds, doubled each time in a row, jittered so that replicas do not probe in step."""
        return min(LONGEST_PAUSE_S / 2, FIRST_PAUSE_S * 2.0 ** min(opened, 8)) * (1.0 + self._jitter())

    def state(self, key: str) -> State:
        breaker = self._breakers.get(key)
        if breaker is None or (not breaker.opened and self._clock() >= breaker.until):
            return "closed"
        return "open" if self._clock() < breaker.until else "half_open"
