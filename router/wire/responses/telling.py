"""The items that an answer consists of, made from its chunks as they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from router.errors import UpstreamFault
from router.wire import answer
from router.wire import chunk as wire_chunk
from router.wire import usage as wire_usage
from router.wire.responses import frame, ids
from router.wire.responses.frame import Frame
from router.wire.responses.offer import Offer, Tool
from router.wire.responses.pieces import Call, Event, Message, Piece, Thought
from router.wire.usage import Usage


class _Choice(msgspec.Struct):
    index: int = 0
    delta: wire_chunk.Delta | None = None
    message: wire_chunk.Delta | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class Chunk(msgspec.Struct):
    """A chunk of a stream, or a whole completion, whose choices have messages instead of deltas."""

    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    model: str | None = None
    service_tier: str | None = None


_CHUNK = msgspec.json.Decoder(Chunk)


def decode(data: bytes) -> Chunk:
    """Raises UpstreamFault: `invalid_body`, or `error_object` for an error in place of an answer."""
    try:
        chunk = _CHUNK.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamFault("invalid_body", "The upstream sent what is no chat completion.") from None
    if chunk.error:
        raise UpstreamFault("error_object", "The upstream reported an error in its answer.")
    return chunk


class Telling:
    """One answer. Thinking, text and calls follow each other as items; calls may be told side by side."""

    def __init__(self, frame: Frame, offer: Offer) -> None:
        self._frame, self._offer = frame, offer
        self._pieces: list[Piece] = []
        self._open: dict[int, Piece] = {}
        self._calls: dict[int, tuple[int, Call]] = {}
        """By their place among the calls: index and call."""
        self._call_ids: dict[str, int] = {}
        self._cut: dict[int, str] = {}
        self._last = -1
        """The index of what was told of last."""
        self.finish: str | None = None
        self.usage: Usage | None = None
        self.model = ""
        self.service_tier: str | None = None

    def take(self, chunk: Chunk) -> Iterator[Event]:
        """What a chunk tells of the first choice; others are not asked for."""
        self.model = self.model or chunk.model or ""
        self.service_tier = chunk.service_tier or self.service_tier
        self.usage = wire_usage.from_wire(chunk.usage) or self.usage
        for choice in chunk.choices or ():
            if choice.index == 0:
                yield from self._choice(choice)

    def close(self) -> Iterator[Event]:
        """Ends what is still open. Where the answer was cut short, so was the item that it told of last."""
        cut = frame.cut_short(self.finish) is not None
        for index in sorted(self._open):
            yield from self._close(index, "incomplete" if cut and index == self._last else "completed")

    def output(self) -> list[dict[str, Any]]:
        """The items as they are now; one that nobody ended is incomplete."""
        return [piece.item(self._cut.get(i, "incomplete")) for i, piece in enumerate(self._pieces)]

    def _choice(self, choice: _Choice) -> Iterator[Event]:
        said = choice.delta or choice.message
        if said is not None:
            if thought := answer.text(said.reasoning) or answer.text(said.reasoning_content):
                yield from self._think(thought)
            if text := answer.text(said.content):
                yield from self._say("output_text", text, _logprobs(choice.logprobs))
            if refusal := answer.text(said.refusal):
                yield from self._say("refusal", refusal, [])
            for position, call in enumerate(said.tool_calls or ()):
                slot = self._slot(call) if choice.message is None else position
                yield from self._call(slot, call)
            if said.function_call is not None:
                yield from self._call(0, wire_chunk.Call(function=said.function_call))
        self.finish = choice.finish_reason or self.finish

    def _think(self, text: str) -> Iterator[Event]:
        piece = self._current(Thought)
        if piece is None:
            yield from self._close_others()
            index = len(self._pieces)
            name = ids.output("rs", self._frame.id, index)
            piece = Thought(index, name, summary=self._frame.summary, sealed=self._frame.sealed)
            yield from self._begin(piece)
        yield piece.add(text)

    def _say(self, kind: str, text: str, logprobs: list[Any]) -> Iterator[Event]:
        piece = self._current(Message)
        if piece is None:
            yield from self._close_others()
            index = len(self._pieces)
            piece = Message(index, ids.output("msg", self._frame.id, index))
            yield from self._begin(piece)
        yield from piece.add(kind, text, logprobs)

    def _call(self, slot: int, said: wire_chunk.Call) -> Iterator[Event]:
        function = said.function or wire_chunk.Function()
        if slot not in self._calls:
            yield from self._close_others()
            index = len(self._pieces)
            tool = self._offer.known.get(function.name or "", Tool("function", function.name or ""))
            prefix = {"custom": "ctc", "local": "lc"}.get(tool.kind, "fc")
            call_id = said.id or f"call_{self._frame.id[5:]}_{index}"
            call = Call(index, ids.output(prefix, self._frame.id, index), call_id, tool)
            self._calls[slot] = (index, call)
            self._call_ids[call_id] = slot
            yield from self._begin(call)
        self._last, call = self._calls[slot]
        yield from call.add(answer.arguments(said))

    def _slot(self, call: wire_chunk.Call) -> int:
        """Which call a piece belongs to: by its index, or without one by its id, or else the last."""
        if call.index is not None:
            return call.index
        if call.id:
            return self._call_ids.get(call.id, len(self._calls))
        return max(self._calls, default=0)

    def _current(self, kind: type[Any]) -> Any:
        """The piece that is told of, if it is of that kind."""
        piece = self._open.get(len(self._pieces) - 1)
        self._last = len(self._pieces) - 1
        return piece if isinstance(piece, kind) else None

    def _begin(self, piece: Piece) -> Iterator[Event]:
        self._last = len(self._pieces)
        self._open[self._last] = piece
        self._pieces.append(piece)
        yield from piece.opened()

    def _close_others(self) -> Iterator[Event]:
        """Ends thinking and text; calls stay open, since some servers tell of several in turns."""
        for index in [i for i, piece in self._open.items() if not isinstance(piece, Call)]:
            yield from self._close(index, "completed")

    def _close(self, index: int, status: str) -> Iterator[Event]:
        self._cut[index] = status
        yield from self._open.pop(index).closed(status)


def _logprobs(said: Any) -> list[Any]:
    content = said.get("content") if isinstance(said, dict) else None
    return content if isinstance(content, list) else []
