"""The embeddings dialect: what a request asks for, written for one deployment, and its answer looked over.

Vectors pass as the bytes that came; only where a server gives them in the other of the two forms are they rewritten.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from router import hints
from router.errors import UpstreamFault
from router.hints import Hints
from router.wire import body as wire_body
from router.wire import fault, usage
from router.wire.body import count, decode, get, refuse
from router.wire.chat import MAX_MODEL

MAX_INPUTS = 2048
"""Texts in one request, as OpenAI has it."""
MAX_DIMENSIONS = 65_536
Format = Literal["float", "base64"]

_TEXT = msgspec.json.Decoder(str)
_INPUTS = msgspec.json.Decoder(list[str | int | list[int]])
_FORMAT = msgspec.json.Decoder(Format | None)
_OBJECT = msgspec.json.Decoder(dict[str, Any] | None)
_ENCODER = msgspec.json.Encoder()


class Request(msgspec.Struct, frozen=True):
    model: str
    """Without its hints."""
    hints: Hints
    fields: Mapping[str, msgspec.Raw]
    count: int
    """Texts to turn into vectors."""
    size: int
    """UTF-8 bytes of the texts, as JSON has them."""
    tokens: int | None
    """Of all texts, where they came as tokens."""
    format: Format


class _Vector(msgspec.Struct):
    embedding: msgspec.Raw
    index: int = 0


class _Answer(msgspec.Struct):
    data: list[_Vector] | None = None
    usage: Any = None
    error: Any = None


_ANSWER = msgspec.json.Decoder(_Answer)
_WHOLE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_FLOATS = msgspec.json.Decoder(list[float])


def parse(body: bytes, headers: Mapping[str, str]) -> Request:
    """Raises BadRequest naming the field."""
    fields = wire_body.read(body)
    if "model" not in fields:
        refuse("model", 'is missing: send "auto", or the name of an embedding model')
    named: str = decode(_TEXT, fields["model"], "model")
    if not 0 < len(named) <= MAX_MODEL:
        refuse("model", f"must be 1 to {MAX_MODEL} characters")
    model, query = hints.split_model(named)
    said = hints.read(
        (
            ("model?", query),
            ("x-turnout-", hints.from_headers(headers)),
            ("turnout.", get(fields, "turnout", _OBJECT) or {}),
        )
    )
    count(fields, "dimensions", 1, MAX_DIMENSIONS)
    form: Format = get(fields, "encoding_format", _FORMAT) or "float"
    texts, tokens = _inputs(fields)
    return Request(model, said, fields, texts, len(fields["input"]), tokens, form)


def _inputs(fields: Mapping[str, msgspec.Raw]) -> tuple[int, int | None]:
    """How many texts there are, and of how many tokens where they came as such."""
    if "input" not in fields:
        refuse("input", "is missing: send a text, or a list of texts")
    raw = fields["input"]
    if _first(raw) == b'"':
        if len(raw) <= 2:
            refuse("input", "must not be empty")
        return 1, None
    if _first(raw) != b"[":
        refuse("input", "must be a text, a list of texts, or tokens")
    inputs = decode(_INPUTS, raw, "input")
    if not inputs or not all(one != "" and one != [] for one in inputs):
        refuse("input", "must not be empty, nor hold anything that is")
    kind = type(inputs[0])
    if any(type(one) is not kind for one in inputs):
        refuse("input", "must not mix texts and tokens")
    if kind is int:
        return 1, len(inputs)
    if len(inputs) > MAX_INPUTS:
        refuse("input", f"must hold at most {MAX_INPUTS} texts")
    return len(inputs), None if kind is str else sum(map(len, inputs))


def render(request: Request, model: str) -> bytes:
    """The body for an upstream that knows the model as `model`; everything but Turnout's own words goes as it came."""
    fields: dict[str, Any] = {name: raw for name, raw in request.fields.items() if name != "turnout"}
    return _ENCODER.encode({**fields, "model": model})


def look_over(body: bytes, request: Request) -> tuple[bytes, usage.Usage | None]:
    """The answer in the form that was asked for, and the usage it reports.

    Raises UpstreamFault: `invalid_body` where it is none, or has not one vector for each text; `error_object`.
    """
    answer = fault.decoded(_ANSWER, body, "The upstream's answer is no list of vectors.")
    if answer.error:
        raise UpstreamFault("error_object", "The upstream reported an error in place of an answer.")
    vectors = answer.data
    if vectors is None or sorted(v.index for v in vectors) != list(range(request.count)):
        raise _invalid("The upstream's answer has not one vector for each text.")
    wrong = b"[" if request.format == "base64" else b'"'
    if any(_first(v.embedding) not in (b"[", b'"') for v in vectors):
        raise _invalid("The upstream's answer holds something that is no vector.")
    if any(_first(v.embedding) == wrong for v in vectors):
        body = _rewritten(body, vectors, request.format)
    return body, usage.from_wire(answer.usage)


def _rewritten(body: bytes, vectors: list[_Vector], form: Format) -> bytes:
    """The same vectors as base64 of little-endian 32-bit floats, or as lists of numbers."""
    change = _as_base64 if form == "base64" else _as_floats
    data = [{"object": "embedding", "index": v.index, "embedding": change(bytes(v.embedding))} for v in vectors]
    return _ENCODER.encode({**_WHOLE.decode(body), "data": data})


def _as_base64(raw: bytes) -> Any:
    if raw[:1] == b'"':
        return msgspec.Raw(raw)
    try:
        numbers = _FLOATS.decode(raw)
        return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    except (msgspec.DecodeError, OverflowError):
        raise _invalid("The upstream's answer holds something that is no vector.") from None


def _as_floats(raw: bytes) -> Any:
    if raw[:1] == b"[":
        return msgspec.Raw(raw)
    try:
        packed = base64.b64decode(_TEXT.decode(raw), validate=True)
        return list(struct.unpack(f"<{len(packed) // 4}f", packed))
    except (ValueError, struct.error):
        raise _invalid("The upstream's answer holds something that is no vector.") from None


def _first(raw: msgspec.Raw) -> bytes:
    """The byte that tells what a JSON value is, without a copy of all of it."""
    return bytes(memoryview(raw)[:1])


def _invalid(message: str) -> UpstreamFault:
    return UpstreamFault("invalid_body", message)
