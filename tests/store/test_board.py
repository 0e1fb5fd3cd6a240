"""One holds the lease, and nobody who has lost it can publish."""

from __future__ import annotations

import asyncio

import pytest

from router.store import board as boards
from router.store.board import Board, Published
from router.store.link import Link
from tests.store.valkey import Valkey


def boards_at(server: Valkey, count: int) -> list[tuple[Board, Link]]:
    links = [Link(server.url + "?socket_timeout=5", lambda: None, lambda _: None) for _ in range(count)]
    return [(Board(link), link) for link in links]


async def test_one_holds_and_publishes(server: Valkey) -> None:
    """The first that asks has it, keeps it by asking again, and everybody reads what it publishes."""
    (first, link), (second, other) = boards_at(server, 2)
    assert await first.head() is None and await first.read() is None
    assert [await first.hold(), await second.hold(), await first.hold()] == [1, 0, 1]
    assert await first.publish(1, "a", b"beliefs") and not await second.publish(1, "b", b"forged")
    assert await second.head() == "a" and await second.read() == Published("a", b"beliefs")
    await second.release()
    assert await second.hold() == 0
    await first.release()
    assert [await second.hold(), await first.hold()] == [2, 0]
    await link.close()
    await other.close()


async def test_a_sleeper_is_refused(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """A holder that slept until another took over publishes nothing, by its old epoch or after the other has gone."""
    monkeypatch.setattr(boards, "LEASE_MS", 50)
    (first, link), (second, other) = boards_at(server, 2)
    assert await first.hold() == 1
    await asyncio.sleep(0.1)
    monkeypatch.setattr(boards, "LEASE_MS", 60_000)
    assert await second.hold() == 2
    assert not await first.publish(1, "old", b"") and await second.publish(2, "new", b"x")
    await second.release()
    assert await first.hold() == 3
    assert not await first.publish(1, "old", b"") and await first.head() == "new"
    assert await first.publish(3, "newer", b"y")
    await link.close()
    await other.close()


async def test_everything_expires(server: Valkey) -> None:
    """No key is there for ever, so that a store that is no longer used empties itself."""
    [(board, link)] = boards_at(server, 1)
    await board.hold()
    await board.publish(1, "a", b"x")
    await link.mend()
    for key in (await link.run(("KEYS", "*")))[0]:
        assert (await link.run(("PTTL", key)))[0] > 0, key
    await link.close()
