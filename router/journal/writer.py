"""The journal as serving sees it: an append to a bounded queue; a thread encodes and writes.

A thread and not a task, because fsync blocks: on a busy disk for seconds, in which no step may wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from router.journal import records
from router.outcome import Outcome, Verdict

LOG = logging.getLogger("turnout")
BUFFER = 4_096
"""Records that wait at most; beyond, the oldest are dropped."""
POLL_S = 0.05
"""Seconds between looks at the queue: what a killed process loses at most."""
SLICE = 32
"""Records encoded in one go, so that the thread never holds the interpreter for more than about a millisecond."""
BREATH_S = 0.0005
"""Seconds between two slices, in which the event loop gets the interpreter."""
RETRY_S = 1.0
"""Seconds before a write that failed is tried again."""
CLOSE_S = 5.0
"""Seconds that the last records get to be written at shutdown."""
PLANS_PER_S = 20.0
"""Frontiers worked out again in a second at most: each is a search of its own, and under load the CPU is for steps."""


class Sink(Protocol):
    """Where lines end up: files, or a stream in the shared store. Only the writer's thread calls it."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Takes all of the lines, or raises OSError and has taken none."""
        ...

    def tend(self) -> None:
        """What is due by the clock. Raises OSError."""
        ...

    def close(self) -> None:
        """Raises OSError where what was written cannot be made safe."""
        ...


class Journal:
    """Takes outcomes and verdicts as they come, and never makes a step wait or fail."""

    def __init__(
        self,
        sink: Sink,
        *,
        written: Callable[[int], object],
        dropped: Callable[[int], object],
        degraded: Callable[[bool], object],
        buffer: int = BUFFER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`written` and `dropped` are told of numbers of records, `degraded` of the sink's failing and recovering."""
        self._sink, self._clock = sink, clock
        self._written, self._dropped, self._degraded = written, dropped, degraded
        self._queue: deque[Outcome | Verdict] = deque(maxlen=buffer)
        self._pending: list[bytes] = []
        self._failing = False
        self._retry_at = 0.0
        self._plans = Allowance(PLANS_PER_S, clock)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def observe(self, outcome: Outcome) -> None:
        """Takes the outcome of a step."""
        self._put(outcome)

    def verdict(self, verdict: Verdict) -> None:
        """Takes what somebody says of a step later."""
        self._put(verdict)

    def _put(self, item: Outcome | Verdict) -> None:
        if len(self._queue) == self._queue.maxlen:
            self._dropped(1)
        self._queue.append(item)

    def start(self) -> None:
        """Begins to write. What was taken before is not lost."""
        self._thread.start()

    def close(self) -> None:
        """Writes what is left, for a few seconds at most. Blocks; for good."""
        if not self._thread.is_alive():
            return
        self._stop.set()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            LOG.warning("journal: the disk does not answer; %d records may be lost", self.waiting)

    @property
    def waiting(self) -> int:
        """Records taken and not written yet."""
        return len(self._queue) + len(self._pending)

    def _run(self) -> None:
        pause = POLL_S
        while not self._stop.wait(pause):
            self._turn()
            pause = BREATH_S if self._queue and not self._failing else POLL_S
        self._retry_at = 0.0
        while self.waiting and self._turn():
            pass
        self._end()

    def _turn(self) -> bool:
        """Encodes and writes a slice, and does what is due. False where the sink fails."""
        if self._failing and self._clock() < self._retry_at:
            return False
        if not self._pending:
            self._pending = self._encoded()
        try:
            if self._pending:
                self._sink.write(self._pending)
                self._written(len(self._pending))
                self._pending = []
            self._sink.tend()
        except OSError as error:
            self._fails(error)
            return False
        if self._failing and not self._pending:
            self._failing = False
            self._degraded(False)
            LOG.info("journal: writes again")
        return True

    def _fails(self, error: OSError) -> None:
        self._retry_at = self._clock() + RETRY_S
        if not self._failing:
            self._failing = True
            self._degraded(True)
            most = self._queue.maxlen
            LOG.error("journal: cannot be written: %s. Serving goes on; up to %d records wait", error, most)

    def _encoded(self) -> list[bytes]:
        lines = []
        for _ in range(min(SLICE, len(self._queue))):
            item = self._queue.popleft()
            try:
                lines.append(self._encode(item))
            except Exception:  # one record that cannot be made must not end the thread that writes all others
                LOG.exception("journal: a record of %s cannot be made", item.decision_id)
                self._dropped(1)
        return lines

    def _encode(self, item: Outcome | Verdict) -> bytes:
        if isinstance(item, Verdict):
            return records.encode(records.of_verdict(item))
        plans = item.decision is not None and self._plans.take()
        return records.encode(records.of_outcome(item, plans=plans))

    def _end(self) -> None:
        if lost := self.waiting:
            self._dropped(lost)
            LOG.error("journal: %d records are lost", lost)
        try:
            self._sink.close()
        except OSError as error:
            LOG.error("journal: cannot be closed: %s", error)


class Allowance:
    """So many a second, and a second's worth at once."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._left, self._at = rate, clock()

    def take(self) -> bool:
        now = self._clock()
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
