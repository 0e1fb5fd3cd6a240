"""The chat completions dialect: a request read into a StepRequest, and written for one deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from router.hints import ENTRY
from router.step import NULL, StepRequest
from router.wire import body as wire_body
from router.wire import history, messages, thinking, tools
from router.wire.address import addressed
from router.wire.body import FLAG, count, decode, flag, get, refuse, refuse_odd

MAX_MODEL = 2048
"""Characters of a model name, which may carry hints."""
MAX_TOKENS = 10_000_000
MAX_CHOICES = 128
_ANY_OBJECT = b'{"type":"object"}'

Fields = dict[str, msgspec.Raw]


class _Format(msgspec.Struct, frozen=True):
    type: str
    json_schema: dict[str, msgspec.Raw] | None = None


_TEXT = msgspec.json.Decoder(str)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_PLAIN = msgspec.json.Decoder(dict[str, Any] | None)
_VALUE: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_FORMAT = msgspec.json.Decoder(_Format | None)
_ENCODER = msgspec.json.Encoder()


def parse(body: bytes) -> StepRequest:
    """Reads what the decision needs and keeps everything else as it came. Raises BadRequest naming the field."""
    fields = wire_body.read(body)
    model = _model(fields)
    read = messages.read(fields.get("messages"))
    for name, raw in fields.items():
        if len(raw) > 12 and name not in ("messages", "tools"):  # which look themselves
            refuse_odd(bytes(raw), name[:64])
    stream = flag(fields, "stream") is True
    usage = get(fields, "stream_options", _OBJECT) or {}
    offer = tools.offered(fields.get("tools"))
    limit = count(fields, "max_tokens", 1, MAX_TOKENS)
    completion = count(fields, "max_completion_tokens", 1, MAX_TOKENS)
    return StepRequest(
        model=model,
        fields=fields,
        messages=read.messages,
        size=len(body),
        stream=stream,
        include_usage=decode(FLAG, usage.get("include_usage", NULL), "stream_options.include_usage") is True,
        max_tokens=limit if completion is None else completion,
        n=count(fields, "n", 1, MAX_CHOICES) or 1,
        tools=offer.names,
        tool_schemas=offer.schemas,
        tool_choice=tools.choice(fields.get("tool_choice"), offer.names),
        schema=_schema(fields),
        logprobs=flag(fields, "logprobs") is True,
        thinking=thinking.explicit(fields),
        images=read.images,
        image_bytes=read.image_bytes,
        thoughts=any(map(history.thinks, read.messages)),
        metadata=_metadata(fields),
        hints=get(fields, "turnout", _PLAIN),
    )


def _model(fields: Fields) -> str:
    if "model" not in fields:
        refuse("model", 'is missing: send "auto", or the name of a model')
    model: str = decode(_TEXT, fields["model"], "model")
    if not 0 < len(model) <= MAX_MODEL:
        refuse("model", f"must be 1 to {MAX_MODEL} characters")
    return model


def _schema(fields: Fields) -> bytes | None:
    """What `response_format` demands; formats that only the upstream knows demand nothing here."""
    form: _Format | None = get(fields, "response_format", _FORMAT)
    if form is None or form.type not in ("json_object", "json_schema"):
        return None
    if form.type == "json_object":
        return _ANY_OBJECT
    if form.json_schema is None:
        refuse("response_format.json_schema", "is missing: send an object with name and schema")
    schema = bytes(form.json_schema.get("schema", b"null"))
    if schema[:1] != b"{":
        refuse("response_format.json_schema.schema", "must be a JSON schema, an object")
    return schema


def _metadata(fields: Fields) -> Mapping[str, Any]:
    entries: dict[str, msgspec.Raw] = get(fields, "metadata", _OBJECT) or {}
    return {k: decode(_VALUE, raw, f"metadata.{k[:64]}") for k, raw in entries.items() if k.startswith(ENTRY)}


def render(
    request: StepRequest, model: str, parameters: Mapping[str, Any] | None = None, spelled: Sequence[str] = ()
) -> bytes:
    """The body for an upstream that knows the model as `model`.

    Turnout's own words are taken out, usage is asked for where the answer is streamed, and the deployment's thinking
    `parameters` win. Thoughts in earlier answers are written as `history.written` does, in the fields `spelled`. Every
    other member's value goes out byte for byte, in its place.
    """
    fields = addressed(request.fields, model)
    if request.thoughts:
        fields["messages"] = history.written(fields["messages"], request.messages, spelled)
    if request.stream and not request.include_usage:
        options = get(request.fields, "stream_options", _OBJECT) or {}
        fields["stream_options"] = {**options, "include_usage": True}
    if parameters:
        fields = thinking.write(fields, parameters)
    return _ENCODER.encode(fields)
