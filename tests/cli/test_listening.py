"""Heads of requests are bounded in size and in time, on real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import closing
from typing import Any

import pytest
import uvloop

from router.cli import listening
from tests.proxy.yard import served

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
SHORT = 0.25
"""Seconds that a head may take in the tests of time."""


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of the command."""
    return {"uvloop": uvloop.new_event_loop}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the number of headers and the length of the body; `/slow` after a while."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    size, more = 0, scope["path"] != "/unread"
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(3 * SHORT)
    body = b"%d %d" % (len(scope["headers"]), size)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens a connection to a server that is as the command's."""
    writers: list[asyncio.StreamWriter] = []
    async with served(echo) as port:

        async def opened() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            return reader, writer

        yield opened
        for writer in writers:
            writer.close()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes, which it must do soon."""
    got = b""
    try:
        async with asyncio.timeout(5):
            while piece := await reader.read(65_536):
                got += piece
    except ConnectionError:
        pass
    return got


def refusal(got: bytes) -> tuple[int, str]:
    """Status and code of one whole answer in OpenAI's shape."""
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"connection: close" in head and b"content-type: application/json" in head
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return int(head.split()[1]), error["code"]


def head_of(size: int, path: str = "/") -> bytes:
    """A request without a body whose line and headers count `size` bytes."""
    start = f"GET {path} HTTP/1.1\r\nhost: a\r\nx: "
    return start.encode() + b"y" * (size - len(path) - len("host: a\r\n") - len("x: \r\n")) + b"\r\n\r\n"


async def test_a_head_within_the_limit(connect: Connect) -> None:
    """Up to 16 KB, however it is cut, with a large body behind it."""
    reader, writer = await connect()
    request = head_of(16_000)
    writer.write(request)
    assert b"\r\n\r\n2 0" in await reader.readuntil(b"2 0")
    for i in range(0, len(request), 1000):
        writer.write(request[i : i + 1000])
        await writer.drain()
        await asyncio.sleep(0)
    await reader.readuntil(b"\r\n\r\n2 0")
    writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n" + bytes(1_000_000))
    await reader.readuntil(b"\r\n\r\n2 1000000")


@pytest.mark.parametrize("end", [True, False], ids=["whole", "endless"])
@pytest.mark.parametrize("how", ["line", "value", "count"])
async def test_a_head_over_the_limit(connect: Connect, how: str, end: bool) -> None:
    """A 431 in OpenAI's shape and the end of the connection, also where it never ends."""
    reader, writer = await connect()
    much = {
        "line": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nhost: a\r\n",
        "value": b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 20_000 + b"\r\n",
        "count": b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 4_000,
    }[how]
    writer.write(much + (b"\r\n" if end else b"x: "))
    assert refusal(await rest(reader)) == (431, "headers_too_large")


async def test_other_connections_are_served_on(connect: Connect) -> None:
    """What one connection was refused for bears on no other, nor on its own next request before."""
    reader, writer = await connect()
    writer.write(head_of(100))
    await reader.readuntil(b"\r\n\r\n2 0")
    writer.write(head_of(20_000))
    assert refusal(await rest(reader)) == (431, "headers_too_large")
    reader, writer = await connect()
    writer.write(head_of(100))
    await reader.readuntil(b"\r\n\r\n2 0")


@pytest.mark.parametrize("dripped", [b"", b"\r\n", b"GET / HTTP/1.1\r\nhost: a\r\n"])
async def test_slow_heads_are_given_up(connect: Connect, monkeypatch: pytest.MonkeyPatch, dripped: bytes) -> None:
    """Nothing at all, or a byte now and then: the time is of the whole head. What has begun is told so."""
    monkeypatch.setattr(listening, "HEAD_S", SHORT)
    reader, writer = await connect()
    writer.write(dripped)
    waiting = asyncio.create_task(rest(reader))
    while not waiting.done():
        writer.write(b"\r\n" if dripped == b"\r\n" else b"x: y\r\n" if dripped else b"")
        await asyncio.sleep(SHORT / 5)
    got = await waiting
    assert refusal(got) == (408, "headers_too_slow") if dripped.startswith(b"GET") else got == b""


async def test_a_second_head_is_timed_from_its_first_byte(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between requests a connection may rest; once a head has begun it has its time."""
    monkeypatch.setattr(listening, "HEAD_S", SHORT)
    reader, writer = await connect()
    writer.write(head_of(100))
    await reader.readuntil(b"\r\n\r\n2 0")
    await asyncio.sleep(2 * SHORT)
    writer.write(head_of(100))
    await reader.readuntil(b"\r\n\r\n2 0")
    writer.write(head_of(100)[:50])
    assert refusal(await rest(reader)) == (408, "headers_too_slow")


async def test_a_long_answer_is_not_cut_by_a_head_behind_it(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow second half of a pipelined head waits for its turn to be refused."""
    monkeypatch.setattr(listening, "HEAD_S", SHORT)
    reader, writer = await connect()
    writer.write(head_of(100, "/slow") + head_of(100)[:50])
    got = await rest(reader)
    first, mark, second = got.partition(b"2 0")
    assert first.startswith(b"HTTP/1.1 200") and mark and refusal(second) == (408, "headers_too_slow")


async def test_noise_behind_a_request_ends_the_connection(connect: Connect) -> None:
    """No refusal is mixed into the answer that is under way."""
    reader, writer = await connect()
    writer.write(head_of(100, "/slow"))
    await asyncio.sleep(SHORT / 5)
    writer.write(b"\x00\x01\r\n\r\n")
    assert await rest(reader) == b""


async def test_a_body_nobody_reads_does_not_hold_the_connection(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the answer is out, what is left of the request has as long as a head has."""
    monkeypatch.setattr(listening, "HEAD_S", SHORT)
    reader, writer = await connect()
    writer.write(b"POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n2 0")
    waiting = asyncio.create_task(rest(reader))
    while not waiting.done():
        writer.write(b"x")
        await asyncio.sleep(SHORT / 5)
    assert await waiting == b""


async def test_trailers_are_not_kept(connect: Connect) -> None:
    """They come after the headers were looked at, and nothing bounds them."""
    reader, writer = await connect()
    writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
    writer.write(b"authorization: Bearer x\r\n" * 50 + b"\r\n")
    await reader.readuntil(b"\r\n\r\n2 1")
    writer.write(head_of(100))
    await reader.readuntil(b"\r\n\r\n2 0")


ODD = [
    b"hello\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\r\nhost: a\r\nx\x00y: z\r\n\r\n",
    b"GET / HTTP/9.9\r\nhost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked, identity\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z: folded\r\n\x01\r\n\r\n",
]


@pytest.mark.parametrize("request_", ODD)
async def test_what_is_no_http_is_refused_in_shape(
    connect: Connect, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A 400, also for two ways to say where the body ends; and not a word in the log, which anybody could fill."""
    reader, writer = await connect()
    writer.write(request_)
    with closing(writer):
        assert refusal(await rest(reader)) == (400, "invalid_http")
    assert not caplog.records
