"""Byte pass-through to any OpenAI-compatible endpoint: vLLM, NIM, DashScope, OpenRouter, llama.cpp.

The hot path of every step, so all that does not change between calls is prepared once per deployment.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache

import aiohttp
import msgspec
from aiohttp import ClientConnectorError, ClientError, ClientOSError, ClientTimeout, ServerDisconnectedError
from multidict import CIMultiDict
from yarl import URL

from router import __version__
from router.catalog import Deployment
from router.errors import UpstreamFault
from router.upstream import connection
from router.upstream.base import Call, Pieces, Reply, key_of
from router.upstream.connection import LINK, BrokenHTTP, Link

STALE_S = 1.0
"""Seconds in which an idle connection that the upstream had closed shows itself: one round trip, with room."""
INLINE_BYTES = 1 << 20
"""A body up to this is written at once; a larger one in parts, so that it does not hold up other calls."""
MAX_ROUTES = 1024
MAX_LIST_BYTES = 8_000_000
LIST_TIMEOUT = ClientTimeout(total=15)


class _Named(msgspec.Struct):
    id: str


class _Listed(msgspec.Struct):
    data: list[_Named]


class _Route:
    """What is the same for every call to one deployment."""

    __slots__ = ("_base", "_urls", "deployment", "headers")

    def __init__(self, deployment: Deployment, keys: Mapping[str, str]) -> None:
        self._base = URL(deployment.url)
        self._urls: dict[str, URL] = {}
        self.deployment = deployment
        headers = CIMultiDict(
            {"content-type": "application/json", "accept-encoding": "identity", "user-agent": f"turnout/{__version__}"}
        )
        if (key := key_of(deployment, keys)) is not None:
            headers["authorization"] = f"Bearer {key}"
        headers.update(deployment.headers)
        self.headers = headers

    def url(self, path: str) -> URL:
        """The address of a path below the deployment's own."""
        if path not in self._urls:
            self._urls[path] = self._base.joinpath(path[1:]).with_query(self._base.query)
        return self._urls[path]


class OpenAIUpstream:
    """Posts each call's bytes as they are and hands the answer's bytes back.

    Nothing is sent twice but for one case: a connection that was idle in the pool and breaks within STALE_S, before
    any header came. The upstream had closed it while it was idle, as servers do after some seconds, and never saw the
    call, which is sent again at once on a new connection. Should the upstream have broken down in just that second
    instead, one generation was started in vain and nothing else happened, since a chat call has no other effect. What
    to do about all other failures is the caller's to decide.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        """`keys`: the name of each environment variable that the catalog mentions → its value."""
        self._keys = keys
        self._routes: dict[int, _Route] = {}
        self._sessions: tuple[aiohttp.ClientSession, aiohttp.ClientSession] | None = None

    async def send(self, call: Call) -> Reply:
        pooled, fresh = self._sessions or self._open()
        route = self._routes.get(id(call.deployment)) or self._route(call.deployment)
        link, loop = Link(), asyncio.get_running_loop()
        token, began = LINK.set(link), loop.time()
        try:
            try:
                response = await _post(pooled, route, call)
            except (ServerDisconnectedError, ClientOSError) as error:
                if isinstance(error, ClientConnectorError) or not link.reused or loop.time() - began > STALE_S:
                    raise
                response = await _post(fresh, route, call)
        except (ClientError, OSError, ValueError) as error:
            link.cut()
            raise connection.fault(error) from error
        except BaseException:
            link.cut()
            raise
        finally:
            LINK.reset(token)
        return _Reply(response, link)

    async def ids(self, deployment: Deployment) -> tuple[str, ...]:
        """The ids of the models that the endpoint serves, as it lists them. Raises UpstreamFault."""
        _, fresh = self._sessions or self._open()
        route = self._route(deployment)
        token = LINK.set(Link())
        try:
            url, headers = route.url("/models"), route.headers
            async with fresh.get(url, headers=headers, allow_redirects=False, timeout=LIST_TIMEOUT) as got:
                if got.status != 200:
                    raise UpstreamFault("status", "The upstream does not list its models.", upstream_status=got.status)
                listed = msgspec.json.decode(await _Reply(got, LINK.get()).read(MAX_LIST_BYTES), type=_Listed)
        except msgspec.DecodeError as error:
            raise UpstreamFault("invalid_body", "The upstream's list of models cannot be read.") from error
        except (ClientError, OSError, ValueError) as error:
            raise connection.fault(error) from error
        finally:
            LINK.reset(token)
        return tuple(model.id for model in listed.data)

    async def close(self) -> None:
        """Closes all connections, those in use too."""
        sessions, self._sessions = self._sessions or (), None
        for session in sessions:
            await session.close()

    def _open(self) -> tuple[aiohttp.ClientSession, aiohttp.ClientSession]:
        self._sessions = connection.session(pooled=True), connection.session(pooled=False)
        return self._sessions

    def _route(self, deployment: Deployment) -> _Route:
        route = _Route(deployment, self._keys)
        if len(self._routes) >= MAX_ROUTES:  # deployments of catalogs that were read again since
            self._routes.clear()
        self._routes[id(deployment)] = route  # it holds the deployment, so that the id stays taken
        return route


class _Reply(Pieces):
    __slots__ = ("_closed", "_link", "_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, link: Link) -> None:
        self._response, self._link = response, link
        self._closed: asyncio.Future[None] | None = None
        used = response.connection
        if used is not None and used.protocol is not None:  # None once the whole body has come
            self._closed = used.protocol.closed
            if self._closed is not None:
                self._closed.add_done_callback(self._lost)
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        super().__init__(self.headers)

    async def _raw(self) -> AsyncIterator[bytes]:
        """What the socket has, whole reads at a time. aiohttp stops reading it while nobody takes what is there."""
        content = self._response.content
        try:
            while data := await content.readany():
                yield data
        except (ClientError, OSError) as error:
            raise connection.fault(error) from error
        finally:
            self._cut()

    def _lost(self, closed: asyncio.Future[None]) -> None:
        """Ends the body when the connection is gone: aiohttp's parser leaves its reader waiting after a bad chunk."""
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(BrokenHTTP())
        closed.exception()  # seen; without this asyncio would complain of it

    async def close(self) -> None:
        self._cut()

    def _cut(self) -> None:
        """Closes the connection, unless the whole body has come: aiohttp then has it back in its pool."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._lost)
            self._closed = None
        if self._response.connection is not None:
            self._response.close()
            self._link.cut()


async def _post(session: aiohttp.ClientSession, route: _Route, call: Call) -> aiohttp.ClientResponse:
    headers = route.headers
    if call.headers or call.trace:
        headers = headers.copy()
        headers.update((*call.headers, *call.trace))
    response = await session.post(
        route.url(call.path),
        data=call.body if len(call.body) <= INLINE_BYTES else io.BytesIO(call.body),
        headers=headers,
        allow_redirects=False,
        timeout=_timeout(call.connect_s, call.idle_s if call.stream else None),
    )
    if not call.stream and response.connection is not None and response.connection.protocol is not None:
        # A whole answer's headers come when all of it has been generated, so only from here on is silence a failure.
        response.connection.protocol.read_timeout = call.idle_s
        response.connection.protocol.start_timeout()
    return response


@lru_cache(maxsize=64)
def _timeout(connect_s: float, read_s: float | None) -> ClientTimeout:
    return ClientTimeout(total=None, connect=connect_s, sock_connect=connect_s, sock_read=read_s)
