"""Many streams at once, readers that stop reading, and answers that swell: what they cost in memory and in time."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.answers import DONE, ROLE, STOP, WORDS, chunked
from tests.chaos.process import Served, process
from tests.faulty import ACTS, Exchange, Faulty
from tests.proxy.yard import CHAT, HELLO

STREAMS = 2000
PACE_S, WORDS_EACH = 0.5, 10
SPREAD_S = 2.0
"""Over which streams begin, and so end: 1,000 steps a second are recorded and learned from while the others go on."""
GAP_S = 1.0
UNTRACED = {"COVERAGE_PROCESS_CONFIG": ""}
"""For a server whose speed counts: traced line by line it takes several times as long."""
READERS = 50
MOST_MB = 2.0
"""Of one reader that does not read: a read of the socket, what is made of it, and what waits to be written."""


@pytest.fixture
def files() -> Iterator[int]:
    """As many open files as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Slow:
    """An upstream that waits for all streams to be there, and then sends words on each at an even pace."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.most = 0
        self._all = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        self._left -= 1
        self.most += 1
        if not self._left:
            self._all.set()
        await self._all.wait()
        await asyncio.sleep(random.uniform(0, SPREAD_S))
        head, role, *words = chunked(ROLE, *[WORDS[0]] * WORDS_EACH, end=False)
        exchange.writer.write(head + role)
        for word in words:
            exchange.writer.write(word)
            await asyncio.sleep(PACE_S)
        exchange.writer.write(b"".join(chunked(STOP, DONE)[1:]))


def request(**fields: object) -> bytes:
    body = json.dumps(HELLO | fields).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def ask(served: Served, **fields: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*served.address)
    writer.write(request(**fields))
    return reader, writer


async def read(served: Served, room: asyncio.Semaphore) -> tuple[list[float], bytes]:
    """Seconds between the pieces of one stream, and its end."""
    async with room:
        reader, writer = await ask(served, stream=True)
    gaps, last, end = [], None, b""
    while piece := await reader.read(65_536):
        now = time.monotonic()
        if last is not None:
            gaps.append(now - last)
        last, end = now, (end + piece)[-40:]
    writer.close()
    return gaps, end


async def test_two_thousand_slow_streams_at_once(tmp_path: Path, files: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are under way upstream at once; 99 gaps of 100 between pieces are at most 1 s; all for at most 300 MB."""
    count = min(STREAMS, (files - 500) // 2)
    slow = Slow(count)
    monkeypatch.setitem(ACTS, "slow", slow)
    async with Faulty() as upstream, process(tmp_path, upstream.url, {"cheap": "slow"}, **UNTRACED) as served:
        before, room = served.memory(), asyncio.Semaphore(100)
        reading = [asyncio.create_task(read(served, room)) for _ in range(count)]
        await upstream.until(lambda: upstream.requests == count, 40.0)
        seen = await asyncio.gather(*reading)
        assert slow.most == count
        assert all(b"data: [DONE]" in end for _, end in seen)
        gaps = sorted(gap for each, _ in seen for gap in each)
        assert len(gaps) > count * WORDS_EACH / 2
        assert gaps[int(len(gaps) * 0.99)] <= GAP_S, gaps[-count // 10 :: 50]
        assert served.peak() - before <= 300


async def test_readers_that_stop_reading_cost_bounded_memory(tmp_path: Path) -> None:
    """Fifty on streams without end that never read a byte: each holds its upstream back, and others are served."""
    models = {"cheap": "endless", "dear": "good"}
    async with Faulty() as upstream, process(tmp_path, upstream.url, models) as served:
        before = served.memory()
        with ExitStack() as stack:
            for _ in range(READERS):
                sock = stack.enter_context(socket.create_connection(served.address))
                sock.sendall(request(stream=True, model="cheap"))
            await upstream.until(lambda: upstream.requests == READERS, 10.0)
            grown = [0.0]
            for _ in range(4):
                await asyncio.sleep(0.7)
                grown.append(served.peak() - before)
            reader, writer = await ask(served, model="dear")
            assert b" 200 " in await asyncio.wait_for(reader.readline(), 5)
            writer.close()
        assert grown[-1] <= MOST_MB * READERS and grown[-1] - grown[-2] < 0.2 * MOST_MB * READERS, grown
        await upstream.until(lambda: upstream.open <= 1, 10.0)


@pytest.mark.parametrize(("does", "stream"), [("gzip-bomb", False), ("gzip-event", True)])
@pytest.mark.parametrize("client", ["native", "aiohttp"])
async def test_an_answer_that_swells_costs_little(tmp_path: Path, does: str, stream: bool, client: str) -> None:
    """64 MB in 0.3 MB: given up at the limit, whole or streamed, for at most 100 MB of memory."""
    async with Faulty() as upstream, process(tmp_path, upstream.url, {"cheap": does}, TURNOUT_CLIENT=client) as served:
        before = served.memory()

        async def one() -> bytes:
            reader, writer = await ask(served, stream=stream)
            answer = await asyncio.wait_for(reader.read(), 30)
            writer.close()
            return answer

        for _ in range(2):
            answer = await one()
            assert answer.startswith(b"HTTP/1.1 502 ") and b"upstream_error" in answer
        assert served.peak() - before <= 100
