"""State that several processes share, over one Redis or Valkey.

Finished steps and verdicts are events in one ordered log, and every process makes its state of all of them in that
order. So what a request has to know is here already: before dispatch it asks only whether the log has gone on (once,
together with everybody who asks at that moment), and where the store does not answer it goes on with what is known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from router.errors import Conflict, NotFound
from router.outcome import Outcome, Recall
from router.store.base import Down
from router.store.decisions import unknown
from router.store.event import Event, Taken, Told, Turned, taken
from router.store.link import Link, soon
from router.store.log import PREFIX, Log
from router.store.memory import CAPACITY
from router.store.outbox import Position
from router.store.shelf import Shelf
from router.store.state import State
from router.verdicts import Change, Filed, Said, identity

BEHIND_S = 0.1
"""Seconds by which one process may write later than another one hears of it."""
JUDGE_S = 0.5
"""Seconds that a verdict may take to come back from the log."""
Lesson = Callable[[Position, Taken | None, Sequence[Change]], None]


class SharedStore:
    """One process's view. `own` is told what its own callers' events changed; `lesson`, of everybody's; `elsewhere`,
    what others do while this process runs, and how many seconds ago."""

    def __init__(
        self,
        link: Link,
        *,
        ttl: float,
        lost: Callable[[int], object],
        kept_bytes: int = 32_000_000,
        kept_ttl: float = 86_400.0,
        capacity: int = CAPACITY,
    ) -> None:
        """`lost` is told of events that could neither be written nor wait any longer."""
        self.link = link
        self.own: Callable[[Iterable[Change]], None] = lambda changes: None
        self.lesson: Lesson = lambda position, event, changes: None
        self.elsewhere: Callable[[Taken | Turned, float], None] = lambda event, age: None
        self.log = Log(link, self._event, ttl=ttl, lost=lost)
        self._state, self._shelf = State(capacity, ttl), Shelf(kept_bytes, kept_ttl)
        self._kept_ttl = max(1, round(kept_ttl))
        self._verdicts: dict[int, asyncio.Future[Filed]] = {}

    def start(self) -> None:
        """Begins to write and read, on the running loop."""
        self.log.start()

    async def recall(self, key_id: str, step_id: str | None, run_id: str | None) -> Recall:
        if step_id or run_id:
            await self.log.caught_up()
        coming = self.log.outbox.coming(key_id, step_id, run_id)
        return self._state.recall(key_id, step_id, run_id, self._now(), coming)

    async def record(self, outcome: Outcome) -> Sequence[Change]:
        """Nothing changes by it until it has its place in the log."""
        self.log.put(taken(outcome, reports=True))
        return ()

    def turned(self, key: str, pause: float | None) -> None:
        """Tells the others of a breaker of this process that has opened or closed."""
        self.log.put(Turned(key, pause))

    async def judge(self, key_id: str, said: Said) -> Filed:
        """While the store is down a verdict on anything that is known is taken on trust, and filed later.

        What nobody knows gets no place in the log, which a flood of it would fill.
        """
        if not await self._known(key_id, said):
            raise unknown(said)
        number = self.log.put(Told(key_id, said))
        if self.link.up:
            answer: asyncio.Future[Filed] = asyncio.get_running_loop().create_future()
            self._verdicts[number] = answer
            self.log.hurry()
            try:
                if await soon(answer, JUDGE_S):
                    return answer.result()
            finally:
                self._verdicts.pop(number, None)
        return Filed(identity(key_id, said.name, said.source), 1)

    async def _known(self, key_id: str, said: Said) -> bool:
        """Whether there is anything that it could be on."""
        for again in (False, True):
            if again and self.link.up:
                await asyncio.sleep(BEHIND_S)  # the step may have ended a moment ago, in another process
            await self.log.caught_up()
            if self._state.knows(key_id, said, self._now()) or self.log.outbox.knows(key_id, said):
                return True
        return False

    async def keep(self, key_id: str, name: str, data: bytes) -> None:
        self._shelf.put(key_id, name, data, self._now())
        await self._try("SET", _kept(key_id, name), data, "EX", self._kept_ttl)

    async def kept(self, key_id: str, names: Sequence[str]) -> Sequence[bytes | None]:
        here = self._shelf.get(key_id, names, self._now())
        if not names:
            return here
        try:
            found = await self.link.run(*(("GETEX", _kept(key_id, name), "EX", self._kept_ttl) for name in names))
        except Down:
            return here
        return [there if there is not None else own for there, own in zip(found, here, strict=True)]

    async def forget(self, key_id: str, name: str) -> bool:
        here = self._shelf.drop(key_id, name)
        return bool(await self._try("DEL", _kept(key_id, name))) or here

    async def close(self) -> None:
        """Writes what it can of what waits, and leaves the store."""
        await self.log.close()
        await self.link.close()
        self._state.clear()
        self._shelf.clear()

    async def _try(self, *command: object) -> object:
        try:
            return (await self.link.run(command))[0]
        except Down:
            return None

    def _now(self) -> float:
        """Unix time; not before the log's own."""
        return max(time.time(), self.log.position[0] / 1e3)

    def _event(self, position: Position, own: bool, number: int, event: Event) -> None:
        if not own and self.log.current and not isinstance(event, Told):
            self.elsewhere(event, max(0.0, time.time() - position[0] / 1e3))
        if isinstance(event, Turned):
            return
        answer = self._verdicts.pop(number, None) if own else None
        changes = self._changes(event, position[0] / 1e3, answer)
        if own:
            self.own(changes)
        self.lesson(position, event if isinstance(event, Taken) else None, changes)

    def _changes(self, event: Taken | Told, now: float, answer: asyncio.Future[Filed] | None) -> Sequence[Change]:
        """What comes of an event; whoever waits for it is answered."""
        if isinstance(event, Taken):
            # What a failover lost for its writer was sent again, but may have been read here before.
            again = Said("decision", event.decision_id, 0.0, "", now)
            return () if self._state.knows(event.key_id, again, now) else self._state.take(event, now)
        if answer is not None and answer.done():
            answer = None
        try:
            filed = self._state.judge(event.key_id, event.said, now)
        except (Conflict, NotFound) as error:
            if answer is not None:
                answer.set_exception(error)
            return ()
        if answer is not None:
            answer.set_result(Filed(filed.id, filed.decisions))
        return filed.changes


def _kept(key_id: str, name: str) -> str:
    return f"{PREFIX}:kept:{key_id}:{name}"
