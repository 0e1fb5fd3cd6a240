"""How many calls a deployment gets at once: a limit that its own refusals and slowness move, and a queue before it.

Additive increase, multiplicative decrease (Chiu and Jain, Computer Networks and ISDN Systems 17, 1989), as TCP does
it: the calls under way are the window, a refusal or a slow answer is the loss, and of one round of calls only the first
loss begins a decrease. The increase is the square root of the limit a round, as in Netflix's concurrency-limits.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from math import sqrt
from typing import Literal

Verdict = Literal["served", "slow", "refused", "unknown"]
"""What a call that ended says of the deployment's load."""
Event = Literal["waited", "elsewhere", "shed"]
"""A call that found no free place: it got one in the queue, moved on to another deployment, or was given up."""

LEAST = 4.0
"""The limit falls no lower: with fewer in flight a refusal is a matter of rate, which Retry-After governs."""
REFUSED_TO, SLOW_TO = 0.5, 0.9
"""What a round with a refusal leaves of the limit at least, and a round with a slow answer at most."""
HOLD_S = 30.0
"""Seconds without growth after a decrease, so that a deployment at its limit refuses one call in so many seconds."""
SMOOTH = 0.1
"""Weight of the latest call in the mean seconds of one."""
LONGEST_QUEUE = 1000
"""Steps that wait for one deployment."""


class _Lane:
    """One deployment."""

    __slots__ = ("before", "cap", "cut_at", "hold", "limit", "mean_s", "running", "waiting")

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.limit = float(cap)
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.mean_s: float | None = None
        self.before = self.limit
        """The limit before the last decrease."""
        self.cut_at = self.hold = 0.0

    def free(self) -> bool:
        return self.running < int(self.limit) and not self.waiting


class Admission:
    """Keys are `model:deployment`. A call enters, or waits and enters, and leaves."""

    def __init__(
        self, clock: Callable[[], float], told: Callable[[str, Event], None] = lambda key, event: None
    ) -> None:
        self._clock, self._told = clock, told
        self._lanes: dict[str, _Lane] = {}
        self.inflight: Counter[str] = Counter()

    def free(self, key: str) -> bool:
        """Whether a call would enter at once."""
        lane = self._lanes.get(key)
        return lane is None or lane.free()

    def limit(self, key: str, cap: int) -> int:
        return int(lane.limit) if (lane := self._lanes.get(key)) is not None else cap

    def waiting(self, key: str) -> int:
        return len(lane.waiting) if (lane := self._lanes.get(key)) is not None else 0

    def enter(self, key: str, cap: int) -> bool:
        """Takes a place if one is free. `cap`: most calls at once that the catalog allows."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(cap)
        elif lane.cap != cap:  # the catalog was read again
            lane.limit = float(cap) if lane.limit >= lane.cap else min(lane.limit, float(cap))
            lane.cap = cap
        if not lane.free():
            return False
        lane.running += 1
        self.inflight[key] += 1
        return True

    async def wait(self, key: str, seconds: float, expected_s: float, *, elsewhere: bool) -> bool:
        """Waits for a place, in turn, at most so long, and not at all where that would not do. Whether it has one.

        `expected_s` is what a call takes, until there is experience; `elsewhere` only says what becomes of the step.
        """
        lane = self._lanes[key]
        event: Event = "elsewhere" if elsewhere else "shed"
        if len(lane.waiting) < LONGEST_QUEUE and self._wait_s(lane, expected_s) <= seconds:
            turn = asyncio.get_running_loop().create_future()
            lane.waiting.append(turn)
            try:
                async with asyncio.timeout(seconds):
                    await turn
                event = "waited"
            except TimeoutError:
                if turn.done() and not turn.cancelled():
                    event = "waited"  # the place came in the same moment
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._release(key, lane)
                raise
            finally:
                with suppress(ValueError):  # one that was called is no longer there
                    lane.waiting.remove(turn)
        self._told(key, event)
        return event == "waited"

    def wait_s(self, key: str, expected_s: float) -> float:
        """Seconds that one who came now would wait."""
        return self._wait_s(lane, expected_s) if (lane := self._lanes.get(key)) is not None else 0.0

    @staticmethod
    def _wait_s(lane: _Lane, expected_s: float) -> float:
        if lane.free():
            return 0.0
        mean = expected_s if lane.mean_s is None else lane.mean_s
        return (len(lane.waiting) + 1) * mean / max(1.0, lane.limit)

    def leave(self, key: str, began: float, verdict: Verdict) -> None:
        """The call that `began` then, seconds of the clock, is over."""
        lane, now = self._lanes[key], self._clock()
        if verdict in ("served", "slow"):
            took = now - began
            lane.mean_s = took if lane.mean_s is None else lane.mean_s + SMOOTH * (took - lane.mean_s)
        if verdict == "served":
            if now >= lane.hold and lane.running >= lane.limit / 2:  # else it says nothing of a higher limit
                lane.limit = min(float(lane.cap), lane.limit + 1.0 / sqrt(lane.limit))
        elif verdict != "unknown":
            self._cut(lane, began, now, verdict)
        self._release(key, lane)

    @staticmethod
    def _cut(lane: _Lane, began: float, now: float, verdict: Verdict) -> None:
        if began >= lane.cut_at:  # else it belongs to the round of the last decrease
            lane.before, lane.cut_at = min(lane.limit, float(lane.running)), now
        elif verdict == "slow":
            return
        lane.hold = now + HOLD_S
        if verdict == "slow":
            to = SLOW_TO * lane.before
        else:  # a burst is refused down to what is served: those still under way
            to = max(REFUSED_TO * lane.before, lane.running - 1.0)
        lane.limit = max(min(LEAST, float(lane.cap)), min(lane.limit, to))

    def _release(self, key: str, lane: _Lane) -> None:
        lane.running -= 1
        self.inflight[key] -= 1
        while lane.waiting and lane.running < int(lane.limit):
            turn = lane.waiting.popleft()
            if not turn.done():
                lane.running += 1
                self.inflight[key] += 1
                turn.set_result(None)
