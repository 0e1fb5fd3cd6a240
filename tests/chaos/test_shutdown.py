"""A server that is told to end: it says so first, then lets what is under way come to its end."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from router.app import create_app
from router.cli import fleet, serving
from router.cli.sockets import bind
from router.outcome import Outcome
from router.settings import Settings
from tests.answers import STREAM
from tests.chaos.process import Served, process
from tests.clients.running import PATIENCE_S
from tests.faulty import Faulty
from tests.proxy.yard import CHAT, HELLO, write_files


@pytest.fixture
async def upstream() -> AsyncIterator[Faulty]:
    async with Faulty() as server:
        yield server


async def status(session: aiohttp.ClientSession, served: Served, path: str) -> int:
    async with session.get(served.url + path) as got:
        return got.status


async def leaves(session: aiohttp.ClientSession, served: Served, seconds: float) -> None:
    """Returns once it says that it is about to end."""
    async with asyncio.timeout(seconds):
        while await status(session, served, "/readyz") == 200:  # noqa: ASYNC110 (it is told by asking)
            await asyncio.sleep(0.01)


async def test_readiness_goes_first(upstream: Faulty, tmp_path: Path) -> None:
    """After SIGTERM `/readyz` says 503 while steps are still taken, for as long as the setting says; then it ends."""
    async with process(tmp_path, upstream.url, {"cheap": "good"}, TURNOUT_SHUTDOWN_DELAY="4") as served:
        async with aiohttp.ClientSession() as session:
            assert await status(session, served, "/readyz") == 200
            served.signal(signal.SIGTERM)
            await leaves(session, served, 3.9)
            async with session.post(served.url + CHAT, json=HELLO) as got:
                assert got.status == 200
            assert await status(session, served, "/healthz") == 200
        assert await served.ended() in (0, -signal.SIGTERM, 128 + signal.SIGTERM)


async def test_a_second_signal_does_not_wait(upstream: Faulty, tmp_path: Path) -> None:
    """Whoever sends it means it."""
    async with process(tmp_path, upstream.url, {"cheap": "good"}, TURNOUT_SHUTDOWN_DELAY="60") as served:
        served.signal(signal.SIGTERM)
        async with aiohttp.ClientSession() as session:
            await leaves(session, served, PATIENCE_S)  # two signals that nobody has taken yet are one
        served.signal(signal.SIGTERM)
        assert await served.ended() in (0, -signal.SIGTERM, 128 + signal.SIGTERM)


async def test_streams_under_way_come_to_their_end(upstream: Faulty, tmp_path: Path) -> None:
    """Fifty of them, paused in the middle while the server is told to end: each is whole, none is cut."""
    async with process(tmp_path, upstream.url, {"cheap": "paused"}) as served:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def one() -> bytes:
                async with session.post(served.url + CHAT, json=HELLO | {"stream": True}) as got:
                    return await got.read()

            asked = [asyncio.create_task(one()) for _ in range(50)]
            await upstream.until(lambda: upstream.requests == 50, 10.0)
            served.signal(signal.SIGTERM)
            bodies = await asyncio.gather(*asked)
        assert {body for body in bodies} == {b"".join(e for e in STREAM if b'"usage": {' not in e)}
        assert await served.ended() in (0, -signal.SIGTERM, 128 + signal.SIGTERM)
        records = [
            json.loads(line) for path in served.journal.rglob("*.jsonl") for line in path.read_text().splitlines()
        ]
        assert len([r for r in records if r.get("status") == 200]) == 50, records[:2]


async def test_a_stream_without_end_does_not_keep_a_server(
    upstream: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the time to drain is over, 30 seconds and here half of one, whoever still reads is told, the outcome is
    recorded, and the server ends."""
    assert serving.DRAIN_S == fleet.DRAIN_S == 30
    monkeypatch.setattr(serving, "DRAIN_S", 0.5)
    write_files(tmp_path, upstream.url, {"cheap": "silent-mid"}, {"default": {}}, {})
    outcomes: list[Outcome] = []
    app = create_app(Settings(policies=tmp_path, learn="off", journal="off"), observers={"test": outcomes.append})
    server, sock = serving.Server(app, 0.0), bind("127.0.0.1", 0)
    running = asyncio.create_task(server.serve(sockets=[sock]))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while not server.started:  # noqa: ASYNC110 (a flag of uvicorn's)
            await asyncio.sleep(0.01)
        async with session.post(url + CHAT, json=HELLO | {"stream": True}) as got:
            server.should_exit = True
            body = await got.read()
        await running
    assert body.startswith(b"".join(STREAM[:2])) and b'"code":"server_stopping"' in body and b"[DONE]" not in body
    assert [(o.result, [a.fault for a in o.attempts]) for o in outcomes] == [("disconnected", ["cancelled"])]
