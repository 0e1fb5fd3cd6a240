"""The simulated servers' own ASGI."""

from __future__ import annotations

import asyncio

from router.simulate import tasks
from tests.simulate.asking import ask, ledger
from tests.simulate.conftest import NEMOTRON, Models


async def test_a_caller_who_leaves_is_noticed(models: Models) -> None:
    """A request that is given up is marked in the ledger, streamed or not."""
    async with models(speed=1.0) as clients:
        for stream, lane in ((False, "whole"), (True, "stream")):
            call = asyncio.ensure_future(
                ask(clients[NEMOTRON], NEMOTRON, tasks.make("code", 1, 7), user=lane, stream=stream)
            )
            for _ in range(200):
                if lane in await ledger(clients[NEMOTRON]):
                    break
                await asyncio.sleep(0.01)
            if stream:
                await (await call).close()
            call.cancel()
        for _ in range(100):
            lanes = await ledger(clients[NEMOTRON])
            faults = {lane: lanes[lane]["code-0001"][0]["fault"] for lane in lanes}
            if faults == {"whole": "left", "stream": "left"}:
                return
            await asyncio.sleep(0.02)
    raise AssertionError(faults)
