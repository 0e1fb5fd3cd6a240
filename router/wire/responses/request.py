"""A request to `/v1/responses`: read, and written as a chat completion's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from router.hints import ENTRY, IDENT
from router.step import NULL
from router.wire import body as wire_body
from router.wire.body import MAX_DEPTH, count, decode, flag, get, refuse, refuse_nesting
from router.wire.chat import MAX_TOKENS
from router.wire.responses import ids, items, offer
from router.wire.responses.items import REFERENCE, Item
from router.wire.responses.offer import Offer

Fields = Mapping[str, msgspec.Raw]

MAX_ITEMS = 10_000
ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
PASSED = ("model", "stream", "temperature", "top_p", "user", "service_tier")
"""Fields that mean the same in a chat completion, and go on as they came."""
OURS = frozenset(
    "instructions input previous_response_id store include max_output_tokens max_tool_calls metadata text reasoning "
    "tools tool_choice parallel_tool_calls truncation background conversation prompt prompt_cache_key "
    "prompt_cache_retention prompt_cache_options safety_identifier stream_options context_management moderation "
    "client_metadata top_logprobs".split()
)
"""Fields of this dialect alone. Those that neither dialect knows go upstream as they came."""
REFUSED = {
    "background": "is not to be had: a response lasts as long as its request",
    "conversation": "is not kept here. Send previous_response_id, or the whole input",
    "prompt": "is kept at OpenAI. Send its text as instructions",
    "moderation": "is not to be had: nobody here moderates",
}
MOVED = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "logprobs": f'include, as "{LOGPROBS}"',
    "functions": "tools",
    "function_call": "tool_choice",
    "n": "several requests",
}
"""Fields of a chat completion that this dialect has another place for."""


class Format(msgspec.Struct, frozen=True):
    type: str = "text"
    name: str = "response"
    schema: msgspec.Raw = NULL
    strict: bool | None = None
    description: str | None = None


class Text(msgspec.Struct, frozen=True):
    format: Format | None = None
    verbosity: str | None = None


class Reasoning(msgspec.Struct, frozen=True):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class Request(msgspec.Struct, frozen=True):
    fields: Fields
    """All members at the top level, as they came."""
    items: tuple[msgspec.Raw, ...]
    """The input; a text is made an item."""
    read: tuple[Item, ...]
    offer: Offer
    text: Text
    reasoning: Reasoning
    stream: bool
    store: bool
    previous: str | None
    """The response that this one follows."""
    session: str | None
    """By what the caller tells one prompt cache from another, as a run id."""
    instructions: str | None
    include: frozenset[str]
    max_output_tokens: int | None
    parallel: bool | None
    top_logprobs: int | None

    @property
    def references(self) -> tuple[str, ...]:
        """Names of the items that are only referred to."""
        return tuple(item.id or "" for item in self.read if item.type == REFERENCE)


_STRING = msgspec.json.Decoder(str | None)
_STRINGS = msgspec.json.Decoder(list[str] | None)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_TEXT = msgspec.json.Decoder(Text | None)
_REASONING = msgspec.json.Decoder(Reasoning | None)
_ENCODER = msgspec.json.Encoder()


def read(body: bytes) -> Request:
    """Raises BadRequest naming the field that is wrong, or that cannot be served here."""
    fields = wire_body.read(body)
    for name, raw in fields.items():
        if name in OURS and name != "tools" and len(raw) > 2 * MAX_DEPTH - 3:
            refuse_nesting(bytes(raw), name)
        if name in REFUSED and bytes(raw) not in (b"null", b"false"):
            refuse(name, REFUSED[name])
        if name in MOVED:
            refuse(name, f"is a field of chat completions. Here it is {MOVED[name]}")
    taken = _input(fields)
    _metadata(fields)
    previous = get(fields, "previous_response_id", _STRING)
    key = get(fields, "prompt_cache_key", _STRING)
    return Request(
        fields=fields,
        items=taken,
        read=tuple(items.read(taken, "input")),
        offer=offer.read(fields.get("tools"), fields.get("tool_choice")),
        text=get(fields, "text", _TEXT) or Text(),
        reasoning=get(fields, "reasoning", _REASONING) or Reasoning(),
        stream=flag(fields, "stream") is True,
        store=flag(fields, "store") is not False,
        previous=previous,
        session=_session(key) if key else None,
        instructions=get(fields, "instructions", _STRING),
        include=frozenset(get(fields, "include", _STRINGS) or ()),
        max_output_tokens=count(fields, "max_output_tokens", 1, MAX_TOKENS),
        parallel=flag(fields, "parallel_tool_calls"),
        top_logprobs=count(fields, "top_logprobs", 0, 20),
    )


def _input(fields: Fields) -> tuple[msgspec.Raw, ...]:
    raw = fields.get("input", NULL)
    if bytes(raw)[:1] == b'"':
        content = [{"type": "input_text", "text": raw}]
        return (msgspec.Raw(_ENCODER.encode({"type": "message", "role": "user", "content": content})),)
    if bytes(raw)[:1] != b"[":
        refuse("input", "must be a string or a list of items")
    found = tuple(decode(_RAWS, raw, "input"))
    if len(found) > MAX_ITEMS:
        refuse("input", f"must hold at most {MAX_ITEMS} items, not {len(found)}")
    return found


def _metadata(fields: Fields) -> None:
    for name, raw in (get(fields, "metadata", _OBJECT) or {}).items():
        if bytes(raw)[:1] not in b'"-0123456789tf':
            refuse(f"metadata.{name[:64]}", "must be a string")


def _session(key: str) -> str:
    return key if IDENT.fullmatch(key) else f"key_{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def resolved(request: Request, found: Mapping[str, msgspec.Raw]) -> Request:
    """The request with those items in place that it only refers to by name."""
    if not request.references:
        return request
    pairs = zip(request.items, request.read, strict=True)
    whole = [found.get(item.id or "", raw) if item.type == REFERENCE else raw for raw, item in pairs]
    return msgspec.structs.replace(request, items=tuple(whole), read=tuple(items.read(whole, "input")))


def chat(request: Request, history: Sequence[Item] = ()) -> bytes:
    """The body of the chat completion that the request comes to.

    `history`: the items of the responses that it follows. Raises BadRequest.
    """
    messages = items.messages(history, request.read, request.instructions)
    if not 0 < len(messages) <= MAX_ITEMS:
        refuse("input", f"must come to 1 to {MAX_ITEMS} messages, with all that it builds on, not {len(messages)}")
    fields: dict[str, Any] = {name: raw for name in PASSED if (raw := request.fields.get(name)) is not None}
    fields["messages"] = messages
    fields |= {name: value for name, value in _asked(request) if value is not None}
    fields |= {name: raw for name, raw in request.fields.items() if name not in OURS and name not in fields}
    return _ENCODER.encode(fields)


def _asked(request: Request) -> Iterator[tuple[str, Any]]:
    """What is asked of the answer, in the fields of a chat completion; None where nothing is."""
    if request.stream:
        yield "stream_options", {"include_usage": True}
    if request.offer.tools:
        yield "tools", request.offer.tools
        yield "tool_choice", request.offer.choice
        yield "parallel_tool_calls", request.parallel
    yield "max_tokens", request.max_output_tokens
    yield "reasoning_effort", request.reasoning.effort
    yield "response_format", _format(request.text.format)
    if LOGPROBS in request.include:
        yield "logprobs", True
        yield "top_logprobs", request.top_logprobs or 0
    said = get(request.fields, "metadata", _OBJECT) or {}
    yield "metadata", {name: value for name, value in said.items() if name.startswith(ENTRY)} or None


def _format(form: Format | None) -> dict[str, Any] | None:
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return {"type": "json_object"}
    if form.type != "json_schema":
        refuse("text.format.type", "must be text, json_object or json_schema")
    if bytes(form.schema)[:1] != b"{":
        refuse("text.format.schema", "must be a JSON schema, an object")
    schema: dict[str, Any] = {"name": form.name, "schema": form.schema}
    if form.strict is not None:
        schema["strict"] = form.strict
    if form.description is not None:
        schema["description"] = form.description
    return {"type": "json_schema", "json_schema": schema}


def named(request: Request, response_id: str) -> list[msgspec.Raw]:
    """The input's items, each with a name by which it can be referred to."""
    pairs = zip(request.items, request.read, strict=True)
    return [_named(raw, item, response_id, i) for i, (raw, item) in enumerate(pairs)]


_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}


def _named(raw: msgspec.Raw, item: Item, response_id: str, index: int) -> msgspec.Raw:
    if item.id is not None:
        return raw
    members = {"type": item.type, **(_OBJECT.decode(raw) or {})}
    members["id"] = ids.given(_PREFIXES.get(item.type, "it"), response_id, index)
    return msgspec.Raw(_ENCODER.encode(members))
