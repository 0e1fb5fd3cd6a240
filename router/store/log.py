"""One ordered log of events that several processes write and all of them read.

An event waits in the outbox until it has come back from the log. It may be sent twice where an answer was lost; whoever
reads it a second time knows it by its writer and number, and passes it over.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import msgspec

from router.store.base import Down
from router.store.event import Event
from router.store.link import TIMEOUT_S, Link, soon
from router.store.outbox import Outbox, Position, opened, position, written

LOG = logging.getLogger("turnout")
PREFIX = "{turnout}"
"""Of every key: the braces keep them in one slot of a Cluster, as one ordered log is in one place anyway."""
EVENTS = f"{PREFIX}:events"
MOST_EVENTS = 50_000
"""In the log, about: more than a process remembers."""
BATCH, BATCH_BYTES = 64, 256_000
READ = 128
"""Entries that are read at once."""
BEAT_S = 0.25
"""Seconds between looks at the log where nobody asks."""
MEND_S = 0.5
"""Seconds between attempts to reach a store that is down."""
CLOSE_S = 1.0
"""Seconds that the last events get to be written."""
WRITERS = 1_000
SLICE = 32
"""Events taken in at once."""
NEW: Position = (0, 0)
Take = Callable[[Position, bool, int, Event], None]
"""Position, whether it is this process's own, its number, the event."""


class Log:
    """This process's end of it."""

    def __init__(self, link: Link, take: Take, *, ttl: float, lost: Callable[[int], object]) -> None:
        """`take` is given every event once, in order. `ttl`: seconds without a new one after which the log goes."""
        self.link = link
        self._take, self._ttl = take, ttl
        self._me = secrets.token_hex(8)
        self.outbox = Outbox(lost)
        self._seen: OrderedDict[str, int] = OrderedDict()
        """Writer → the last of its events that was taken in."""
        self._per_entry = 1.0
        """Events of ours in one entry, lately."""
        self.position = NEW
        """Of the last entry that was taken in."""
        self.current = False
        """Whether the log has once been read to its end."""
        self._write, self._read = asyncio.Event(), asyncio.Event()
        self._hasty = False
        self._round: asyncio.Future[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to write and read, on the running loop."""
        self._round = asyncio.get_running_loop().create_future()
        self._tasks = [asyncio.create_task(self._reading()), asyncio.create_task(self._writing())]

    def put(self, event: Event) -> int:
        """Sends it soon. Its number."""
        number = self.outbox.put(event)
        self._write.set()
        return number

    async def caught_up(self) -> None:
        """Returns once a look at the log that begins after now is over, or TIMEOUT_S is; at once where none can be."""
        if self.link.up and self.current and self._round is not None:
            self._read.set()
            await soon(self._round, TIMEOUT_S)

    def hurry(self) -> None:
        """Somebody waits for the event that was put last to come back."""
        self._hasty = True

    async def close(self) -> None:
        """Writes what it can of what waits."""
        try:
            async with asyncio.timeout(CLOSE_S):
                while self.link.up and await self._send():
                    pass
        except (TimeoutError, Down):
            LOG.warning("store: up to %d events could not be written", len(self.outbox))
        await ended(self._tasks)

    async def _reading(self) -> None:
        while True:
            if not self.link.up and not await self.link.mend():
                await asyncio.sleep(MEND_S)
                continue
            self._write.set()  # what could not be sent before
            await self._look()
            try:
                await asyncio.wait_for(self._read.wait(), BEAT_S)
            except TimeoutError:
                pass

    async def _look(self) -> None:
        """Looks at the log once, for all who have asked so far."""
        asked, self._round = self._round, asyncio.get_running_loop().create_future()
        self._read.clear()
        try:
            await self._catch_up()
        except Down:
            pass
        finally:
            if asked is not None:
                asked.set_result(None)

    async def _catch_up(self) -> None:
        """Takes in all that is in the log beyond `position`. Raises Down."""
        while True:
            after = f"({written(self.position)}"
            (entries,) = await self.link.run(("XRANGE", EVENTS, after, "+", "COUNT", READ))
            taken = 0
            for name, fields in entries:
                taken += self._entry(position(name.decode()), fields)
                if taken >= SLICE:
                    taken = 0
                    await asyncio.sleep(0)  # requests go first
            if len(entries) < READ:
                self.current = True
                return

    def _entry(self, position: Position, fields: Mapping[bytes, bytes]) -> int:
        """Takes in one entry; how many events it had."""
        writer = fields.get(b"w", b"").decode(errors="replace")
        self.position = position
        try:
            events = opened(fields.get(b"d", b""))
        except msgspec.DecodeError as error:
            LOG.error("store: the entry %d-%d of the log is none of this version's: %s", *position, error)
            return 1
        last = self._seen.pop(writer, 0)
        for number, event in events:
            if number > last:
                last = number
                self._told(position, writer == self._me, number, event)
        self._seen[writer] = last
        while len(self._seen) > WRITERS:
            self._seen.popitem(last=False)
        self.outbox.passed(position)
        return len(events)

    def _told(self, position: Position, own: bool, number: int, event: Event) -> None:
        if own:
            self.outbox.came(number)
        try:
            self._take(position, own, number, event)
        except Exception:  # one event that cannot be taken must not end the reading of all others
            LOG.exception("store: an event at %d-%d of the log could not be taken in", *position)

    async def _writing(self) -> None:
        while True:
            await self._write.wait()
            self._write.clear()
            try:
                while self.link.up and await self._send():
                    pass
            except Down:
                continue  # `_reading` mends the link, and wakes us

    async def _send(self) -> bool:
        """Whether there was anything to send. Raises Down, and then it is sent again later."""
        batch = self.outbox.batch(BATCH, BATCH_BYTES)
        if batch is None:
            return False
        data, count, last = batch
        self._per_entry += 0.1 * (count - self._per_entry)
        most = round(MOST_EVENTS / max(1.0, self._per_entry))
        add = ("XADD", EVENTS, "MAXLEN", "~", most, "*", "w", self._me, "d", data)
        name, _ = await self.link.run(add, ("PEXPIRE", EVENTS, round((self._ttl + 3_600.0) * 1e3)))
        at = position(name.decode())
        if at <= self.position:  # the store has lost what it had, and begins anew by an older clock
            self.position = (at[0] - 1, 0)
        self.outbox.sent(last, at)
        if self._hasty:
            self._hasty = False
            self._read.set()
        return True


async def ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels them until they have ended: a timeout that expires at that moment takes a cancellation for its own."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        left = (await asyncio.wait(left, timeout=0.1))[1]
