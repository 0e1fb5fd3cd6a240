"""A store that answers late costs a request little, whether it is late by less than is waited for or by more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

import pytest

from tests.store.test_shared import Pair, load, reaches
from tests.store.valkey import valkey
from tests.test_keeper import judge


class Late:
    """Stands before a store and hands its answers on after `seconds`."""

    def __init__(self, folder: Path, behind: str) -> None:
        self.seconds = 0.0
        self.path = folder / "late.sock"
        self._behind = behind.removeprefix("unix://")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._behind)
        asking = asyncio.create_task(self._pass(reader, back, late=False))
        try:
            await self._pass(there, writer, late=True)
        finally:
            asking.cancel()
            for each in (back, writer):
                each.close()

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, late: bool) -> None:
        while data := await source.read(65_536):
            if late and self.seconds:
                await asyncio.sleep(self.seconds)
            target.write(data)


@asynccontextmanager
async def standing_before(folder: Path, url: str) -> AsyncIterator[Late]:
    late = Late(folder, url)
    server = await asyncio.start_unix_server(late.serve, late.path)
    try:
        yield late
    finally:
        server.close()


@pytest.mark.parametrize("seconds", [0.03, 0.3], ids=["late", "too late"])
async def test_a_slow_store_adds_no_more_than_it_may(short: Path, seconds: float) -> None:
    """Every request is answered, half of them within 60 ms more than before; a verdict is taken, and five seconds after
    the store is quick again all that was written down meanwhile is in it."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(valkey(short / "v"))
        late = await stack.enter_async_context(standing_before(short, server.url))
        pair = Pair(short, stack, f"unix://{late.path}")
        first, second = await pair(), await pair()
        before = await load(first)
        late.seconds = seconds
        during = await load(first)
        assert max(during) < max(0.5, 5 * max(before))
        assert median(during) < median(before) + 0.06
        name = (await first.chat({"x-turnout-run-id": "slow"})).headers["x-turnout-decision-id"]
        await first.settled()
        assert await judge(first, True, decision_id=name) == 200
        late.seconds = 0.0
        async with asyncio.timeout(5):
            for proxy in (first, second):
                await reaches(proxy, "turnout_store_degraded", 0.0)
                await reaches(proxy, "turnout_store_waiting", 0.0)
        await asyncio.sleep(0.5)
        assert await judge(second, False, decision_id=name) == 409
