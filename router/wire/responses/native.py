"""Responses as an upstream that speaks the dialect itself takes and gives them: bytes pass, and are read on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from router.errors import UpstreamFault
from router.step import NULL, Native
from router.wire import fault, native, thinking
from router.wire.address import addressed
from router.wire.answer import Answer, Choice, ToolCall
from router.wire.responses import content, offer, thought
from router.wire.responses.items import REFERENCE, Item
from router.wire.responses.request import Request
from router.wire.usage import Usage

_FALSE, _REASONING = msgspec.Raw(b"false"), "reasoning"
_ENDS = ("response.completed", "response.incomplete")
_FAILS = ("response.failed", "error")
_CUT = {"max_output_tokens": "length", "content_filter": "content_filter"}


class _Cached(msgspec.Struct):
    cached_tokens: int | None = None


class _Thought(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Counts(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Cached | None = None
    output_tokens_details: _Thought | None = None


class _Cut(msgspec.Struct):
    reason: str | None = None


class Response(msgspec.Struct):
    """What counts of a response object."""

    status: str | None = None
    output: list[Item] | None = None
    error: Any = None
    incomplete_details: _Cut | None = None
    usage: _Counts | None = None

    @property
    def counted(self) -> Usage | None:
        """The tokens, as chat completions count."""
        if self.usage is None:
            return None
        cached, thought = self.usage.input_tokens_details, self.usage.output_tokens_details
        return Usage(
            prompt_tokens=max(0, self.usage.input_tokens or 0),
            cached_tokens=max(0, (cached.cached_tokens if cached else None) or 0),
            completion_tokens=max(0, self.usage.output_tokens or 0),
            reasoning_tokens=max(0, (thought.reasoning_tokens if thought else None) or 0),
        )

    @property
    def finish_reason(self) -> str:
        """In chat completions' words."""
        if self.status == "incomplete":
            return _CUT.get((self.incomplete_details.reason if self.incomplete_details else None) or "", "length")
        return "tool_calls" if any(item.type.endswith("_call") for item in self.output or ()) else "stop"


class Event(msgspec.Struct):
    """One event of a stream; which members count depends on its type."""

    type: str = ""
    delta: Any = None
    item: Item | None = None
    response: Response | None = None

    @property
    def commits(self) -> bool:
        """Whether it carries anything of an answer."""
        if self.type == "response.output_item.added":
            return self.item is not None and self.item.type.endswith("_call")
        return self.type.endswith(".delta") and bool(self.delta)

    @property
    def ends(self) -> bool:
        return self.type in _ENDS and self.response is not None

    @property
    def finish_reason(self) -> str | None:
        return self.response.finish_reason if self.ends and self.response is not None else None

    def counted(self, before: Usage | None) -> Usage | None:
        return self.response.counted if self.ends and self.response is not None else before


_RESPONSE = msgspec.json.Decoder(Response)
_EVENT = msgspec.json.Decoder(Event)
_ENCODER = msgspec.json.Encoder()


def original(request: Request, body: bytes, before: Sequence[msgspec.Raw], history: Sequence[Item]) -> Native | None:
    """The request for upstreams that speak the dialect; None where it holds thoughts that only we can read.

    What it follows stands in its input, since it is kept here and nowhere else. Thoughts from before the last user
    message are left out, as in chat completions.
    """
    raws, whole = [*before, *request.items], [*history, *request.read]
    asked = max((i for i, item in enumerate(whole) if item.role == "user"), default=-1)
    late = [item for i, item in enumerate(whole) if item.type == _REASONING and i > asked]
    if any((item.encrypted_content or "").startswith(thought.PREFIX) for item in late):
        return None
    kept = [raw for i, (raw, item) in enumerate(zip(raws, whole, strict=True)) if item.type != _REASONING or i > asked]
    fields: dict[str, Any] = dict(request.fields)
    if before or len(kept) < len(raws) or b'"' + REFERENCE.encode() + b'"' in body:
        fields["input"] = kept
    fields.pop("previous_response_id", None)
    fields["store"] = _FALSE
    return Native(_ENCODER.encode(fields), thinks=True, dialect="responses", thoughts=bool(late))


