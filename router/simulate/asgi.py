"""Raw ASGI for the simulated servers, with the one thing that ASGI lacks: breaking a connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY = 32_000_000
JSON, EVENTS, HTML = b"application/json", b"text/event-stream; charset=utf-8", b"text/html; charset=utf-8"


class Breakable(HttpToolsProtocol):
    """uvicorn's protocol, which also tells the application how to reset the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"turnout.reset": {"reset": self._reset}}

    def _reset(self) -> None:
        """Drops what is unsent and sends RST instead of a clean end."""
        sock = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # the other side may have gone first
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


def reset(scope: Scope) -> None:
    """Resets the connection that the request came on."""
    scope["extensions"]["turnout.reset"]["reset"]()


class Gone(Exception):
    """The caller left before its request was whole."""


async def read_body(receive: Receive) -> bytes | None:
    """The body, or None where it is over MAX_BODY. Raises Gone."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts) if size <= MAX_BODY else None


async def start(send: Send, status: int, kind: bytes, *more: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind), *more]})


async def write(send: Send, data: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def respond(send: Send, status: int, data: bytes, kind: bytes = JSON, *more: tuple[bytes, bytes]) -> None:
    """A whole response."""
    await start(send, status, kind, (b"content-length", str(len(data)).encode()), *more)
    await write(send, data, more=False)


async def respond_json(send: Send, status: int, data: Any, *more: tuple[bytes, bytes]) -> None:
    await respond(send, status, msgspec.json.encode(data), JSON, *more)


async def left(receive: Receive) -> None:
    """Returns when the caller has gone away (or has its whole answer)."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_left(receive: Receive, work: Coroutine[Any, Any, None]) -> bool:
    """Runs `work`, cancelled as soon as the caller goes away. Whether it ran to its end."""
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(left(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
    finally:
        finished = working.done()
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)
    if finished:
        working.result()
    return finished
