"""Our own byte pass-through to OpenAI-compatible endpoints: about half the cost of a call through a general client.

Relaying is what the product exists for. It does HTTP/1.1 with kept-alive connections and TLS, and nothing else;
endpoints behind a proxy want the aiohttp client (`openai.OpenAIUpstream`), which stays as the fallback.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit

from router import __version__
from router.catalog import Deployment
from router.errors import UpstreamFault
from router.upstream.base import CHAT, Call, Pieces, Reply, key_of
from router.upstream.link import Link

KEEPALIVE_S = 30.0
"""Seconds an idle connection is kept."""
STALE_S = 1.0
"""Seconds in which an idle connection that the upstream had closed shows itself: one round trip, with room."""
MAX_ROUTES = 1024
Origin = tuple[str, int, bool]
"""Host, port, and whether it is spoken to in TLS."""
Known = int | tuple[int, str]
"""A deployment, by its id, and the path where that is not the usual one."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Route:
    """What is the same for every call to one deployment."""

    __slots__ = ("deployment", "head", "host", "idle", "port", "tls")

    def __init__(
        self, deployment: Deployment, keys: Mapping[str, str], pools: dict[Origin, deque[Link]], path: str = CHAT
    ) -> None:
        parts = urlsplit(deployment.url)
        self.deployment = deployment
        self.host, self.tls = parts.hostname or "", parts.scheme == "https"
        self.port = parts.port or (443 if self.tls else 80)
        self.idle = pools.setdefault((self.host, self.port, self.tls), deque())
        headers = {
            "host": parts.netloc.rpartition("@")[2],
            "accept": "*/*",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "user-agent": f"turnout/{__version__}",
        }
        if (key := key_of(deployment, keys)) is not None:
            headers["authorization"] = f"Bearer {key}"
        headers |= {name.lower(): value for name, value in deployment.headers.items()}
        query = f"?{parts.query}" if parts.query else ""
        self.head = f"POST {parts.path.rstrip('/')}{path}{query} HTTP/1.1\r\n".encode() + lines(headers)


def lines(headers: Mapping[str, str]) -> bytes:
    """Header lines. Raises UpstreamFault on a name or value that would not stay one line."""
    if not all(_TOKEN.fullmatch(n) and _VALUE.fullmatch(v) for n, v in headers.items()):
        raise UpstreamFault("connect", "The deployment's address or headers cannot be sent.") from ValueError("header")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")


class NativeUpstream:
    """Posts each call's bytes as they are and hands the answer's bytes back.

    Nothing is sent twice but for one case: a connection that was idle and breaks within STALE_S, before any byte of an
    answer. The upstream had closed it while it was idle and never saw the call.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        """`keys`: the name of each environment variable that the catalog mentions → its value."""
        self._keys = keys
        self._routes: dict[Known, Route] = {}
        self._idle: dict[Origin, deque[Link]] = {}
        """Connections that wait for the next call, the longest idle first; they outlive a catalog's reload."""
        self._links: set[Link] = set()
        self._context: ssl.SSLContext | None = None

    async def send(self, call: Call) -> Reply:
        route = self._routes.get(_known(call.deployment, call.path)) or self._route(call.deployment, call.path)
        head = route.head + lines(dict(call.headers)) if call.headers else route.head
        for pair in call.trace:
            head += b"%s: %s\r\n" % (pair[0].encode(), pair[1].encode())
        head += b"content-length: %d\r\n\r\n" % len(call.body)
        link, loop = self._pick(route), asyncio.get_running_loop()
        if link is not None:
            began = loop.time()
            try:
                await link.ask(head, call.body, call.idle_s, wait_for_head=call.stream)
                return _Reply(link)
            except UpstreamFault as fault:
                if fault.kind != "reset" or loop.time() - began > STALE_S:
                    raise
        link = await self._connect(route, loop, call.connect_s)
        await link.ask(head, call.body, call.idle_s, wait_for_head=call.stream)
        return _Reply(link)

    async def close(self) -> None:
        """Closes all connections, those in use too."""
        for link in tuple(self._links):
            link.cut()

    def _pick(self, route: Route) -> Link | None:
        """The connection that was used last: the one least likely to have gone stale."""
        while route.idle:
            link = route.idle.pop()
            if link.usable:
                return link
        return None

    async def _connect(self, route: Route, loop: asyncio.AbstractEventLoop, limit_s: float) -> Link:
        def given_back(link: Link) -> None:
            link.since = loop.time()
            route.idle.append(link)
            while (oldest := route.idle[0]) is not link and (link.since - oldest.since > KEEPALIVE_S or oldest.closed):
                route.idle.popleft().cut()

        if route.tls and self._context is None:
            self._context = ssl.create_default_context()
        try:
            async with asyncio.timeout(limit_s):
                _, link = await loop.create_connection(
                    lambda: Link(loop, given_back, self._links.discard),
                    route.host,
                    route.port,
                    ssl=self._context if route.tls else None,
                )
        except TimeoutError as error:
            raise UpstreamFault("connect", "The upstream did not accept a connection in time.") from error
        except ssl.SSLError as error:
            raise UpstreamFault("connect", "The upstream's certificate or its TLS was not accepted.") from error
        except (OSError, ValueError) as error:
            raise UpstreamFault("connect", "The upstream could not be reached.") from error
        self._links.add(link)
        return link

    def _route(self, deployment: Deployment, path: str = CHAT) -> Route:
        route = Route(deployment, self._keys, self._idle, path)
        if len(self._routes) >= MAX_ROUTES:  # deployments of catalogs that were read again since
            self._routes.clear()
        self._routes[_known(deployment, path)] = route  # it holds the deployment, so that the id stays taken
        return route


def _known(deployment: Deployment, path: str) -> Known:
    return id(deployment) if path == CHAT else (id(deployment), path)


class _Reply(Pieces):
    __slots__ = ("_exchange", "_link", "headers", "status")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._exchange = link.exchanges  # once it is given back, the link is somebody else's
        self.status = link.status
        self.headers: Mapping[str, str] = link.headers
        super().__init__(self.headers)

    async def _raw(self) -> AsyncIterator[bytes]:
        try:
            while self._link.exchanges == self._exchange and (data := await self._link.next()):
                yield data
        finally:
            await self.close()

    async def close(self) -> None:
        if self._link.exchanges == self._exchange:
            self._link.finish()
