"""What every client of this room shares: pooled connections that a call can cut, and what their failures are called."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp import ClientConnectorError, ClientError

from router.errors import UpstreamFault

KEEPALIVE_S = 30.0
"""Seconds an idle connection is kept."""
DNS_TTL_S = 60
HEADER_BYTES = 32_768
"""Longest header of an answer."""
NO_LINGER = struct.pack("ii", 1, 0)


class BrokenHTTP(aiohttp.ClientPayloadError):
    """The bytes of a body do not follow the rules of HTTP, as a chunk longer than it says."""


FAULTS: tuple[tuple[tuple[type[BaseException], ...], str, str], ...] = (
    ((aiohttp.ConnectionTimeoutError,), "connect", "The upstream did not accept a connection in time."),
    ((aiohttp.ClientSSLError,), "connect", "The upstream's certificate or its TLS was not accepted."),
    ((ClientConnectorError, aiohttp.InvalidURL), "connect", "The upstream could not be reached."),
    ((TimeoutError,), "timeout", "The upstream sent nothing for too long."),
    ((BrokenHTTP, aiohttp.ClientResponseError), "invalid_body", "The upstream's answer is not valid HTTP."),
    ((aiohttp.ClientPayloadError,), "truncated", "The upstream closed the connection before the answer was complete."),
    ((ClientError, OSError), "reset", "The upstream closed the connection before it answered."),
    ((ValueError,), "connect", "The deployment's address or headers cannot be sent."),
)
"""What is raised → kind and message; the first that fits. Messages never name hosts, keys or upstream text."""


def fault(error: BaseException) -> UpstreamFault:
    """The fault that tells of `error`, which must be one of FAULTS."""
    kind, message = next((kind, message) for types, kind, message in FAULTS if isinstance(error, types))
    return UpstreamFault(kind, message)


class Link:
    """What a call has to know of the connection it was given."""

    __slots__ = ("reused", "transport")

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reused = False
        """Whether the connection had served another call before."""

    def cut(self) -> None:
        """Resets the connection. A plain close would wait until a stalled upstream has taken all that was written."""
        if self.transport is not None:
            with suppress(OSError, ValueError):  # closed in the meantime, in asyncio's words or in uvloop's
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            self.transport.abort()


LINK: ContextVar[Link] = ContextVar("LINK")
"""Set around each call, for the connector to fill in."""


class _Connector(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:
        super().__init__(limit=0, ttl_dns_cache=DNS_TTL_S, **options)
        self._served: WeakSet[object] = WeakSet()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 (aiohttp's signature)
    ) -> Any:
        connection = await super().connect(req, traces, timeout)
        link, protocol = LINK.get(), connection.protocol
        link.transport, link.reused = connection.transport, protocol in self._served
        self._served.add(protocol)
        return connection


def session(*, pooled: bool) -> aiohttp.ClientSession:
    """A session for the running loop, without cookies, proxies from the environment or decompression.

    Where `pooled` is off, every call gets a new connection.
    """
    options: dict[str, Any] = {"keepalive_timeout": KEEPALIVE_S} if pooled else {"force_close": True}
    return aiohttp.ClientSession(
        connector=_Connector(**options),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
    )
