"""A stream of chat completion chunks told as the events of a message, block after block."""

from __future__ import annotations

from typing import Any

import msgspec

from router.errors import UpstreamFault
from router.wire import chunk, sse, usage
from router.wire.anthropic import answer
from router.wire.anthropic.request import Asked

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
QUIET = 64
"""Pieces of thinking that is not shown between two pings, so that nothing on the way takes the stream for dead."""
_ENCODE = msgspec.json.Encoder().encode


def event(kind: str, members: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _ENCODE({"type": kind, **members}))


class _Block:
    """A block of the message, and what of it is still to be told."""

    def __init__(self, kind: str, begun: dict[str, Any]) -> None:
        self.kind, self.begun = kind, begun
        self.open = False
        self.untold: list[str] = []
        self._told: list[str] = []

    def tell(self) -> str:
        text = "".join(self.untold)
        if self.kind == "tool_use":
            self._told += self.untold
        self.untold.clear()
        return text

    def complete(self) -> bool:
        """Whether another block may follow. A call's arguments may go on while the next call has begun."""
        return self.kind != "tool_use" or _whole("".join((*self._told, *self.untold)))


def _whole(arguments: str) -> bool:
    try:
        msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


class Telling:
    """One message under way. `feed` and `end` return the events to send.

    Blocks are told one after the other, as clients expect, although upstreams may mix the pieces of several calls: what
    belongs to a later block waits until the one before is complete.
    """

    def __init__(self, asked: Asked, name: str) -> None:
        self._asked, self._name = asked, name
        self._out: list[bytes] = []
        self.expected = 0
        """Tokens of the input, as estimated; told at the beginning, where no server has counted yet."""
        self._begun = False
        self._index = 0
        """Of the first block in the queue."""
        self._queue: list[_Block] = []
        """The block that is being told, and those that wait."""
        self._calls: dict[int, _Block] = {}
        self._ids: dict[int, str] = {}
        """Both by the upstream's index."""
        self._usage: usage.Usage | None = None
        self._size = 0
        self._unseen = 0
        self._reason: str | None = None
        self._met: Any = None
        self._refused = False

    def feed(self, block: bytes) -> bytes:
        """Raises UpstreamFault for what is no chunk, and for a piece of a call that was complete."""
        for data in sse.events(block):
            if not sse.is_done(data):
                self._chunk(chunk.decode(data))
        self._advance(to_the_end=False)
        return self._taken()

    def end(self) -> bytes:
        self._begin(None)
        self._advance(to_the_end=True)
        told = answer.stop(self._reason, self._met, self._asked.stops, calls=bool(self._calls))
        if self._refused:
            told["stop_reason"] = "refusal"
        self._say("message_delta", {"delta": told, "usage": answer.usage(self._usage, self._size)})
        self._say("message_stop", {})
        return self._taken()

    def _taken(self) -> bytes:
        out, self._out = b"".join(self._out), []
        return out

    def _say(self, kind: str, members: dict[str, Any]) -> None:
        self._out.append(event(kind, members))

    def _chunk(self, piece: chunk.Chunk) -> None:
        self._begin(piece.model)
        self._usage = usage.from_wire(piece.usage) or self._usage
        for choice in piece.choices or ():
            if choice.index:
                continue
            self._said(choice)
            self._reason = choice.finish_reason or self._reason
            self._met = choice.stop_reason if choice.stop_reason is not None else self._met

    def _begin(self, model: Any) -> None:
        if not self._begun:
            self._begun = True
            guess = {**answer.usage(None, 0), "input_tokens": self.expected, "output_tokens": 0}
            self._say("message_start", {"message": {**answer.opening(self._name, model), "usage": guess}})
            self._out.append(PING)

    def _said(self, choice: chunk.Choice) -> None:
        if (delta := choice.delta) is None:
            return
        if reasoning := delta.thought:
            self._think(reasoning)
        if text := chunk.text(delta.content):
            self._add("text", text, {"type": "text", "text": ""})
        if refusal := chunk.text(delta.refusal):
            self._refused = True
            self._add("text", refusal, {"type": "text", "text": ""})
        for call in choice.calls:
            self._call(call)

    def _think(self, text: str) -> None:
        if self._asked.show_thinking:
            self._add("thinking", text, {"type": "thinking", "thinking": "", "signature": ""})
            return
        self._size += len(text.encode())
        self._unseen += 1
        if self._unseen % QUIET == 0:
            self._out.append(PING)

    def _add(self, kind: str, text: str, begun: dict[str, Any]) -> None:
        self._size += len(text.encode())
        if not self._queue or self._queue[-1].kind != kind:
            self._queue.append(_Block(kind, begun))
        self._queue[-1].untold.append(text)

    def _call(self, call: chunk.Call) -> None:
        number = chunk.slot(call, self._ids)
        block = self._calls.get(number)
        if block is None:
            self._ids[number] = call.id or answer.call_id(self._name, number)
            begun = {"type": "tool_use", "id": self._ids[number], "name": call.name, "input": {}}
            block = self._calls[number] = _Block("tool_use", begun)
            self._queue.append(block)
        arguments = call.arguments
        if block not in self._queue and arguments.strip():
            raise UpstreamFault("invalid_body", "The upstream went on with a tool call that was complete.")
        self._size += len(arguments.encode())
        block.untold.append(arguments)

    def _advance(self, *, to_the_end: bool) -> None:
        """Tells what can be told of the queue."""
        while self._queue:
            block = self._queue[0]
            if not block.open:
                block.open = True
                self._say("content_block_start", {"index": self._index, "content_block": block.begun})
            if text := block.tell():
                kind, member = _DELTAS[block.kind]
                self._piece({"type": kind, member: text})
            if not to_the_end and (len(self._queue) == 1 or not block.complete()):
                return
            if block.kind == "thinking":
                self._piece({"type": "signature_delta", "signature": answer.SIGNATURE})
            self._say("content_block_stop", {"index": self._index})
            self._index += 1
            del self._queue[0]

    def _piece(self, delta: dict[str, Any]) -> None:
        self._say("content_block_delta", {"index": self._index, "delta": delta})


_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}
