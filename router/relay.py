"""Relays a streamed answer: holds back until the commit point, then passes bytes on as they come.

The commit point is the first event with content, reasoning, a refusal or a tool call. Before it nothing has been sent,
so the attempt may still be replaced; after it, never.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from router.errors import UpstreamFault
from router.step import StepRequest
from router.upstream.base import Reply, too_large
from router.wire import chunk as wire_chunk
from router.wire import sse
from router.wire.answer import Usage

DRAIN_S = 0.25
"""How long to wait, after [DONE], for the end of the body, so that the connection can be used again."""

T = TypeVar("T")


class Whole(NamedTuple):
    """A stream that was read to its end, the injected usage chunk taken out."""

    body: bytes
    usage: Usage | None


class Live:
    """A stream past its commit point. `head` is to be sent first, then what `rest` yields."""

    native = False
    """Whether it is in the caller's own dialect, rather than in chat completions'."""

    def __init__(self, reply: Reply, request: StepRequest) -> None:
        self._reply, self._chunks, self._splitter = reply, reply.chunks(), sse.Splitter()
        self._show_usage, self._choices = request.include_usage, request.n
        self._finishes = 0
        self._failure: UpstreamFault | None = None
        self.head = b""
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.done = False
        self.bytes_out = 0

    async def begin(self, limit: int) -> Whole | None:
        """Reads up to the commit point. Returns the stream where it ended without any content.

        Raises UpstreamFault where what comes is not a chat stream, or an error, or breaks off, or is over `limit` bytes
        without content.
        """
        held: list[bytes] = []
        size = 0
        async for data in self._chunks:
            block = self._splitter.feed(data)
            if not block:
                continue
            held.append(block)
            size += len(block)
            if self._commits(block):
                self.head = self._take(b"".join(held))
                if self._failure is not None:
                    raise self._failure  # nothing has gone out yet
                return None
            if self._ends(block):
                break
            if size > limit:
                raise too_large()
        body = self._take(b"".join(held)) + self._tail()
        self._check_end()
        return Whole(body, self.usage)

    async def rest(self) -> AsyncIterator[bytes]:
        """Complete events as they arrive, the injected usage chunk taken out.

        Raises UpstreamFault `error_object` and `truncated` once all that came before has been yielded, and whatever the
        reply raises.
        """
        while not self.done and (data := await anext(self._chunks, None)) is not None:
            block = self._take(self._splitter.feed(data))
            if block:
                yield block
            if self._failure is not None:
                raise self._failure
        block = self._tail()
        self._check_end()
        if block:
            yield block

    async def close(self) -> None:
        """Lets go of the upstream; waits a moment for the end of a finished body, to keep the connection."""
        if self.done:
            try:
                async with asyncio.timeout(DRAIN_S):
                    async for _ in self._chunks:
                        pass
            except (TimeoutError, UpstreamFault):
                pass
        await self._reply.close()

    def _commits(self, block: bytes) -> bool:
        return wire_chunk.commits(block)

    def _ends(self, block: bytes) -> bool:
        return wire_chunk.scan(block).done

    def _tail(self) -> bytes:
        """What is left at the end: an event without a blank line behind it, which counts all the same."""
        return b"" if self.done else self._take(self._splitter.flush())

    def _check_end(self) -> None:
        """Raises UpstreamFault where the answer is not complete: [DONE], or without it all choices, must have come."""
        if self._failure is not None:
            raise self._failure
        if self.finish_reason is None or not (self.done or self._finishes >= self._choices):
            raise truncated()

    def _take(self, block: bytes) -> bytes:
        """Notes what `block` tells of the end, and returns what the caller is to see of it.

        Of a failure it is what came before; a [DONE] that comes too early must not pass for the end.
        """
        if not block:
            return block
        seen = wire_chunk.scan(block)
        if seen.finish_reason is not None:
            self.finish_reason = seen.finish_reason
            self._finishes += seen.finishes
        if seen.has_error:
            self._failure = UpstreamFault("error_object", "The upstream reported an error in the middle of its answer.")
            block = wire_chunk.before(block, wire_chunk.is_error)
        elif seen.done and self.finish_reason is None:
            self._failure = truncated()
            block = wire_chunk.before(block, sse.is_done)
        if seen.has_usage:
            block, usage = wire_chunk.cut_usage(block, keep=self._show_usage)
            self.usage = usage or self.usage
        self.done = self.done or seen.done
        self.bytes_out += len(block)
        return block


def truncated() -> UpstreamFault:
    return UpstreamFault("truncated", "The upstream ended its answer before it was complete.")


async def collect(live: Live, limit: int) -> Whole:
    """The whole stream, for an answer that is held. Raises UpstreamFault as `Live.rest` does."""
    parts, size = [], 0
    async for block in live.rest():
        parts.append(block)
        size += len(block)
        if size > limit:
            raise too_large()
    await live.close()
    return Whole(b"".join(parts), live.usage)


async def meanwhile(work: Awaitable[T], every: float, tell: Callable[[], Awaitable[Any]]) -> T:
    """Awaits `work` and calls `tell` each `every` seconds until it is there. Cancelled together with the caller."""
    task = asyncio.ensure_future(work)
    try:
        while True:
            done, _ = await asyncio.wait((task,), timeout=every)
            if done:
                return task.result()
            await tell()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
