"""An upstream on a raw socket that fails in every way an upstream can; the model's name chooses how.

    async with Faulty() as upstream:
        ... POST {upstream.url}/chat/completions {"model": "truncated"}
        await upstream.until(lambda: upstream.aborts == 1)

Fixed packets are in `answers`; `ACTS` need time or a broken connection.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import select
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.answers import (
    ANSWERS,
    BOMB_BYTES,
    DONE,
    ERROR,
    HTML,
    LARGE_BYTES,
    LISTED,
    ROLE,
    STREAM,
    WORDS,
    chunked,
    completion,
    http,
)

PACKET_GAP_S = 0.02
"""Seconds between packets, so that they are read one by one."""


PAUSE_S = 0.8


class Exchange:
    """One request and the means to answer it."""

    def __init__(self, writer: asyncio.StreamWriter, headers: dict[str, str], body: bytes) -> None:
        self.writer, self.headers, self.body = writer, headers, body

    async def send(self, *packets: bytes) -> None:
        for number, packet in enumerate(packets):
            if number:
                await asyncio.sleep(PACKET_GAP_S)
            if self.writer.is_closing():  # uvloop's transport raises something else at what is written to it then
                raise ConnectionResetError
            self.writer.write(packet)
            await self.writer.drain()

    def listing(self) -> list[bytes]:
        """The answer to a GET of the models, by the path."""
        path = self.headers[":request"].split(" ")[1]
        lists = {"/listed/v1/models": LISTED, "/html/v1/models": HTML, "/huge/v1/models": b" " * 9_000_000}
        return [http(lists[path])] if path in lists else [http(ERROR, "404 Not Found")]

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Breaks the connection with a TCP reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def _hang(_: Exchange) -> None:
    await asyncio.Event().wait()


async def _reset(exchange: Exchange) -> None:
    exchange.reset()


async def _hang_up(exchange: Exchange) -> None:
    exchange.close()


async def _reset_mid(exchange: Exchange) -> None:
    await exchange.send(*chunked(ROLE, WORDS[0], end=False))
    await asyncio.sleep(PACKET_GAP_S)
    exchange.reset()


async def _close_mid(exchange: Exchange) -> None:
    await exchange.send(*chunked(ROLE, WORDS[0], end=False))
    exchange.close()


async def _truncated(exchange: Exchange) -> None:
    await exchange.send(http(completion(), length=len(completion()) + 50))
    exchange.close()


async def _bad_chunk(exchange: Exchange) -> None:
    await exchange.send(*chunked(ROLE, end=False), b"3\r\n" + WORDS[0] + b"\r\n")
    await _hang(exchange)


async def _bad_chunk_mid(exchange: Exchange) -> None:
    await exchange.send(*chunked(ROLE, WORDS[0], end=False), b"3\r\n" + WORDS[0] + b"\r\n")
    await _hang(exchange)


async def _error_mid(exchange: Exchange) -> None:
    await exchange.send(*chunked(ROLE, WORDS[0], b"data: " + ERROR + b"\n\n", DONE))


async def _silent_mid(exchange: Exchange) -> None:
    await exchange.send(*chunked(ROLE, WORDS[0], end=False))
    await _hang(exchange)


async def _silent_body(exchange: Exchange) -> None:
    await exchange.send(http(b"{", length=100))
    await _hang(exchange)


async def _dripped(exchange: Exchange) -> None:
    await exchange.send(*(bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\nx-drip: "))
    while True:
        await exchange.send(b"d", b"d")


async def _gzip_stream(exchange: Exchange) -> None:
    whole = gzip.compress(b"".join(STREAM))
    packets = chunked(whole[:30], whole[30:90], whole[90:])
    packets[0] = packets[0].replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
    await exchange.send(*packets)


async def _gzip_event(exchange: Exchange) -> None:
    """A stream whose one event swells for ever."""
    packets = chunked(ROLE, gzip.compress(b"data: " + bytes(BOMB_BYTES), compresslevel=1))
    packets[0] = packets[0].replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
    await exchange.send(packets[0], *packets[2:])


async def _large(exchange: Exchange) -> None:
    await exchange.send(http(bytes(LARGE_BYTES), "200 OK", "application/json", "connection: close"))
    exchange.close()


async def _large_chunked(exchange: Exchange) -> None:
    await exchange.send(b"".join(chunked(*[bytes(1000)] * (LARGE_BYTES // 1000))))
    exchange.close()


async def _gzip_bomb(exchange: Exchange) -> None:
    bomb = gzip.compress(bytes(BOMB_BYTES), compresslevel=1)
    await exchange.send(http(bomb, "200 OK", "application/json", "content-encoding: gzip"))


async def _paused(exchange: Exchange) -> None:
    """A good stream that rests in its middle."""
    packets = chunked(*STREAM)
    await exchange.send(*packets[:3])
    await asyncio.sleep(PAUSE_S)
    await exchange.send(*packets[3:])


async def _endless(exchange: Exchange) -> None:
    """A stream that never ends, as fast as it is taken."""
    await exchange.send(*chunked(ROLE, end=False))
    block = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in WORDS * 200)
    while True:
        await exchange.send(block)


ACTS: dict[str, Callable[[Exchange], Awaitable[None]]] = {
    "hang": _hang,
    "reset": _reset,
    "hang-up": _hang_up,
    "reset-mid": _reset_mid,
    "close-mid": _close_mid,
    "truncated": _truncated,
    "bad-chunk": _bad_chunk,
    "bad-chunk-mid": _bad_chunk_mid,
    "error-mid": _error_mid,
    "silent-mid": _silent_mid,
    "silent-body": _silent_body,
    "dripped": _dripped,
    "gzip-stream": _gzip_stream,
    "large": _large,
    "large-chunked": _large_chunked,
    "gzip-bomb": _gzip_bomb,
    "gzip-event": _gzip_event,
    "endless": _endless,
    "paused": _paused,
}


@dataclass
class Faulty:
    """The server. `deaf`: it accepts connections and never reads. `idle_close`: it closes each after one answer."""

    deaf: bool = False
    idle_close: bool = False
    tls: ssl.SSLContext | None = None
    url: str = ""
    connections: int = 0
    requests: int = 0
    aborts: int = 0
    """Requests whose caller went away before the answer was complete."""
    open: int = 0
    """Connections open now."""
    seen: list[Exchange] = field(default_factory=list)

    async def __aenter__(self) -> Faulty:
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def until(self, holds: Callable[[], bool], seconds: float = 1.0) -> None:
        """Waits until `holds()`; raises TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(holds)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        await self._tell()
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the caller has gone, or the test is over
        finally:
            self._tasks.discard(task)
            self.open -= 1
            writer.transport.abort()
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.deaf:
            await self._ignore(writer)
            return
        while not writer.is_closing():
            exchange = await _request(reader, writer)
            self.requests += 1
            self.seen.append(exchange)
            await self._tell()
            await self._answer(reader, exchange)
            if self.idle_close:
                return

    async def _ignore(self, writer: asyncio.StreamWriter) -> None:
        """Takes no byte until the caller has gone."""
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        poll = select.poll()
        poll.register(writer.get_extra_info("socket").fileno(), getattr(select, "POLLRDHUP", 0))
        while not poll.poll(0):  # noqa: ASYNC110 (a paused transport tells nothing)
            await asyncio.sleep(PACKET_GAP_S)
        self.aborts += 1

    async def _answer(self, reader: asyncio.StreamReader, exchange: Exchange) -> None:
        """Acts as the model's name says, watching for a caller that goes away."""
        name = json.loads(exchange.body)["model"] if exchange.body else ""
        act = ACTS[name](exchange) if name in ACTS else exchange.send(*(ANSWERS.get(name) or exchange.listing()))
        acting, gone = asyncio.ensure_future(act), asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait((acting, gone), return_when=asyncio.FIRST_COMPLETED)
            if not acting.done() or isinstance(acting.exception(), ConnectionError):
                self.aborts += 1
                raise ConnectionAbortedError
            acting.result()
        finally:
            acting.cancel()
            gone.cancel()
            await asyncio.gather(acting, gone, return_exceptions=True)
        if name == "good-close":
            exchange.close()


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {":request": head[0]} | {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
    return Exchange(writer, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


def closed_url() -> str:
    """An address where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
