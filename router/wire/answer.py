"""A whole answer as the checks see it, from the body of a chat.completion or from the events of a stream."""

from __future__ import annotations

from typing import Any

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


class _Message(msgspec.Struct):
    content: Any = None
    reasoning: Any = None
    reasoning_content: Any = None
    refusal: Any = None
    tool_calls: list[chunk.Call] | None = None
    function_call: chunk.Function | None = None
    audio: Any = None


class _Choice(msgspec.Struct):
    message: _Message
    index: int = 0
    finish_reason: str | None = None


class _Body(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


_BODY = msgspec.json.Decoder(_Body)


def from_body(body: bytes) -> Answer:
    """Raises UpstreamFault: `invalid_body` for no chat.completion, `error_object` for an error, `empty`."""
    try:
        read = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamFault("invalid_body", "The upstream's answer is no chat completion.") from None
    if read.error:
        raise UpstreamFault("error_object", "The upstream reported an error in place of an answer.")
    if read.choices is None:
        raise UpstreamFault("invalid_body", "The upstream's answer has no choices.")
    if not read.choices:
        raise _empty()
    choices = sorted((_whole(c) for c in read.choices), key=lambda c: c.index)
    return Answer(tuple(choices), usage.from_wire(read.usage), len(body))


def _whole(choice: _Choice) -> Choice:
    """A choice of a body is a stream of one piece."""
    building = _Building(choice.index)
    building.add(choice.message)
    building.finish_reason = choice.finish_reason
    return building.build()


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
            target = building.setdefault(choice.index, _Building(choice.index))
            if choice.delta is not None:
                target.add(choice.delta)
            target.finish_reason = choice.finish_reason or target.finish_reason
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

    def add(self, piece: chunk.Delta | _Message) -> None:
        self._content.append(text(piece.content))
        self._reasoning.append(text(piece.reasoning) or text(piece.reasoning_content))
        self._refusal.append(text(piece.refusal))
        self._audio = self._audio or bool(piece.audio)
        for position, call in enumerate(piece.tool_calls or ()):
            self._call(self._slot(call, position, whole=isinstance(piece, _Message)), call)
        if piece.function_call is not None:
            self._call(0, chunk.Call(function=piece.function_call))

    def _slot(self, call: chunk.Call, position: int, *, whole: bool) -> int:
        """Which call a piece belongs to: by its index, or without one by its id, or else the last."""
        if whole:
            return position
        if call.index is not None:
            return call.index
        if call.id:
            return next((slot for slot, known in self._ids.items() if known == call.id), len(self._calls))
        return max(self._calls, default=0)

    def _call(self, slot: int, call: chunk.Call) -> None:
        parts = self._calls.setdefault(slot, [""])
        if call.id:
            self._ids.setdefault(slot, call.id)
        if call.function is not None:
            parts[0] = parts[0] or call.function.name or ""
        if call.custom is not None:
            parts[0] = parts[0] or call.custom.name or ""
        parts.append(arguments(call))

    def build(self) -> Choice:
        calls = sorted(self._calls.items())
        return Choice(
            index=self.index,
            content="".join(self._content),
            reasoning="".join(self._reasoning),
            refusal="".join(self._refusal),
            tool_calls=tuple(ToolCall(parts[0], "".join(parts[1:]), self._ids.get(slot)) for slot, parts in calls),
            finish_reason=self.finish_reason,
            audio=self._audio,
        )


def text(value: Any) -> str:
    """A content's text: a string, or that of a list of parts; "" for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(text(part.get("text")) for part in value if isinstance(part, dict))
    return ""


def arguments(call: chunk.Call) -> str:
    """A piece of a call's arguments: JSON as a string or, from some servers, as the object itself; or a custom tool's
    input."""
    value = call.function.arguments if call.function is not None else None
    if value is None and call.custom is not None:
        value = call.custom.input
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()
