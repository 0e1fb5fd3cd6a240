"""An upstream that answers from a script and reaches nobody: for tests, and for trying a policy without a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field

from router.errors import UpstreamFault
from router.upstream.base import Call, Reply, too_large

JSON: Mapping[str, str] = {"content-type": "application/json"}
EVENTS: Mapping[str, str] = {"content-type": "text/event-stream"}


@dataclass(frozen=True)
class Line:
    """One reply of the script."""

    body: bytes | tuple[bytes, ...] = b""
    """The body, whole or in the pieces that `chunks` is to yield."""
    status: int = 200
    headers: Mapping[str, str] | None = None
    """Names in lower case; by default the content type that fits the call."""
    fault: UpstreamFault | None = None
    """Raised in place of a reply or, with `after`, in the body."""
    after: int | None = None
    """How many pieces of the body come before the fault or the silence; None: not even the headers."""
    delay: float = 0.0
    """Seconds before the headers."""
    hang: bool = False
    """Falls silent for good, where a fault would be raised."""

    @property
    def pieces(self) -> tuple[bytes, ...]:
        return (self.body,) if isinstance(self.body, bytes) else self.body


@dataclass
class Scripted:
    """Answers each call with the next line of its script, and remembers all calls.

    `by_deployment` gives a deployment, by its name, a script of its own. A call for which there is no line left is an
    AssertionError: it was not foreseen.
    """

    script: Iterable[Line] = ()
    by_deployment: Mapping[str, Iterable[Line]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    cancelled: int = 0
    """Calls that were given up while they hung or waited, and replies that were closed before their end."""

    def __post_init__(self) -> None:
        self._lines = iter(self.script)
        self._own = {name: iter(lines) for name, lines in self.by_deployment.items()}

    async def send(self, call: Call) -> Reply:
        self.calls.append(call)
        line = next(self._own.get(call.deployment.name, self._lines), None)
        assert line is not None, f"call {len(self.calls)}, to {call.deployment.name}, is not in the script"
        try:
            await asyncio.sleep(line.delay)
            if line.after is None:
                await _fail(line)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return _ScriptedReply(self, line, EVENTS if call.stream else JSON)

    async def close(self) -> None:
        pass


class _ScriptedReply:
    def __init__(self, upstream: Scripted, line: Line, headers: Mapping[str, str]) -> None:
        self.status = line.status
        self.headers = headers if line.headers is None else line.headers
        self._upstream, self._line, self._open = upstream, line, True

    async def read(self, limit: int) -> bytes:
        body = b"".join([piece async for piece in self.chunks()])
        if len(body) > limit:
            raise too_large()
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        line = self._line
        for piece in line.pieces[: line.after]:
            if piece:
                yield piece
        if line.after is not None:
            await _fail(line)
        self._open = False

    async def close(self) -> None:
        if self._open:
            self._open = False
            self._upstream.cancelled += 1


async def _fail(line: Line) -> None:
    if line.hang:
        await asyncio.Event().wait()
    if line.fault is not None:
        raise line.fault
