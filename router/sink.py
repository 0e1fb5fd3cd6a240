"""Where a step's answer goes: the seam between the pipeline and whatever renders for the caller."""

from __future__ import annotations

from typing import Protocol

from router.attempts import Answered, Walk
from router.errors import TurnoutError
from router.record import Record


class Sink(Protocol):
    """Renders one answer or one error for one caller."""

    wait: float
    """Seconds between two `keepalive`s while an answer is held."""
    committed: bool
    """Whether any part of an answer has gone out."""

    def about(self, record: Record, walk: Walk) -> None:
        """Says what the response headers are made of. Called once, before anything is sent."""
        ...

    async def answer(self, got: Answered) -> None:
        """Sends a whole answer, as JSON or as a held stream."""
        ...

    async def open(self, head: bytes) -> None:
        """Starts a stream with its first events."""
        ...

    async def write(self, block: bytes) -> None: ...

    async def close(self) -> None:
        """Ends a stream that is whole."""
        ...

    async def keepalive(self) -> None:
        """Sends a comment on a held stream, and its headers if they have not gone."""
        ...

    async def fail(self, error: TurnoutError) -> None:
        """Sends an error: a response of its own, or an event on a stream that is under way."""
        ...
