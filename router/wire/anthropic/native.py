"""Messages as an upstream that speaks the dialect itself takes and gives them: bytes pass, and are read on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from router.errors import UpstreamFault
from router.wire import fault, native
from router.wire.address import addressed
from router.wire.answer import Answer, Choice, ToolCall
from router.wire.usage import Usage

_FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Kind(msgspec.Struct):
    type: str = ""


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    thinking: str = ""
    id: str | None = None
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Counts(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Message(msgspec.Struct):
    type: str = ""
    content: list[_Block] | None = None
    stop_reason: str | None = None
    usage: _Counts | None = None
    error: Any = None


class _Delta(msgspec.Struct):
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class Event(msgspec.Struct):
    """One event of a stream; which members count depends on its type."""

    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Counts | None = None

    @property
    def commits(self) -> bool:
        """Whether it carries anything of an answer."""
        if self.content_block is not None:
            return self.content_block.type == "tool_use" or bool(self.content_block.text)
        return self.delta is not None and bool(self.delta.text or self.delta.thinking or self.delta.partial_json)

    @property
    def ends(self) -> bool:
        return self.type == "message_stop"

    def counted(self, before: Usage | None) -> Usage | None:
        """The tokens, as chat completions count; what is told later is the whole so far."""
        return usage(self.usage or (self.message.usage if self.message is not None else None), before)

    @property
    def finish_reason(self) -> str | None:
        """In chat completions' words."""
        said = self.delta.stop_reason if self.delta is not None else None
        return None if said is None else _FINISHES.get(said, "stop")


_KIND = msgspec.json.Decoder(_Kind | None)
_MESSAGE = msgspec.json.Decoder(_Message)
_EVENT = msgspec.json.Decoder(Event)
_ENCODER = msgspec.json.Encoder()


def render(body: bytes, model: str, mode: str, parameters: Mapping[str, Any]) -> bytes:
    """The caller's own request for an upstream that knows the model as `model`. Turnout's words are taken out.

    `parameters` select the mode there; the caller's own `thinking`, its budget with it, stays where it says the same.
    """
    fields = addressed(native.fields(body), model)
    said = _KIND.decode(fields.get("thinking", b"null"))
    same = said is not None and said.type == ("disabled" if mode == "off" else "enabled")
    if not same:
        fields.pop("thinking", None)
    fields |= {name: value for name, value in parameters.items() if not (same and name == "thinking")}
    return _ENCODER.encode(fields)


def from_body(body: bytes) -> Answer:
    """The answer of a whole message. Raises UpstreamFault: `invalid_body` for none, `error_object` for an error."""
    message = fault.decoded(_MESSAGE, body, "The upstream's answer is no message.")
    if message.error or message.type == "error":
        raise UpstreamFault("error_object", "The upstream reported an error in place of an answer.")
    if message.content is None:
        raise UpstreamFault("invalid_body", "The upstream's answer has no content.")
    finish = _FINISHES.get(message.stop_reason or "", "stop")
    return Answer((_choice(message.content, finish),), usage(message.usage, None), len(body))


def from_stream(body: bytes) -> Answer:
    """The answer that the events of a whole stream make up. Raises UpstreamFault as `decode`."""
    blocks: dict[int, _Block] = {}
    inputs: dict[int, list[str]] = {}
    finish: str | None = None
    counted: Usage | None = None
    for event in native.events(body, decode):
        counted, finish = event.counted(counted), event.finish_reason or finish
        if event.content_block is not None:
            blocks[event.index] = event.content_block
        elif event.delta is not None and (block := blocks.get(event.index)) is not None:
            block.text += event.delta.text
            block.thinking += event.delta.thinking
            inputs.setdefault(event.index, []).append(event.delta.partial_json)
    for index, pieces in inputs.items():
        if written := "".join(pieces):
            blocks[index].input = msgspec.Raw(written.encode())
    return Answer((_choice([blocks[i] for i in sorted(blocks)], finish or "stop"),), counted, len(body))


def decode(data: bytes) -> Event:
    """One event's data. Raises UpstreamFault: `invalid_body` for what is none, `error_object` for an error."""
    event = fault.decoded(_EVENT, data, "The upstream sent an event that is none of a message's.")
    if event.type == "error":
        raise UpstreamFault("error_object", "The upstream reported an error in its answer.")
    return event


def usage(counts: _Counts | None, before: Usage | None) -> Usage | None:
    """`counts` as chat completions count, over those that came before: what is told later is the whole so far."""
    if counts is None:
        return before
    old = before or Usage()
    prompt, cached = old.prompt_tokens, old.cached_tokens
    if counts.input_tokens:
        cached = counts.cache_read_input_tokens or 0
        prompt = counts.input_tokens + cached + (counts.cache_creation_input_tokens or 0)
    return Usage(max(0, prompt), max(0, cached), max(0, counts.output_tokens or old.completion_tokens))


def _choice(blocks: list[_Block], finish: str) -> Choice:
    return Choice(
        content="".join(b.text for b in blocks if b.type == "text"),
        reasoning="".join(b.thinking for b in blocks),
        tool_calls=tuple(ToolCall(b.name, bytes(b.input).decode(), b.id) for b in blocks if b.type == "tool_use"),
        finish_reason=finish,
    )
