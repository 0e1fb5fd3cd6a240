"""What was learned outlives the process: by a snapshot at its end, and by the journal where it had no time for one."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from router import keeper as keepers
from router.archive import Archive
from router.beliefs.snapshot import Snapshot, decode, encode
from router.keeper import Keeper, recover, restored
from router.learner import Learner
from router.store.memory import MemoryStore
from tests.beliefs.test_snapshot import CATALOG, TAUGHT
from tests.proxy.yard import Proxy, Yard


class World:
    """A folder in which one proxy after another keeps its state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "policies").mkdir()
        self.stack = AsyncExitStack()

    async def start(self, **settings: Any) -> Proxy:
        yard = Yard(self.folder / "policies", self.stack)
        options: dict[str, Any] = {"state_dir": self.folder / "state", "learn": "on", **settings}
        return await yard({"cheap": "good", "dear": "good"}, **options)

    async def end(self) -> None:
        await self.stack.aclose()

    def snapshots(self) -> list[Path]:
        return Archive(self.folder / "state" / "beliefs").paths()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.end()


async def version(proxy: Proxy) -> int:
    """Of the beliefs that decide now."""
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Hello."}]}).encode()
    got = await proxy.fetch("POST", "/v1/route", body)
    number: int = json.loads(got.body)["beliefs_version"]
    return number


async def p_cheap(proxy: Proxy) -> float:
    body = json.dumps({"model": "cheap", "messages": [{"role": "user", "content": "Hello."}]}).encode()
    p: float = json.loads((await proxy.fetch("POST", "/v1/route", body)).body)["chosen"]["p_success"]
    return p


async def judge(proxy: Proxy, success: bool, **about: str) -> int:
    body = json.dumps({**about, "success": success}).encode()
    return (await proxy.fetch("POST", "/v1/outcomes", body)).status


async def failing(proxy: Proxy, steps: int = 8) -> list[str]:
    """Steps of one run on the cheap model, each judged a failure but the last; their decisions."""
    names = []
    for _ in range(steps):
        got = await proxy.chat({"x-turnout-run-id": "run"}, model="cheap")
        names.append(got.headers["x-turnout-decision-id"])
    for name in names[:-1]:
        assert await judge(proxy, False, decision_id=name) == 200
    return names


async def test_a_restart_forgets_nothing(world: World) -> None:
    """The next process decides by the very same beliefs, and the caller may still judge the steps of the one before."""
    proxy = await world.start()
    fresh = await p_cheap(proxy)
    names = await failing(proxy)
    before, p = await version(proxy), await p_cheap(proxy)
    assert p < fresh - 0.02
    await world.end()
    assert len(world.snapshots()) == 1
    proxy = await world.start()
    assert (await version(proxy), await p_cheap(proxy)) == (before, p)
    assert await judge(proxy, False, decision_id=names[0]) == 200  # told again
    assert await judge(proxy, True, decision_id=names[0]) == 409
    assert await version(proxy) == before
    assert await judge(proxy, False, decision_id=names[-1]) == 200
    assert await version(proxy) > before


async def test_the_journal_holds_what_no_snapshot_does(world: World) -> None:
    """Without its last snapshot, as after a kill, the next process learns the same from the journal, verdicts included;
    with an older one it learns what came after that, once."""
    proxy = await world.start()
    await failing(proxy)
    p = await p_cheap(proxy)
    await world.end()
    older = world.snapshots()[0].read_bytes()
    world.snapshots()[0].unlink()
    proxy = await world.start()
    assert await p_cheap(proxy) == pytest.approx(p, abs=0.01)
    await failing(proxy)
    p = await p_cheap(proxy)
    await world.end()
    for path in world.snapshots():
        path.unlink()
    Archive(world.folder / "state" / "beliefs").save(older)
    assert await p_cheap(await world.start()) == pytest.approx(p, abs=0.01)


async def test_a_damaged_snapshot_is_passed_over(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The log says which; the one before it serves; nothing is fatal."""
    caplog.set_level(logging.INFO, "turnout")
    proxy = await world.start(journal="off")
    await failing(proxy)
    p = await p_cheap(proxy)
    await world.end()
    newest = world.snapshots()[0]
    Archive(newest.parent).save(newest.read_bytes()[:-9])
    proxy = await world.start(journal="off")
    assert await p_cheap(proxy) == p
    assert f"{world.snapshots()[0]} is passed over: its digest does not fit" in caplog.text


async def test_without_a_folder_nothing_is_kept(world: World) -> None:
    """A proxy made in code leaves no trace, and begins with what is published."""
    await failing(await world.start(state_dir=None))
    await world.end()
    assert not (world.folder / "state").exists()


async def test_a_runs_verdict_is_learned_again_once(world: World) -> None:
    """It has one record for each of its steps in the journal, and counts as one verdict after the restart too."""
    proxy = await world.start()
    for _ in range(3):
        await proxy.chat({"x-turnout-run-id": "run"}, model="cheap")
    assert await judge(proxy, False, run_id="run") == 200
    p = await p_cheap(proxy)
    await world.end()
    world.snapshots()[0].unlink()
    proxy = await world.start()
    assert await p_cheap(proxy) == pytest.approx(p, abs=0.01)
    assert await judge(proxy, False, run_id="run") == 200
    assert await p_cheap(proxy) == pytest.approx(p, abs=0.01)
    assert await judge(proxy, True, run_id="run") == 409


class Shelf(Archive):
    """An archive on a disk that may be full."""

    full = False

    def save(self, data: bytes) -> Path:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().save(data)


def learner() -> Learner:
    return Learner(lambda: TAUGHT, lambda _: None, lambda: None, lambda: None, all_of_it=True)


async def test_it_saves_while_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every few seconds where there is anything new, and not where there is nothing."""
    monkeypatch.setattr(keepers, "SAVE_S", 0.01)
    archive = Archive(tmp_path)
    task = asyncio.create_task(Keeper(archive, lambda: (TAUGHT, "5-1"), None, 0).work())
    async with asyncio.timeout(5):
        while not archive.paths():  # noqa: ASYNC110 (it is a folder that is watched)
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    task.cancel()
    [(_, data)] = archive.read()
    found = decode(data)
    assert (found.position, found.beliefs.version) == ("5-1", TAUGHT.version)
    assert time.time() - 30 < found.at <= time.time()


async def test_a_full_disk_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Serving goes on, and it is tried again."""
    archive = Shelf(tmp_path)
    keeper = Keeper(archive, lambda: (TAUGHT, ""), learner(), 0)
    archive.full = True
    await keeper.save()
    await keeper.save()
    assert caplog.text.count("no snapshot can be written: [Errno 28] No space left on device") == 1
    archive.full = False
    await keeper.save()
    await keeper.save()
    assert len(archive.paths()) == 1


def test_nothing_to_restore(tmp_path: Path) -> None:
    """An empty folder has no beliefs, and an empty journal no tail."""
    assert restored(Archive(tmp_path), CATALOG) is None
    assert recover(tmp_path, MemoryStore(), learner(), since=0.0) == 0
    Archive(tmp_path).save(encode(Snapshot(TAUGHT, 3.0)))
    found = restored(Archive(tmp_path), CATALOG)
    assert found is not None and (found.at, found.beliefs.version) == (3.0, TAUGHT.version)
