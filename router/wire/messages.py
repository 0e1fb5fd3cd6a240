"""The field `messages`: roles, tool calls and pictures are read; content stays as the bytes that came."""

from __future__ import annotations

import msgspec

from router.step import NULL, Message
from router.wire import image
from router.wire.body import MAX_DEPTH, closers, decode, refuse, refuse_nesting, refuse_twice, too_deep

MAX_MESSAGES = 10_000
_NULL = b"null"
_ONCE = (b'"role"', b'"content"', b'"tool_calls"', b'"tool_call_id"')
"""Keys that a message holds once at most, as they stand in the text."""
_PREFIX = 48
"""Bytes by which a content is found again in the text it came from."""


class _Url(msgspec.Struct, frozen=True):
    url: msgspec.Raw


class Part(msgspec.Struct, frozen=True):
    """One part of a content of several; kinds besides text and pictures pass as they are."""

    type: str
    text: msgspec.Raw = NULL
    image_url: msgspec.Raw = NULL


_MESSAGES = msgspec.json.Decoder(list[Message])
_PARTS = msgspec.json.Decoder(list[Part])
_URL = msgspec.json.Decoder(_Url)


class Read(msgspec.Struct, frozen=True):
    messages: tuple[Message, ...]
    images: tuple[image.Size, ...] = ()
    image_bytes: int = 0
    """Bytes that the pictures' URLs take up."""


def read(raw: msgspec.Raw | None) -> Read:
    """Raises BadRequest naming the message and its member that is wrong."""
    if raw is None:
        refuse("messages", "is missing: send a list of at least one message")
    text = bytes(raw)
    messages = tuple(decode(_MESSAGES, text, "messages"))
    if not 0 < len(messages) <= MAX_MESSAGES:
        refuse("messages", f"must hold 1 to {MAX_MESSAGES} messages, not {len(messages)}")
    images: list[image.Size] = []
    size = 0
    for i, message in enumerate(messages):
        content = bytes(message.content)
        if content[:1] != b'"' and content != _NULL:
            size += _parts(content, f"messages[{i}].content", images)
    outside = _outside(text, messages)
    if _maybe_deep(outside, messages) and too_deep(text, MAX_DEPTH - 1):
        refuse("messages", f"is nested too deeply, at most {MAX_DEPTH} levels are allowed")
    if any(outside.count(key) > len(messages) for key in _ONCE):  # a quote inside a string has a backslash before it
        refuse_twice(text, "messages")
    return Read(messages, tuple(images), size)


def _outside(text: bytes, messages: tuple[Message, ...]) -> bytes:
    """The text without the messages' contents. Those are skipped, not searched: at 100 KB counting in them would cost
    as much as all the rest of the reading."""
    at, gaps = 0, []
    for message in messages:
        content = bytes(message.content)
        if content != _NULL:
            found = text.find(content[:_PREFIX], at)
            if text.startswith(content, found):  # else the same beginning elsewhere: it stays in
                gaps.append(text[at:found])
                at = found + len(content)
    return b"".join((*gaps, text[at:]))


def _maybe_deep(outside: bytes, messages: tuple[Message, ...]) -> bool:
    """Whether the brackets outside contents and arguments, beyond those of messages and calls themselves, are many.

    Only members unknown here can have those, and few cannot be deep.
    """
    spare = closers(outside)
    for message in messages:
        spare -= 2
        for call in message.tool_calls or ():
            spare -= 2 if call.function is None else 2 + closers(bytes(call.function.arguments))
    return spare > MAX_DEPTH // 2


def _parts(content: bytes, param: str, images: list[image.Size]) -> int:
    """Adds the pictures' sizes to `images`; returns the bytes of their URLs."""
    if content[:1] != b"[":
        refuse(param, "must be a string, a list of parts, or null")
    refuse_nesting(content, param, above=3)
    size = 0
    for i, part in enumerate(decode(_PARTS, content, param)):
        if part.type == "text" and bytes(part.text)[:1] != b'"':
            refuse(f"{param}[{i}].text", "must be a string")
        if part.type == "image_url":
            url = _url(bytes(part.image_url), f"{param}[{i}].image_url")
            images.append(image.size(url))
            size += len(url)
    return size


def _url(raw: bytes, param: str) -> bytes:
    """The URL as a JSON string; some servers take it without the object around it."""
    url = raw if raw[:1] == b'"' else bytes(decode(_URL, raw, param).url)
    if url[:1] != b'"':
        refuse(f"{param}.url", "must be a string")
    return url
