"""The items that an answer consists of, made from its chunks as they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from router.wire import chunk as wire_chunk
from router.wire import usage as wire_usage
from router.wire.chunk import Choice, Chunk
from router.wire.responses import frame, ids
from router.wire.responses.frame import Frame
from router.wire.responses.offer import Offer, Tool
from router.wire.responses.pieces import Call, Event, Message, Piece, Thought
from router.wire.usage import Usage


class Telling:
    """One answer. Thinking, text and calls follow each other as items; calls may be told side by side."""

    def __init__(self, frame: Frame, offer: Offer) -> None:
        self._frame, self._offer = frame, offer
        self._pieces: list[Piece] = []
        self._open: dict[int, Piece] = {}
        self._calls: dict[int, tuple[int, Call]] = {}
        """Index and call."""
        self._call_ids: dict[int, str] = {}
        """Both by their slots among the calls."""
        self._cut: dict[int, str] = {}
        self._last = -1
        """The index of what was told of last."""
        self.finish: str | None = None
        self.usage: Usage | None = None
        self.model = ""
        self.service_tier: str | None = None

    def take(self, chunk: Chunk) -> Iterator[Event]:
        """What a chunk tells of the first choice; others are not asked for."""
        self.model = self.model or (chunk.model if isinstance(chunk.model, str) else "")
        self.service_tier = chunk.service_tier if isinstance(chunk.service_tier, str) else self.service_tier
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

    def _choice(self, choice: Choice) -> Iterator[Event]:
        said = choice.said
        if said is not None:
            if thought := said.thought:
                yield from self._think(thought)
            if text := wire_chunk.text(said.content):
                yield from self._say("output_text", text, _logprobs(choice.logprobs))
            if refusal := wire_chunk.text(said.refusal):
                yield from self._say("refusal", refusal, [])
            for call in choice.calls:
                yield from self._call(call)
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

    def _call(self, said: wire_chunk.Call) -> Iterator[Event]:
        slot = wire_chunk.slot(said, self._call_ids)
        if slot not in self._calls:
            yield from self._close_others()
            index = len(self._pieces)
            tool = self._offer.known.get(said.name, Tool("function", said.name))
            prefix = {"custom": "ctc", "local": "lc"}.get(tool.kind, "fc")
            self._call_ids[slot] = said.id or f"call_{self._frame.id[5:]}_{index}"
            call = Call(index, ids.output(prefix, self._frame.id, index), self._call_ids[slot], tool)
            self._calls[slot] = (index, call)
            yield from self._begin(call)
        self._last, call = self._calls[slot]
        yield from call.add(said.arguments)

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
