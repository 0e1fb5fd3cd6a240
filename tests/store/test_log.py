"""Every process takes in every event once, in one order, whatever was sent twice or is none of ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from router.store import log as logs
from router.store.event import Event, Told
from router.store.link import Link
from router.store.log import EVENTS, Log
from router.store.outbox import Outbox
from router.verdicts import Said
from tests.store.valkey import Valkey


def verdict(name: str) -> Told:
    return Told("k", Said("run", name, 1.0, "caller", 0.0))


class Reader:
    """A log, and the names of what it took in."""

    def __init__(self, server: Valkey) -> None:
        self.link = Link(server.url + "?socket_timeout=1", lambda: None, lambda _: None)
        self.took: list[str] = []
        self.own: list[bool] = []
        self.log = Log(self.link, self._take, ttl=100.0, lost=lambda _: None)

    def _take(self, position: Any, own: bool, number: int, event: Event) -> None:
        assert isinstance(event, Told)
        if event.said.name == "bad":
            raise ZeroDivisionError
        self.took.append(event.said.name)
        self.own.append(own)

    async def has(self, *names: str) -> None:
        async with asyncio.timeout(25):
            while self.took != list(names):  # noqa: ASYNC110 (a list of another task)
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        await self.log.close()
        await self.link.close()


async def test_all_read_the_same(server: Valkey) -> None:
    """Each knows which are its own; one that comes later reads all there is."""
    first, second = Reader(server), Reader(server)
    for reader in (first, second):
        reader.log.start()
    first.log.put(verdict("a"))
    await first.has("a")
    second.log.put(verdict("b"))
    for reader in (first, second):
        await reader.has("a", "b")
    assert (first.own, second.own) == ([True, False], [False, True])
    third = Reader(server)
    third.log.start()
    await third.has("a", "b")
    await third.log.caught_up()
    assert third.log.current and third.log.position == first.log.position
    for reader in (first, second, third):
        await reader.end()


async def test_what_is_sent_twice_counts_once(server: Valkey) -> None:
    """An answer was lost, so the same events were sent again, with more."""
    reader, box = Reader(server), Outbox(lambda _: None)
    box.put(verdict("a"))
    box.put(verdict("b"))
    for sent in (box.batch(1, 10**6), box.batch(9, 10**6)):
        assert sent is not None
        await reader.link.run(("XADD", EVENTS, "*", "w", "somebody", "d", sent[0]))
    reader.log.start()
    await reader.has("a", "b")
    await reader.end()


async def test_what_is_none_of_ours(server: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    """An entry of another version or without its fields, an event that nobody can take: told of, passed over."""
    reader = Reader(server)
    await reader.link.run(
        ("XADD", EVENTS, "*", "w", "x", "d", b"\xc1"), ("XADD", EVENTS, "*", "other", "1"), ("SET", "k", "v")
    )
    reader.log.put(verdict("bad"))
    reader.log.put(verdict("good"))
    reader.log.start()
    await reader.has("good")
    assert caplog.text.count("is none of this version's") == 2 and "could not be taken in" in caplog.text
    await reader.end()


async def test_long_logs_are_read_in_turns(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """More entries than are read at once, more events than are taken in at once, from more writers than are kept."""
    monkeypatch.setattr(logs, "READ", 3)
    monkeypatch.setattr(logs, "SLICE", 2)
    monkeypatch.setattr(logs, "WRITERS", 2)
    reader = Reader(server)
    for number in range(8):
        box = Outbox(lambda _: None)
        box.put(verdict(str(number)))
        sent = box.batch(9, 10**6)
        assert sent is not None
        await reader.link.run(("XADD", EVENTS, "*", "w", f"w{number}", "d", sent[0]))
    reader.log.start()
    await reader.has(*map(str, range(8)))
    assert len(reader.log._seen) == 2
    await reader.end()


async def test_a_store_that_has_lost_everything(server: Valkey) -> None:
    """And whose clock is behind: reading goes on with what is new there."""
    reader = Reader(server)
    reader.log.start()
    reader.log.put(verdict("a"))
    await reader.has("a")
    reader.log.position = (reader.log.position[0] + 3_600_000, 0)  # as if its clock had been an hour ahead
    reader.log.put(verdict("b"))
    await reader.has("a", "b")
    await reader.end()


async def test_the_log_is_bounded(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """In events, about, however many go into an entry."""
    monkeypatch.setattr(logs, "MOST_EVENTS", 200)
    reader = Reader(server)
    reader.log.start()
    for number in range(1_500):
        reader.log.put(verdict(str(number)))
        if number % 3 == 0:
            await asyncio.sleep(0)
    async with asyncio.timeout(25):
        while len(reader.took) < 1_500:  # noqa: ASYNC110 (a list of another task)
            await asyncio.sleep(0.02)
    (length,) = await reader.link.run(("XLEN", EVENTS))
    assert 0 < length <= 301  # trimmed by whole nodes of a hundred entries
    await reader.end()
