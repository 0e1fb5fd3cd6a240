"""Excerpts of message contents: the first and last bytes, decoded; the rest is never looked at."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import msgspec

from router.step.request import Message

_BACKSLASH = ord("\\")


class _Part(msgspec.Struct, frozen=True):
    text: msgspec.Raw = msgspec.Raw(b"null")


_PARTS = msgspec.json.Decoder(list[_Part])
_STRING = msgspec.json.Decoder(str)


def last_user(messages: Sequence[Message], head: int, tail: int) -> str:
    """An excerpt of what the user said last; "" where the user said nothing."""
    return next((excerpt(bytes(m.content), head, tail) for m in reversed(messages) if m.role == "user"), "")


def excerpt(content: bytes, head: int, tail: int) -> str:
    """About the first `head` and last `tail` bytes of the text in `content`, the JSON of a message's content.

    Of several parts, the last with text counts. Whatever is no text gives "".
    """
    if content[:1] == b"[":
        content = next((t for p in reversed(_PARTS.decode(content)) if (t := bytes(p.text))[:1] == b'"'), b"")
    if content[:1] != b'"':
        return ""
    end = len(content) - 1
    if end - 1 <= head + tail:
        return _text(content[1:end])
    start = end - tail
    if _odd(content, start):
        start += 1  # not between a backslash and what it escapes
    return _text(_whole(content[1 : 1 + head])) + "\n" + _text(content[start:end])


def _odd(text: bytes, end: int) -> bool:
    """Whether an odd number of backslashes ends just before `end`, so that the next byte is escaped."""
    at = end
    while at > 0 and text[at - 1] == _BACKSLASH:
        at -= 1
    return (end - at) % 2 == 1


_CUT = re.compile(rb"\\u[0-9a-fA-F]{0,3}\Z")


def _whole(piece: bytes) -> bytes:
    """`piece` without an escape that its end cuts in two."""
    if _odd(piece, len(piece)):
        return piece[:-1]
    cut = _CUT.search(piece, max(0, len(piece) - 5))
    return piece[: cut.start()] if cut and not _odd(piece, cut.start()) else piece


def _text(piece: bytes) -> str:
    text = piece.decode("utf-8", "ignore")
    if "\\" not in text:
        return text
    try:
        return _STRING.decode(f'"{text}"')
    except msgspec.DecodeError:
        # The standard library's reader takes half a surrogate pair, which an excerpt may begin or end with.
        decoded: str = json.loads(f'"{text}"')
        return decoded
