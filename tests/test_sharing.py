"""All that share a store serve from the same beliefs, whoever learned, and whoever of them ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from router import sharing as sharings
from router.beliefs import Beliefs
from router.beliefs.snapshot import Snapshot, encode
from router.learner import Learner
from router.outcome import Evidence, Trial
from router.reports import heard
from router.sharing import Sharing
from router.store import board as boards
from router.store.board import Board
from router.store.event import taken
from router.store.link import Link
from router.store.outbox import Position, position, written
from router.verdicts import Change
from tests.beliefs.test_snapshot import TAUGHT
from tests.decided import decided
from tests.journal.made import outcome
from tests.plan.small import THREE, catalog
from tests.proxy.yard import Proxy, Yard
from tests.store.test_shared import gauge, reaches
from tests.store.valkey import Valkey
from tests.test_keeper import judge, p_cheap, version

CATALOG = catalog()


@asynccontextmanager
async def proxy(folder: Path, url: str) -> AsyncIterator[Proxy]:
    """One of several, that can end before the others."""
    folder.mkdir()  # noqa: ASYNC240 (a test)
    async with AsyncExitStack() as stack:
        yield await Yard(folder, stack)({"cheap": "good", "dear": "good"}, store=url, learn="on")


async def steps(proxy: Proxy, number: int, at: Proxy | None = None) -> None:
    """Steps on the cheap model that a caller calls failures, at the same proxy or at another."""
    for _ in range(number):
        name = (await proxy.chat(model="cheap")).headers["x-turnout-decision-id"]
        await proxy.settled()
        # At another, it is known once the log has been read there, which a busy store may keep waiting for.
        async with asyncio.timeout(25):
            while (status := await judge(at or proxy, False, decision_id=name)) == 404:  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(0.2)
        assert status == 200


async def agreed(*proxies: Proxy, beyond: int, seconds: float = 25.0) -> int:
    """The version that all serve from, once it is the same and above `beyond`, and stays."""
    async with asyncio.timeout(seconds):
        while True:
            found = {await version(each) for each in proxies}
            await asyncio.sleep(1.2)
            if found == {await version(each) for each in proxies} and len(found) == 1 and max(found) > beyond:
                return found.pop()


async def test_all_learn_the_same_and_another_takes_over(short: Path, server: Valkey) -> None:
    """What callers of both say is folded by one of them and served by both; when that one ends, the other goes on where
    it was; one that knew it all by itself would believe the same."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(proxy(short / "a", server.url))
        second = await stack.enter_async_context(proxy(short / "b", server.url))
        await steps(first, 4, at=second)
        await steps(second, 2)
        common = await agreed(first, second, beyond=0)
        assert await p_cheap(first) == await p_cheap(second) < 0.58
        assert sorted([await gauge(each, "turnout_beliefs_holder") for each in (first, second)]) == [0.0, 1.0]
        alone = await stack.enter_async_context(proxy(short / "c", "memory://"))
        await steps(alone, 6)
        assert await p_cheap(alone) == pytest.approx(await p_cheap(first), abs=0.01)
        third = await stack.enter_async_context(proxy(short / "d", server.url))
        assert (await version(third), await p_cheap(third)) == (common, await p_cheap(first))
        await steps(third, 1)
        assert await agreed(first, second, third, beyond=common) > common


