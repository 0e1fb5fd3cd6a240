"""A store that fails over to its replica: requests go on, and what was to be written is with the new master."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.store.test_link import on_a_port
from tests.store.test_shared import Pair, load, reaches
from tests.test_keeper import judge

DOWN_MS = 500
"""After which the Sentinel takes a master for dead."""


@asynccontextmanager
async def sentinel(folder: Path, program: str, port: int, master: int) -> AsyncIterator[None]:
    """One that alone decides."""
    config = folder / "sentinel.conf"
    config.write_text(
        f"port {port}\ndir {folder}\nsentinel monitor mine 127.0.0.1 {master} 1\n"
        f"sentinel down-after-milliseconds mine {DOWN_MS}\nsentinel failover-timeout mine 5000\n"
    )
    process = await asyncio.create_subprocess_exec(
        program, str(config), "--sentinel", stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def told(port: int, *words: str) -> str:
    """A server's answer to a command, as text; nothing where none listens yet."""
    async with Redis(port=port) as client:
        try:
            return str(await client.execute_command(*words))
        except RedisError:
            return ""


async def until(port: int, *words: str, says: str) -> None:
    async with asyncio.timeout(30):
        while says not in await told(port, *words):  # noqa: ASYNC110 (another process is asked)
            await asyncio.sleep(0.05)


async def test_no_request_fails_while_the_store_fails_over(short: Path) -> None:
    """The master is killed and its replica takes its place: every request is answered, a verdict of that time
    is taken, and five seconds after there is a new master all of it is there, for the other proxy too."""
    async with AsyncExitStack() as stack:
        old = stack.enter_context(on_a_port(short / "m", **{"repl-diskless-sync-delay": 0}))
        new = stack.enter_context(on_a_port(short / "r", replicaof=f"127.0.0.1 {old.port}"))
        spare = stack.enter_context(on_a_port(short / "s"))
        port = spare.port
        spare.terminate()
        await until(new.port, "INFO", "replication", says="'master_link_status': 'up'")
        await stack.enter_async_context(sentinel(short, str(old._binary_path), port, old.port))
        await until(port, "SENTINEL", "replicas", "mine", says=f"{new.port}")
        pair = Pair(short, stack, f"redis+sentinel://127.0.0.1:{port}/mine")
        first, second = await pair(), await pair()
        await load(first)
        old.terminate()
        await load(first)
        name = (await first.chat({"x-turnout-run-id": "dark"})).headers["x-turnout-decision-id"]
        await first.settled()
        assert await judge(first, True, decision_id=name) == 200
        await reaches(first, "turnout_store_degraded", 1.0)
        await until(port, "SENTINEL", "get-master-addr-by-name", "mine", says=f"{new.port}")
        async with asyncio.timeout(5):
            for proxy in (first, second):
                await reaches(proxy, "turnout_store_degraded", 0.0)
                await reaches(proxy, "turnout_store_waiting", 0.0)
        await asyncio.sleep(0.5)
        assert await judge(second, False, decision_id=name) == 409
