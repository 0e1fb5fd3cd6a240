"""One connection of our own client: what of HTTP/1.1 it takes, and when it is not used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from router.errors import UpstreamFault
from router.upstream import NativeUpstream
from router.upstream.base import Call
from tests.upstream.calls import MB, deployed

Says = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"


@asynccontextmanager
async def serving(says: Says) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that reads a request's head and then does as `says` does; gives its address and the connections made."""
    made: list[int] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(len(made))
        number = made[-1]
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await says(reader, writer, number)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", made
    finally:
        server.close()


async def ask(client: NativeUpstream, url: str, body: bytes = b"{}") -> bytes:
    reply = await client.send(Call(deployed(url), body, False, connect_s=2.0, idle_s=2.0))
    got = await reply.read(MB)
    await reply.close()
    return got


@pytest.fixture
async def native() -> AsyncIterator[NativeUpstream]:
    client = NativeUpstream({})
    yield client
    await client.close()


async def test_an_interim_answer_is_passed_over(native: NativeUpstream) -> None:
    """103 and its headers are not the answer."""

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.readexactly(2)
        writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK)

    async with serving(says) as (url, made):
        reply = await native.send(Call(deployed(url), b"{}", False))
        assert (reply.status, "link" in reply.headers) == (200, False)
        assert await reply.read(MB) == b"ok"
        assert await ask(native, url) == b"ok"
        assert len(made) == 1


async def test_a_body_may_end_with_the_connection(native: NativeUpstream) -> None:
    """Without a length and without chunks, the end is the end."""

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.readexactly(2)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        writer.close()

    async with serving(says) as (url, made):
        assert await ask(native, url) == b"all of it"
        assert await ask(native, url) == b"all of it"
        assert len(made) == 2


@pytest.mark.parametrize("more", [OK, b"garbage"])
async def test_an_answer_to_nothing_ends_the_connection(native: NativeUpstream, more: bytes) -> None:
    """What comes behind an answer, in its packet or later, is never taken for the answer to the next call."""

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.readexactly(2)
        writer.write(OK + more if number == 0 else OK)
        if number == 1:
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(more)

    async with serving(says) as (url, made):
        try:
            assert await ask(native, url) == b"ok"
        except UpstreamFault as fault:
            assert fault.kind == "invalid_body"
        assert await ask(native, url) == b"ok"
        await asyncio.sleep(0.15)
        assert await ask(native, url) == b"ok"
        assert len(made) == 3


async def test_an_answer_before_the_request_was_whole_ends_the_connection(native: NativeUpstream) -> None:
    """A refusal in the middle of a large body leaves bytes behind that no next request may follow."""

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(OK)
        await writer.drain()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(0.2)
        writer.close()

    async with serving(says) as (url, made):
        for _ in range(2):
            assert await ask(native, url, b"x" * 20 * MB) == b"ok"
        assert len(made) == 2