async def test_the_holder_ends(short: Path, server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a crash: it gives nothing up. Its lease runs out, and the other folds what nobody had folded, once."""

    async def crashes(self: Sharing) -> None:
        self._ended = True

    monkeypatch.setattr(boards, "LEASE_MS", 900)
    async with AsyncExitStack() as stack:
        async with proxy(short / "a", server.url) as first:
            async with asyncio.timeout(20):
                while not await gauge(first, "turnout_beliefs_holder"):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            second = await stack.enter_async_context(proxy(short / "b", server.url))
            await steps(first, 3, at=second)
            common = await agreed(first, second, beyond=0)
            monkeypatch.setattr(Sharing, "end", crashes)
            await steps(second, 3)
        assert await agreed(second, beyond=common) > common
        await reaches(second, "turnout_beliefs_holder", 1.0)
        await steps(second, 1)
        assert await agreed(second, beyond=await version(second) - 1) > common
        alone = await stack.enter_async_context(proxy(short / "c", "memory://"))
        await steps(alone, 7)
        await agreed(second, beyond=await version(alone) - 1)
        assert await version(second) == await version(alone)
        assert await p_cheap(alone) == pytest.approx(await p_cheap(second), abs=0.01)


class One:
    """A Sharing by itself, driven round by round."""

    def __init__(self, server: Valkey, start: Beliefs | None = None, at: Position = (0, 0)) -> None:
        self.link = Link(server.url + "?socket_timeout=1", lambda: None, lambda _: None)
        self.board = Board(self.link)
        self.served: list[Beliefs] = []
        self.dropped = 0
        self.catalog = CATALOG
        self.sharing = Sharing(
            self.board,
            self.served.append,
            self.served.append,
            lambda: self.catalog,
            lambda current, believe: Learner(current, believe, lambda: None, lambda: None, all_of_it=True),
            self._drop,
            start=start or Beliefs.prior(CATALOG),
            position=at,
            success=True,
        )

    def _drop(self) -> None:
        self.dropped += 1

    def teach(self, number: int, times: int = 1) -> None:
        for _ in range(times):
            self.sharing.lesson((number, 0), None, (change(),))

    async def round(self) -> int:
        """The version that is served after one more."""
        await self.sharing._round(True)
        return self.served[-1].version if self.served else 0


def change() -> Change:
    found = Change((decided(),))
    said = Evidence("task", (Trial("n/off", 0.0),))
    found.__dict__.update(said=said, earlier=None)
    return found


async def test_lessons_are_kept_until_they_are_published(server: Valkey) -> None:
    """Whoever takes over goes on at the published position: nothing is folded twice, nothing is left out."""
    first, second = One(server, TAUGHT), One(server, TAUGHT)
    start = TAUGHT.version
    assert await first.round() == start and await second.round() == start
    for one in (first, second):
        one.teach(1, times=2)
        one.teach(2)
    assert await first.round() == start + 3
    assert first.sharing.position == (2, 0) and not first.sharing._waiting
    for one in (first, second):
        one.teach(3)
    await first.sharing.end()
    await second.sharing._follow()
    assert second.served[-1].version == start + 3 and len(second.sharing._waiting) == 1
    assert await second.round() == start + 4 and second.sharing.holds
    assert await first.round() == start + 4 and not first.sharing.holds
    first.teach(2)
    assert not first.sharing._waiting
    for one in (first, second):
        await one.link.close()


async def test_a_round_folds_so_much_and_no_more(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry by entry, so that what is published has a position; too many waiting are told of."""
    monkeypatch.setattr(sharings, "FOLD_S", 0.0)
    monkeypatch.setattr(sharings, "CAPACITY", 3)
    one = One(server, TAUGHT)
    one.teach(1)
    one.teach(2, times=2)
    assert await one.round() == TAUGHT.version + 1
    assert await one.round() == TAUGHT.version + 3 and one.sharing.position == (2, 0)
    for number in range(3, 8):
        one.teach(number)
    assert one.dropped == 2
    await one.link.close()


async def test_reports_are_learned_and_nothing_is_no_lesson(server: Valkey) -> None:
    """What attempts report of tokens and times counts as well; an event that teaches nothing does not wait."""
    one = One(server, TAUGHT)
    assert heard(outcome()) is not None
    one.sharing.lesson((1, 0), taken(outcome(), reports=True), ())
    one.sharing.lesson((2, 0), taken(outcome(decision=None)), ())
    assert len(one.sharing._waiting) == 1 and await one.round() > TAUGHT.version
    await one.link.close()


async def test_a_fresh_one_leaves_the_lease_to_those_who_know(server: Valkey) -> None:
    """Where nothing is published, as after the store has lost all, one that knows nothing waits a moment."""
    fresh, old = One(server), One(server, TAUGHT)
    assert await fresh.round() == 0 and not fresh.sharing.holds
    assert await old.round() == TAUGHT.version and old.sharing.holds
    assert await fresh.round() == TAUGHT.version
    for one in (fresh, old):
        await one.link.close()


async def test_one_that_never_learns_says_nothing(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the catalog says everybody knows."""
    monkeypatch.setattr(sharings, "FRESH_S", 0.0)
    one = One(server)
    assert await one.round() == 0 and one.sharing.holds and await one.board.head() is None
    await one.link.close()


async def test_what_cannot_be_read(server: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    """Beliefs of another version of Turnout are told of once and not served; the own ones go on."""
    one = One(server, TAUGHT)
    epoch = await one.board.hold()
    assert await one.board.publish(epoch, "odd", b"turnout-beliefs 9\n")
    await one.sharing.begin()
    await one.sharing.begin()
    assert caplog.text.count("cannot be read") == 1 and not one.served
    assert await one.board.publish(epoch, "good", encode(Snapshot(TAUGHT, 1.0, "7-1")))
    await one.sharing.begin()
    assert one.served[-1].version == TAUGHT.version and one.sharing.position == (7, 1)
    await one.link.close()


async def test_a_new_catalog_is_folded_upon(server: Valkey) -> None:
    """The holder goes on with what it has learned, on the arms that there are now."""
    one = One(server, TAUGHT)
    await one.round()
    one.catalog = catalog({name: model for name, model in THREE.items() if name != "q397"})
    one.teach(1)
    assert await one.round() == TAUGHT.version + 1
    assert one.served[-1].success.arms == ("n/off", "q122/off")
    await one.link.close()


async def test_without_the_store(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is the holder, nothing is learned, and it begins again when the store is back."""
    monkeypatch.setattr(sharings, "ROUND_S", 0.01)
    one = One(server, TAUGHT)
    await one.round()
    assert one.sharing.holds
    server.kill()
    task = asyncio.create_task(one.sharing.work(lambda: True))
    async with asyncio.timeout(25):
        while one.sharing.holds:  # noqa: ASYNC110 (another task notices)
            await asyncio.sleep(0.01)
    await one.sharing.begin()
    one.teach(1)
    server.start()
    assert await one.link.mend()
    async with asyncio.timeout(25):
        while one.served[-1].version == TAUGHT.version:  # noqa: ASYNC110 (another task serves)
            await asyncio.sleep(0.01)
    assert one.sharing.holds
    server.kill()
    await one.sharing.end()
    await asyncio.wait_for(task, 5)
    await one.link.close()


def test_positions() -> None:
    """Are written as the store writes them; what is none is the beginning."""
    assert position(written((5, 2))) == (5, 2)
    assert position("") == position("x-y") == (0, 0)
