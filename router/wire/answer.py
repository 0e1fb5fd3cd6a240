"""A whole answer as the checks see it, from the body of a chat.completion or from the events of a stream."""

from __future__ import annotations

import msgspec

from router.errors import UpstreamFault
from router.wire import chunk, sse, usage
from router.wire.usage import BYTES_PER_TOKEN, Usage, estimate_tokens

__all__ = ["BYTES_PER_TOKEN", "Answer", "Choice", "ToolCall", "Usage", "estimate_tokens", "from_body", "from_stream"]


class ToolCall(msgspec.Struct, frozen=True):
    name: str
    arguments: str
    """JSON as the model wrote it, which may be none; a custom tool's input."""
    id: str | None = None


class Choice(msgspec.Struct, frozen=True):
    index: int = 0
    content: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    audio: bool = False


class Answer(msgspec.Struct, frozen=True):
    choices: tuple[Choice, ...]
    """By index."""
    usage: Usage | None = None
    size: int = 0
    """Bytes on the wire."""

    @property
    def finish_reason(self) -> str | None:
        """The first choice's."""
        return self.choices[0].finish_reason


def from_body(body: bytes) -> Answer:
    """Raises UpstreamFault: `invalid_body` for no chat.completion, `error_object` for an error, `empty`."""
    return from_whole(chunk.decode(body), len(body))


def from_whole(read: chunk.Chunk, size: int) -> Answer:
    """A chat.completion of `size` bytes. Raises UpstreamFault `invalid_body` and `empty`."""
    if read.choices is None or any(choice.message is None for choice in read.choices):
        raise UpstreamFault("invalid_body", "The upstream's answer has no choices.")
    if not read.choices:
        raise _empty()
    choices = []
    for choice in sorted(read.choices, key=lambda c: c.index):
        building = _Building(choice.index)
        building.add(choice)
        choices.append(building.build())
    return Answer(tuple(choices), usage.from_wire(read.usage), size)


def from_stream(body: bytes) -> Answer:
    """The answer that the events of a whole stream make up.

    Raises UpstreamFault as `from_body`, and `truncated` where neither a finish reason nor [DONE] ends it.
    """
    building: dict[int, _Building] = {}
    reported: Usage | None = None
    done = False
    for data in sse.events(body):
        if sse.is_done(data):
            done = True
            break
        piece = chunk.decode(data)
        reported = usage.from_wire(piece.usage) or reported
        for choice in piece.choices or ():
            building.setdefault(choice.index, _Building(choice.index)).add(choice)
    if not building:
        raise _empty()
    if not done and not any(b.finish_reason for b in building.values()):
        raise UpstreamFault("truncated", "The upstream ended its answer before it was complete.")
    return Answer(tuple(building[i].build() for i in sorted(building)), reported, len(body))


def _empty() -> UpstreamFault:
    return UpstreamFault("empty", "The upstream's answer is empty.")


class _Building:
    """One choice while its pieces come in."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.finish_reason: str | None = None
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._ids: dict[int, str] = {}
        self._audio = False

    def add(self, choice: chunk.Choice) -> None:
        """A piece of it; a choice of a whole completion is one of one piece."""
        self.finish_reason = choice.finish_reason or self.finish_reason
        if (said := choice.said) is None:
            return
        self._content.append(chunk.text(said.content))
        self._reasoning.append(said.thought)
        self._refusal.append(chunk.text(said.refusal))
        self._audio = self._audio or bool(said.audio)
        for call in choice.calls:
            slot = chunk.slot(call, self._ids)
            self._ids[slot] = self._ids.get(slot) or call.id or ""
            parts = self._calls.setdefault(slot, [""])
            parts[0] = parts[0] or call.name
            parts.append(call.arguments)

    def build(self) -> Choice:
        calls = sorted(self._calls.items())
        return Choice(
            index=self.index,
            content="".join(self._content),
            reasoning="".join(self._reasoning),
            refusal="".join(self._refusal),
            tool_calls=tuple(ToolCall(parts[0], "".join(parts[1:]), self._ids[slot] or None) for slot, parts in calls),
            finish_reason=self.finish_reason,
            audio=self._audio,
        )
