"""One kept-alive HTTP/1.1 connection on `asyncio.Protocol` and httptools: a request out, an answer in, as bytes."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import httptools

from router.errors import UpstreamFault

HIGH_WATER = 65_536
"""Bytes that wait to be taken beyond which the socket is not read, so that a slow reader costs bounded memory."""
HEADER_BYTES = 32_768
"""Longest head of an answer."""
NO_LINGER = struct.pack("ii", 1, 0)

RESET = ("reset", "The upstream closed the connection before it answered.")
TRUNCATED = ("truncated", "The upstream closed the connection before the answer was complete.")
BROKEN = ("invalid_body", "The upstream's answer is not valid HTTP.")
SILENT = ("timeout", "The upstream sent nothing for too long.")


class Link(asyncio.Protocol):
    """A connection that carries one exchange at a time. `done` is called when it is free for the next."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, done: Callable[[Link], None], lost: Callable[[Link], None]
    ) -> None:
        self._loop, self._done, self._lost = loop, done, lost
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.closed = False
        self.exchanges = 0
        self.since = 0.0
        """When it was last given back."""
        self._clear()

    def _clear(self) -> None:
        self._busy = False
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._paused = False
        self._head = 0
        self._interim = False
        self._failure: tuple[str, str, BaseException] | None = None
        self._heard = 0.0
        self._idle_s = 0.0
        self._bounded = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self._kept = False

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        if not self._busy or self.complete:
            self.cut()  # it speaks out of turn
            return
        self._heard = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(BROKEN, error)
            return
        if not self.status:
            self._head += len(data)  # of a header that is not whole yet
        if self._head > HEADER_BYTES:
            self._fail(BROKEN, ValueError("the head of the answer is too long"))
            return
        if self._waiting > HIGH_WATER and not self._paused and not self.complete:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._lost(self)
        self._stop_timer()
        if not self._busy or self.complete:
            return
        if self.status and not self._bounded and exc is None:
            self.complete = True  # nothing but its end bounds such a body
        elif self._failure is None:
            self._failure = (*(TRUNCATED if self.status else RESET), exc or ConnectionResetError())
        self._wake()

    # httptools' side

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.complete:  # the head of an answer to nothing
            self._kept = False
            return
        self._head += len(name) + len(value)
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        status = self._parser.get_status_code()
        self._interim = 100 <= status < 200
        if self._interim:
            self.headers = {}
            return
        self._bounded = "content-length" in self.headers or "transfer-encoding" in self.headers
        self.status = status

    def on_body(self, body: bytes) -> None:
        if self.complete:
            return
        self._pieces.append(body)
        self._waiting += len(body)

    def on_message_complete(self) -> None:
        if not self._interim and not self.complete:
            self.complete = True
            self._kept = self._parser.should_keep_alive()

    # the caller's side

    @property
    def usable(self) -> bool:
        return not self.closed and not self._transport.is_closing()

    async def ask(self, head: bytes, body: bytes, idle_s: float, *, wait_for_head: bool) -> None:
        """Sends a request and waits for the head of the answer. Raises UpstreamFault, and the link is then closed.

        `idle_s` bounds each silence: from now on, or only once the head has come where `wait_for_head` is off.
        """
        self._clear()
        self._busy = True
        self.exchanges += 1
        self._idle_s, self._heard = idle_s, self._loop.time()
        try:
            if len(body) < 65_536:
                self._transport.write(head + body)
            else:
                self._transport.writelines((head, body))
            if wait_for_head:
                self._watch()
            while not self.status and self._failure is None:
                await self._wait()
            if self._failure is not None and (not self.status or self._head > HEADER_BYTES):
                raise self._fault()
        except BaseException:
            self.cut()
            raise
        if not wait_for_head and not self.complete:
            self._heard = self._loop.time()
            self._watch()

    async def next(self) -> bytes:
        """What has come of the body since, or empty at its end. Raises UpstreamFault."""
        while True:
            if self._pieces:
                data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
                self._pieces, self._waiting = [], 0
                if self._paused:
                    self._paused = False
                    self._heard = self._loop.time()
                    self._transport.resume_reading()
                return data
            if self._failure is not None:
                self.cut()
                raise self._fault()
            if self.complete:
                self.finish()
                return b""
            await self._wait()

    def finish(self) -> None:
        """Ends the exchange: gives the link back if its answer came whole and was taken, closes it otherwise."""
        if not self._busy:
            return
        whole = self.complete and not self._pieces and not self._transport.get_write_buffer_size()
        if whole and self._kept and self.usable:
            self._busy = False
            self._stop_timer()
            self._done(self)
        else:
            self.cut()

    def cut(self) -> None:
        """Resets the connection. A plain close would wait until a stalled upstream has taken all that was written."""
        if self.closed:
            return
        if self._busy and not self.complete:
            self._fail(TRUNCATED if self.status else RESET, ConnectionAbortedError())
        self._busy = False
        self._stop_timer()
        with suppress(OSError, ValueError):  # closed in the meantime
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self._transport.abort()

    # waiting

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _watch(self) -> None:
        self._timer = self._loop.call_later(self._idle_s, self._look)

    def _look(self) -> None:
        """One timer an exchange: it looks when something last came, rather than being set anew by every packet."""
        self._timer = None
        if not self._busy or self.complete or self.closed:
            return
        quiet = 0.0 if self._paused or self._pieces else self._loop.time() - self._heard
        if quiet >= self._idle_s:
            self._fail(SILENT, TimeoutError())
        else:
            self._timer = self._loop.call_later(self._idle_s - quiet, self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fail(self, what: tuple[str, str], cause: BaseException) -> None:
        if self._failure is None:
            self._failure = (*what, cause)
        self._wake()

    def _fault(self) -> UpstreamFault:
        assert self._failure is not None
        kind, message, cause = self._failure
        fault = UpstreamFault(kind, message)
        fault.__cause__ = cause
        return fault
