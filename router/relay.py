"""Relays a streamed answer: holds back until the commit point, then passes bytes on as they come.

The commit point is the first event with content, reasoning, a refusal or a tool call. Before it nothing has been sent, so
the attempt may still be replaced; after it, never.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from router.errors import UpstreamFault
from router.upstream.base import Reply
from router.wire import chunk as wire_chunk
from router.wire import sse
from router.wire.answer import Usage

DRAIN_S = 0.25
"""How long to wait, after [DONE], for the end of the body, so that the connection can be used again."""

T = TypeVar("T")


class Live:
    """A stream past its commit point. `head` is to be sent first, then what `rest` yields."""

    def __init__(self, reply: Reply, splitter: sse.Splitter, chunks: AsyncIterator[bytes], show_usage: bool) -> None:
        self._reply, self._splitter, self._chunks, self._show_usage = reply, splitter, chunks, show_usage
        self.head = b""
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.done = False
        self.bytes_out = 0

    async def rest(self) -> AsyncIterator[bytes]:
        """Complete events as they arrive, the injected usage chunk taken out.

        Raises UpstreamFault `truncated` where the upstream ends without a finish reason, and whatever the reply raises.
        """
        if not self.done:
            async for data in self._chunks:
                block = self._take(self._splitter.feed(data))
                if block:
                    yield block
                if self.done:
                    break
        if self.finish_reason is None:
            raise UpstreamFault("truncated", "The upstream ended its answer before it was complete.")
        if self._splitter.rest:
            # The last event had no blank line behind it: whole all the same, since a finish reason came.
            block = self._take(self._splitter.flush())
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

    def _take(self, block: bytes) -> bytes:
        """Notes what `block` tells of the end, and returns what the caller is to see of it."""
        if not block:
            return block
        seen = wire_chunk.scan(block)
        if seen.finish_reason is not None:
            self.finish_reason = seen.finish_reason
        if seen.has_error:
            raise UpstreamFault("error_object", "The upstream reported an error in the middle of its answer.")
        if seen.has_usage:
            block, usage = wire_chunk.cut_usage(block, keep=self._show_usage)
            self.usage = usage or self.usage
        self.done = self.done or seen.done
        self.bytes_out += len(block)
        return block


async def open_stream(reply: Reply, show_usage: bool) -> Live | bytes:
    """Reads up to the commit point. Returns the whole body where it ended without any content.

    Raises UpstreamFault where what comes is not a chat stream, or an error.
    """
    splitter, chunks = sse.Splitter(), reply.chunks()
    live = Live(reply, splitter, chunks, show_usage)
    held: list[bytes] = []
    async for data in chunks:
        block = splitter.feed(data)
        if not block:
            continue
        held.append(block)
        if wire_chunk.commits(block):
            live.head = live._take(b"".join(held))
            return live
        if wire_chunk.scan(block).done:
            break
    held.append(splitter.flush())
    return b"".join(held)


async def collect(reply: Reply, show_usage: bool, limit: int) -> tuple[bytes, Usage | None]:
    """The whole stream and its usage, for an answer that is held. Raises UpstreamFault as `Live.rest` does."""
    live = Live(reply, sse.Splitter(), reply.chunks(), show_usage)
    parts, size = [], 0
    async for block in live.rest():
        parts.append(block)
        size += len(block)
        if size > limit:
            raise UpstreamFault("too_large", "The upstream's answer is over the limit.")
    await live.close()
    return b"".join(parts), live.usage


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