def render(body: bytes, model: str, mode: str, parameters: Mapping[str, Any]) -> bytes:
    """The request for an upstream that knows the model as `model`. Turnout's words are taken out.

    `parameters` select the mode there; the caller's own `reasoning` stays where it says the same.
    """
    fields = addressed(native.fields(body), model)
    said = fields.get(_REASONING)
    if said is not None and thinking.explicit({_REASONING: said}) == mode:
        parameters = {name: value for name, value in parameters.items() if name != _REASONING}
        return _ENCODER.encode(fields | parameters)
    return _ENCODER.encode(thinking.write(fields, parameters) if parameters else fields)


def from_body(body: bytes) -> Answer:
    """The answer of a whole response. Raises UpstreamFault: `invalid_body` for none, `error_object` for an error."""
    return _answer(fault.decoded(_RESPONSE, body, "The upstream's answer is no response."), len(body))


def from_stream(body: bytes) -> Answer:
    """The answer that the events of a whole stream make up. Raises UpstreamFault as `decode`, and `truncated`."""
    done: list[Item] = []
    for event in native.events(body, decode):
        if event.type == "response.output_item.done" and event.item is not None:
            done.append(event.item)
        if event.ends and event.response is not None:
            response = event.response
            response.output = response.output or done  # some servers do not say it all again
            return _answer(response, len(body))
    raise UpstreamFault("truncated", "The upstream ended its answer before it was complete.")


def decode(data: bytes) -> Event:
    """One event's data. Raises UpstreamFault: `invalid_body` for what is none, `error_object` for an error."""
    event = fault.decoded(_EVENT, data, "The upstream sent an event that is none of a response's.")
    if event.type in _FAILS:
        raise UpstreamFault("error_object", "The upstream reported an error in its answer.")
    return event


def _answer(response: Response, size: int) -> Answer:
    if response.error or response.status == "failed":
        raise UpstreamFault("error_object", "The upstream reported an error in place of an answer.")
    if response.output is None:
        raise UpstreamFault("invalid_body", "The upstream's answer has no output.")
    choice = Choice(
        content="".join(_texts(response.output, "message", "text")),
        reasoning="".join(content.lenient(i.content) or content.lenient(i.summary) for i in response.output
                          if i.type == _REASONING),
        refusal="".join(_texts(response.output, "message", "refusal")),
        tool_calls=tuple(_call(item) for item in response.output if item.type.endswith("_call") and item.call_id),
        finish_reason=response.finish_reason,
    )  # fmt: skip
    return Answer((choice,), response.counted, size)


def _texts(output: Sequence[Item], kind: str, member: str) -> Iterator[str]:
    for item in output:
        parts = msgspec.json.decode(item.content) if item.type == kind else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and isinstance(text := part.get(member), str):
                yield text


def _call(item: Item) -> ToolCall:
    """A call by the name, and with the arguments, that it would have in a chat completion."""
    if item.type == "function_call":
        name, written = offer.chat_name(item.name or "", item.namespace), _loose(item.arguments)
    elif item.type == "custom_tool_call":
        name = offer.chat_name(item.name or "", item.namespace)
        written = _ENCODER.encode({"input": _loose(item.input)}).decode()
    else:
        name = item.type.removesuffix("_call")
        written = bytes(item.operation if item.operation != NULL else item.action).decode()
    return ToolCall(name, written, item.call_id)


def _loose(raw: msgspec.Raw) -> str:
    """A string's text; of anything else the JSON itself."""
    text = bytes(raw)
    return msgspec.json.decode(text, type=str) if text[:1] == b'"' else text.decode()
