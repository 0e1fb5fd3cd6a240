"""Reads a request body strictly: one JSON object in UTF-8, no key twice, not nested too deeply.

Only the top level is taken apart; what lies below stays as the bytes that came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from router.errors import BadRequest

MAX_DEPTH = 64
_BOM = b"\xef\xbb\xbf"
_TO_PARENTHESES = bytes.maketrans(b"[{]}", b"(())")
_NO_BRACKETS = bytes(c for c in range(256) if c not in b"[{]}")
_PATH = re.compile(r"^(.*?)(?: - at `\$(.*)`)?$", re.DOTALL)
_TYPES = {
    "str": "a string",
    "int": "a whole number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


class _Key:
    """A top-level key. Two are never equal, so that a key given twice shows."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


FLAG = msgspec.json.Decoder(bool | None)
_COUNT = msgspec.json.Decoder(int | None)
_FIELDS = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=lambda kind, text: _Key(text))


def read(body: bytes) -> dict[str, msgspec.Raw]:
    """The top-level members in the order they came. Raises BadRequest.

    What lies below the top level is for `refuse_nesting` and `refuse_twice` to look at.
    """
    if body.startswith(_BOM):
        refuse_body("The body starts with a byte order mark. Send plain UTF-8.")
    try:
        body.decode()
        pairs = _FIELDS.decode(body)
    except UnicodeDecodeError as error:
        refuse_body(f"The body is not valid UTF-8 (byte {error.start}).")
    except RecursionError:
        refuse_body(f"The body is nested too deeply. At most {MAX_DEPTH} levels are allowed.")
    except msgspec.ValidationError:
        refuse_body("The body must be a JSON object.")
    except msgspec.DecodeError as error:
        refuse_body(_malformed(str(error), body))
    fields: dict[str, msgspec.Raw] = {}
    for key, value in pairs.items():
        fields[key.text] = value
    if len(fields) != len(pairs):
        twice = _twice([key.text for key in pairs])
        raise BadRequest(f"{twice} is given twice. Send it once.", param=twice)
    return fields


def _malformed(reason: str, body: bytes) -> str:
    if "truncated" in reason:
        reason = "it ends too early" if body.strip() else "it is empty"
        if body.rstrip().endswith(b"}"):
            reason += r", or a \ud800-\udfff escape stands without its pair"
        return f"The body is not valid JSON: {reason}."
    return f"The body is not valid JSON: {reason.removeprefix('JSON is malformed: ')}."


def _twice(names: list[str]) -> str:
    seen: set[str] = set()
    return next(n for n in names if n in seen or seen.add(n))[:64]  # type: ignore[func-returns-value]


def refuse_body(message: str) -> NoReturn:
    raise BadRequest(message, code="invalid_json")


def refuse(param: str, rule: str) -> NoReturn:
    """`rule` completes a sentence that begins with the field: `must be a number`."""
    raise BadRequest(f"{param} {rule}.", param=param)


def decode(decoder: msgspec.json.Decoder[Any], raw: bytes | msgspec.Raw, param: str) -> Any:
    """`raw` as the decoder's type. Raises BadRequest naming the member inside `param` that is wrong."""
    try:
        return decoder.decode(raw)
    except RecursionError:
        refuse(param, f"is nested too deeply, at most {MAX_DEPTH} levels are allowed")
    except msgspec.DecodeError as error:
        text, path = _PATH.match(str(error)).groups()  # type: ignore[union-attr]
        refuse(param + (path or ""), _plain(text))


def get(fields: Mapping[str, msgspec.Raw], name: str, decoder: msgspec.json.Decoder[Any]) -> Any:
    """The field `name`, None where it is not sent. Raises BadRequest."""
    raw = fields.get(name)
    return None if raw is None else decode(decoder, raw, name)


def flag(fields: Mapping[str, msgspec.Raw], name: str) -> bool | None:
    """Raises BadRequest for what is no boolean."""
    value: bool | None = get(fields, name, FLAG)
    return value


def count(fields: Mapping[str, msgspec.Raw], name: str, least: int, most: int) -> int | None:
    """Raises BadRequest for what is no whole number from `least` to `most`."""
    value: int | None = get(fields, name, _COUNT)
    if value is not None and not least <= value <= most:
        refuse(name, f"must be a whole number from {least} to {most}")
    return value


def _plain(reason: str) -> str:
    """msgspec's words in ours: "Expected `str`, got `int`" → "must be a string"."""
    if found := re.match(r"Expected `([a-z |]+)`, got", reason):
        return "must be " + " or ".join(_TYPES.get(kind, kind) for kind in found[1].split(" | "))
    if found := re.match(r"Object missing required field `(\w+)`", reason):
        return f"lacks {found[1]}"
    return f"cannot be read ({reason})"


def refuse_twice(text: bytes, param: str) -> None:
    """Raises BadRequest where an object in `text`, valid JSON that is not nested too deeply, holds a key twice: who
    reads it next might take the other value."""
    try:
        _PAIRS.decode(text.decode())
    except _Twice as found:
        refuse(param, f"gives the key {str(found)[:64]!r} twice; send it once")


class _Twice(Exception):
    """A key that an object holds twice."""


def _once(pairs: list[tuple[str, None]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        raise _Twice(_twice([key for key, _ in pairs]))


def _nothing(_: str) -> None:
    """A number, whose value nobody needs."""


_PAIRS = json.JSONDecoder(object_pairs_hook=_once, parse_int=_nothing, parse_float=_nothing)


def closers(text: bytes) -> int:
    """Closing brackets in `text`, those inside strings included: no JSON is nested deeper than that."""
    return text.count(b"}") + text.count(b"]")


def too_deep(text: bytes, levels: int = MAX_DEPTH) -> bool:
    """Whether valid JSON is nested more than `levels` deep. Linear in its length, without recursion.

    Strings are cut out: with escaped backslashes and quotes gone, every quote left opens or closes one. Then each pass
    takes away the innermost brackets.
    """
    if closers(text) <= levels:
        return False
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(text.split(b'"')[::2]).translate(_TO_PARENTHESES, _NO_BRACKETS)
    for _ in range(levels):
        if not brackets:
            return False
        brackets = brackets.replace(b"()", b"")
    return bool(brackets)


def refuse_nesting(text: bytes, param: str, above: int = 1) -> None:
    """Raises BadRequest where `text`, which itself lies `above` levels down, goes deeper than the body may."""
    if too_deep(text, MAX_DEPTH - above):
        refuse(param, f"is nested too deeply, at most {MAX_DEPTH} levels are allowed")


def refuse_odd(text: bytes, name: str) -> None:
    """Raises BadRequest where a field is nested too deeply or holds a key twice."""
    if len(text) > 2 * MAX_DEPTH - 3:
        refuse_nesting(text, name)
    if text[:1] in b"{[":
        refuse_twice(text, name)
