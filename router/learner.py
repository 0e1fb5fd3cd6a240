"""Folds what becomes known into the beliefs, beside the requests and never before them.

One lesson costs a quarter of a millisecond, as much as a whole step. So lessons wait in a bounded queue, and a task
takes them one by one, resting so long after each that learning never takes more than SHARE of the processor. Under a
load that brings more than that, some of what steps say of themselves goes unheard; a verdict never does.

A verdict that finds few lessons waiting is learned before its request is answered. With more it takes its place behind
them, since what somebody says of a step must be learned after what was known of that step before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from router.beliefs import Beliefs
from router.outcome import Outcome
from router.reports import Heard, heard
from router.verdicts import Change

Lesson = Outcome | Heard | Change
LOG = logging.getLogger("turnout")
SHARE = 0.1
"""Of one processor, at most, for as long as lessons are waiting."""
CAPACITY = 4096
"""Lessons that wait at most."""
AT_ONCE = 8
"""Waiting lessons, at most, that a verdict folds in before itself: about two milliseconds in its request."""


class Learner:
    """Takes outcomes and changes; `believe` is given the next beliefs, made from what `current` gives."""

    def __init__(
        self,
        current: Callable[[], Beliefs],
        believe: Callable[[Beliefs], None],
        dropped: Callable[[], None],
        failed: Callable[[], None],
        *,
        all_of_it: bool,
        counts: Callable[[Change], bool] = lambda _: True,
    ) -> None:
        """`all_of_it`: off, only input tokens are counted better. `dropped` is called for each lesson lost, and
        `failed` for each that could not be learned. `counts`: whether what a key says of success is believed."""
        self._current, self._believe, self._dropped, self._failed = current, believe, dropped, failed
        self._all, self._counts = all_of_it, counts
        self._waiting: deque[Lesson] = deque()
        self._wake = asyncio.Event()

    def outcome(self, outcome: Outcome) -> None:
        """What a step's attempts say of tokens, lengths and times."""
        self._queue(outcome)

    def change(self, change: Change) -> None:
        """What is known of a step's success. Somebody's verdict is learned at once where few lessons wait, and soon
        where many do; it is never dropped."""
        if not self._all:
            return
        if not change.judgements:
            self._queue(change)
        elif len(self._waiting) <= AT_ONCE:
            self.catch_up()
            self.fold(change)
        else:
            if len(self._waiting) >= CAPACITY:
                self.fold(self._waiting.popleft())
            self._queue(change)

    @property
    def waiting(self) -> int:
        """Lessons that wait."""
        return len(self._waiting)

    def catch_up(self) -> None:
        """Folds in all that waits."""
        while self._waiting:
            self.fold(self._waiting.popleft())

    async def work(self) -> None:
        """Folds for ever."""
        while True:
            await self._wake.wait()
            began = time.perf_counter()
            if self._waiting:
                self.fold(self._waiting.popleft())
            if not self._waiting:
                self._wake.clear()
            await asyncio.sleep((time.perf_counter() - began) * (1 / SHARE - 1))

    def _queue(self, lesson: Lesson) -> None:
        if len(self._waiting) >= CAPACITY:
            self._dropped()
            return
        self._waiting.append(lesson)
        self._wake.set()

    def fold(self, lesson: Lesson) -> None:
        """At once."""
        try:
            self._believe(self._after(lesson))
        except Exception:  # one lesson that cannot be learned must not end all learning
            LOG.exception("a lesson could not be learned")
            self._failed()

    def _after(self, lesson: Lesson) -> Beliefs:
        beliefs = self._current()
        if isinstance(lesson, Change):
            if not self._counts(lesson):
                return beliefs
            return beliefs.learn(lesson.said, lesson.earlier)
        said = heard(lesson) if isinstance(lesson, Outcome) else lesson
        if said is None:
            return beliefs
        return beliefs.heard(said) if self._all else beliefs.counted(said)
