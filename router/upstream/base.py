"""The seam to models: one Protocol, one call, one reply."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import msgspec

from router.catalog import Deployment
from router.errors import UpstreamFault
from router.upstream.inflate import Inflater

CHAT = "/chat/completions"


class Call(msgspec.Struct, frozen=True):
    """One attempt at one deployment."""

    deployment: Deployment
    body: bytes
    """The JSON body, model name and thinking parameters already those of the deployment."""
    stream: bool
    connect_s: float = 5.0
    """Seconds to connect."""
    idle_s: float = 60.0
    """Seconds between two reads, after which the attempt has failed.

    Where `stream` is off, the headers come only with the finished answer, and that wait is the caller's to bound."""
    headers: tuple[tuple[str, str], ...] = ()
    """Extra headers: those that the deployment has passed on from the caller, never its key."""
    path: str = CHAT
    """Below the deployment's base address."""
    trace: tuple[tuple[str, str], ...] = ()
    """Headers that tell the upstream of the trace. They are ours, so that nobody need look whether they can be sent."""


def key_of(deployment: Deployment, keys: Mapping[str, str]) -> str | None:
    """The deployment's own key, None where it needs none. `keys`: environment variable → value.

    Raises UpstreamFault `auth` where the variable that it names is not set.
    """
    if deployment.api_key_env is None:
        return None
    if key := keys.get(deployment.api_key_env, "").strip():
        return key
    raise UpstreamFault("auth", "Turnout has no key for the upstream. The operator has to set it.")


def too_large() -> UpstreamFault:
    return UpstreamFault("too_large", "The upstream's answer is over the limit.")


class Reply(Protocol):
    """An upstream's answer whose headers have arrived and whose body is still to be read."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""

    async def read(self, limit: int) -> bytes:
        """The whole decoded body.

        Raises UpstreamFault: `too_large` over `limit` bytes, `truncated`, `reset`, `timeout`, `invalid_body`.
        """
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, non-empty pieces. Raises UpstreamFault as `read`."""
        ...

    async def close(self) -> None:
        """Lets go of the connection: kept for reuse if the body was read to its end, closed otherwise. Never raises."""
        ...


class Pieces:
    """What replies whose body comes in pieces share: reading it whole within a limit, and undoing compression."""

    __slots__ = ("_encoding",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._encoding = headers.get("content-encoding", "identity")

    async def read(self, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for piece in self.chunks():
            size += len(piece)
            if size > limit:
                await self.close()
                raise too_large()
            parts.append(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def chunks(self) -> AsyncIterator[bytes]:
        raw = self._raw()
        return raw if self._encoding == "identity" else self._inflated(raw)

    def _raw(self) -> AsyncIterator[bytes]:
        """The body as it is on the wire. Closes the reply however it ends."""
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def _inflated(self, raw: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            inflater = Inflater(self._encoding)
            async for data in raw:
                for piece in inflater.feed(data):
                    yield piece
            inflater.finish()
        finally:
            await self.close()


class Upstream(Protocol):
    """Sends calls. An implementation never retries, follows redirects, or reads the environment for proxies."""

    async def send(self, call: Call) -> Reply:
        """Returns once the response headers have arrived, whatever the status.

        Raises UpstreamFault: `connect`, `reset`, `timeout`, `invalid_body` for what is not HTTP, `auth` for a missing
        key. A cancelled call closes its connection.
        """
        ...

    async def close(self) -> None: ...


class Ready:
    """A reply that is all there already."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self._body = status, headers, body

    async def read(self, limit: int) -> bytes:
        if len(self._body) > limit:
            raise too_large()
        return self._body

    async def chunks(self) -> AsyncIterator[bytes]:
        if self._body:
            yield self._body

    async def close(self) -> None:
        pass
