"""One set of beliefs for all processes that share a store: one of them folds what the log says, the others follow.

Whoever holds the lease folds each event of the log once, in order, and publishes what comes of it with the position in
the log that it has reached. Everybody serves from what was published last, the holder too. Each process keeps the
lessons beyond that position, so whoever takes the lease over goes on exactly there.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, NamedTuple

from router.beliefs import Beliefs
from router.beliefs.snapshot import Snapshot, Unreadable, carried, decode, encode
from router.catalog import Catalog
from router.learner import Learner, Lesson
from router.store.base import Down
from router.store.event import Taken
from router.store.outbox import Position, position, written
from router.verdicts import Change

if TYPE_CHECKING:
    from router.store.board import Board

LOG = logging.getLogger("turnout")
ROUND_S = 0.5
"""Seconds between looks at the board, and between publications."""
FOLD_S = 0.05
"""Seconds of work that a round may fold: a tenth of a processor."""
CAPACITY = 4_096
"""Events whose lessons wait at most."""
FRESH_S = 1.5
"""Seconds that a process which knows nothing leaves the lease to others: where the store has lost what was published,
they still have it."""


class _Waiting(NamedTuple):
    position: Position
    lessons: tuple[Lesson, ...]


class Sharing:
    """Reads and writes the board; `believe` is given what is to be served from, `adopt` what was published before."""

    def __init__(
        self,
        board: Board,
        believe: Callable[[Beliefs], None],
        adopt: Callable[[Beliefs], None],
        catalog: Callable[[], Catalog],
        learner: Callable[[Callable[[], Beliefs], Callable[[Beliefs], None]], Learner],
        dropped: Callable[[], object],
        *,
        start: Beliefs,
        position: Position,
        success: bool,
    ) -> None:
        """`learner` is given where beliefs come from and go. `start` holds all of the log up to `position`; `success`:
        verdicts and signs are learned from, not only what attempts report."""
        self._board, self._believe, self._adopt = board, believe, adopt
        self._catalog, self._dropped = catalog, dropped
        self._learner = learner(lambda: self._beliefs, self._set)
        self._beliefs, self._served = start, start.version
        self._success = success
        self._known = catalog()
        self.position = position
        """Up to there the log is in the beliefs that are served."""
        self._folded = position
        self._waiting: deque[_Waiting] = deque()
        self._name: str | None = None
        self._epoch = 0
        self._ended = False
        self._began = time.monotonic()

    @property
    def holds(self) -> bool:
        """Whether this process folds for all."""
        return self._epoch > 0

    def lesson(self, position: Position, event: Taken | None, changes: Sequence[Change]) -> None:
        """Takes what one event of the log teaches."""
        if position <= self.position:
            return
        lessons: list[Lesson] = [event.heard] if event is not None and event.heard is not None else []
        if self._success:
            lessons += [change for change in changes if change.judgements or change.moves]
        if not lessons:
            return
        if len(self._waiting) >= CAPACITY:
            self._waiting.popleft()
            self._dropped()
        self._waiting.append(_Waiting(position, tuple(lessons)))

    async def begin(self) -> None:
        """Serves from what is published, before the first request."""
        try:
            await self._follow()
        except Down:
            LOG.warning("store: what others have learned is not known yet")

    async def work(self, ready: Callable[[], bool]) -> None:
        """Follows or folds, for ever. `ready`: whether the log has been read so far."""
        while not self._ended:
            try:
                await self._round(ready())
            except Down:
                self._epoch = 0  # by now it may be another's
            await asyncio.sleep(ROUND_S)

    async def end(self) -> None:
        """Leaves the lease to another."""
        self._ended = True
        try:
            if self._epoch:
                await self._board.release()
        except Down:
            LOG.debug("store: the lease ends by itself")

    async def _round(self, ready: bool) -> None:
        if self._name is None and self._beliefs.version == 0 and time.monotonic() < self._began + FRESH_S:
            ready = False
        epoch = await self._board.hold() if ready else 0
        if epoch != self._epoch or not epoch:
            await self._follow()
            if epoch:
                LOG.info("store: this process now learns for all (epoch %d)", epoch)
        self._epoch = epoch
        if epoch:
            await self._fold()
            await self._publish()

    async def _follow(self) -> None:
        """Serves from what is published, if that is news. What this process had folded beyond it is folded anew."""
        name = await self._board.head()
        if name is None or name == self._name:
            return
        found = await self._board.read()
        if found is None:
            return
        first, self._name = self._name is None, found.name
        try:
            snapshot = decode(found.data)
        except Unreadable as error:
            LOG.error("store: the beliefs that are published cannot be read: %s", error)
            return
        self._known = self._catalog()
        self._set(carried(snapshot.beliefs, self._known))
        self._folded = position(snapshot.position)
        self._serve(self._folded, self._adopt if first else self._believe)

    async def _fold(self) -> None:
        """Folds entry by entry, so that a position never lies within one."""
        if self._catalog() is not self._known:
            self._known = self._catalog()
            self._set(carried(self._beliefs, self._known))
        spent = 0.0
        for reached, entry in groupby([w for w in self._waiting if w.position > self._folded], lambda w: w.position):
            for lesson in chain.from_iterable(waiting.lessons for waiting in entry):
                began = time.perf_counter()
                self._learner.fold(lesson)
                spent += time.perf_counter() - began
                await asyncio.sleep(0)  # a run's verdict is one entry with some hundred lessons
            self._folded = reached
            if spent > FOLD_S:
                return

    async def _publish(self) -> None:
        if self._beliefs.version == self._served and self._name is not None:
            return
        if self._beliefs.version == 0:
            return  # nobody needs to be told what the catalog says
        name, folded = f"{self._beliefs.version}-{secrets.token_hex(4)}", self._folded
        data = encode(Snapshot(self._beliefs, time.time(), written(folded)))
        if await self._board.publish(self._epoch, name, data):
            self._name = name
            self._serve(folded, self._believe)
        else:
            self._epoch = 0

    def _serve(self, position: Position, believe: Callable[[Beliefs], None]) -> None:
        self._served, self.position = self._beliefs.version, position
        while self._waiting and self._waiting[0].position <= position:
            self._waiting.popleft()
        believe(self._beliefs)

    def _set(self, beliefs: Beliefs) -> None:
        self._beliefs = beliefs
