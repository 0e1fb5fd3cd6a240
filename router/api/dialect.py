"""The seam to dialects: how a request becomes a chat completion's, and how its answer is spoken to the caller.

A dialect answers in its own shapes; all else (keys, limits, the pipeline, headers) is the same for each.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from router.errors import TurnoutError
from router.record import Incoming
from router.wire import sse

CHAT = "/v1/chat/completions"


class Voice(Protocol):
    """Speaks one answer in the caller's dialect. Made for one request, so it may remember what it has said.

    Its methods raise UpstreamFault for what cannot be translated. `whole` and `end` are awaited before the last bytes
    leave, so what has to be kept for the caller's next request is kept in time.
    """

    def expect(self, input_tokens: int) -> None:
        """Takes an estimate of the request's tokens, before anything is said, for dialects that tell it first."""
        ...

    def heard(self, block: bytes) -> None:
        """Takes note of events in this very dialect that are about to pass as they are."""
        ...

    async def whole(self, answer: bytes) -> bytes:
        """The response body for a chat.completion."""
        ...

    def feed(self, block: bytes) -> bytes:
        """The events for a block of whole chat.completion.chunk events (`[DONE]` and comments may be among them)."""
        ...

    async def end(self) -> bytes:
        """The last events of a stream that is whole."""
        ...

    def waiting(self) -> bytes:
        """What keeps the connection open while an answer is held."""
        ...

    def broken(self, error: TurnoutError, request: str) -> bytes:
        """The event that tells of a failure in mid-stream. `request` is the id that the answer carries."""
        ...


class Asked(NamedTuple):
    """A request in chat completions' terms. `voice` is None where the caller speaks that dialect itself."""

    incoming: Incoming
    voice: Voice | None


class Failure(NamedTuple):
    """An error as the dialect answers it: status, and a body to be written as JSON."""

    status: int
    body: dict[str, Any]


class Speech(Protocol):
    """The shape of what is said of an answer, and in its place."""

    def failure(self, error: TurnoutError, request: str) -> Failure:
        """`request` is the id that the answer carries."""
        ...

    def headers(self, request: str) -> list[tuple[bytes, bytes]]:
        """Headers that the dialect has on each answer, beside Turnout's own."""
        ...


class Dialect(Speech, Protocol):
    """What callers of one path speak."""

    path: str

    async def ask(self, incoming: Incoming) -> Asked:
        """The request in chat completions' terms. Raises TurnoutError that names the caller's own field."""
        ...


class OpenAI:
    """OpenAI's shape of errors, which several dialects share."""

    def failure(self, error: TurnoutError, request: str) -> Failure:
        return Failure(error.status, error.body())

    def headers(self, request: str) -> list[tuple[bytes, bytes]]:
        return []


class OpenAIVoice:
    """What the voices of OpenAI's dialects share."""

    def expect(self, input_tokens: int) -> None:
        """What a request comes to is told at the end."""

    def heard(self, block: bytes) -> None:
        """Nothing has to be remembered of them."""

    def waiting(self) -> bytes:
        return sse.comment("waiting")

    def broken(self, error: TurnoutError, request: str) -> bytes:
        return sse.error_event(error.body())


class Chat(OpenAI):
    """Chat completions: nothing is translated, bytes pass as they are."""

    path = CHAT

    async def ask(self, incoming: Incoming) -> Asked:
        return Asked(incoming, None)
