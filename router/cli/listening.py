"""How requests are taken off the wire: heads of requests are bounded in size and in time.

uvicorn bounds neither: a caller without a key could have it hold headers without end, or connections for ever.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from router.errors import BadRequest

HEAD_BYTES = 16_384
"""Of request line and headers together."""
HEAD_S = 15.0
"""Seconds in which they must be whole, from the connection's start or from their first byte."""
TOO_LARGE = BadRequest(
    f"The request line and headers are over {HEAD_BYTES:,} bytes. Send hints in the body.",
    status=431,
    code="headers_too_large",
)
TOO_SLOW = BadRequest("The headers arrive too slowly. Send them without a pause.", status=408, code="headers_too_slow")
NO_HTTP = BadRequest("This is no valid HTTP/1.1 request.", code="invalid_http")


class Listening(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._inside = False
        """Whether a head has begun that is not whole."""
        self._read = 0
        self._limit: asyncio.TimerHandle | None = self.loop.call_later(HEAD_S, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._read = self._read + len(data) if self._inside else len(data)
        super().data_received(data)
        if not self._inside and self._busy:
            self._in_time()
        elif self._inside and self._read > HEAD_BYTES:
            self._refuse(TOO_LARGE)
        elif self._limit is None and not self.transport.is_closing():
            self._limit = self.loop.call_later(HEAD_S, self._late)

    def on_message_begin(self) -> None:
        self._inside = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._inside:  # else it is a trailer, which nobody here reads, and nothing bounds
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._inside = False
        if self._read > HEAD_BYTES and self._size() > HEAD_BYTES:
            served, self.app = self.app, _refuse
            super().on_headers_complete()
            self.app = served
        else:
            super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(NO_HTTP)

    @property
    def _busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _in_time(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _late(self) -> None:
        self._limit = None
        if self._busy:  # the head of a next request has begun, but this one's answer goes first
            self._limit = self.loop.call_later(HEAD_S, self._late)
        elif self._inside:
            self._refuse(TOO_SLOW)
        else:
            self.transport.close()

    def _refuse(self, error: BadRequest) -> None:
        """Answers and closes; what comes after is not read. In the middle of another answer it only closes."""
        self._in_time()
        self._inside = False
        if not self.transport.is_closing() and not self._busy:
            status, body = HTTPStatus(error.status), msgspec.json.encode(error.body())
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()


async def _refuse(scope: Any, receive: Any, send: Any) -> None:
    """Answers a whole head that is too large, in the server's own terms: what follows it may be its body."""
    body = msgspec.json.encode(TOO_LARGE.body())
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 431, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
