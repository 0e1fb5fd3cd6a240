"""Server-sent events as bytes: cut into whole events without changing a byte, read, and written.

Lines end with CR, LF or CRLF and with nothing else (U+2028 is text); an empty line ends an event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from router.errors import UpstreamFault

MAX_EVENT = 8_388_608
"""Bytes that one event may have."""
DONE = b"data: [DONE]\n\n"
"""The end of a stream that is whole."""
_BOM = b"\xef\xbb\xbf"
_END = re.compile(rb"(?>\r\n|\n|\r)(?:\r\n|\n|\r)+")
_LINE = re.compile(rb"\r\n|\n|\r")


class Splitter:
    """Cuts a stream, arriving in pieces of any size, behind its last whole event.

    All that it returns, joined, is what it was fed, but for what `rest` still holds.
    """

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def rest(self) -> bytes:
        """The bytes behind the last whole event."""
        return b"".join(self._parts)

    def feed(self, data: bytes) -> bytes:
        """The whole events that `data` completes, empty where there is none. Raises UpstreamFault `too_large`."""
        if not self._parts and data.endswith(b"\n\n"):
            return data
        # A boundary may lie across two pieces, so the last byte of the one before is looked at again.
        seam = self._parts[-1][-1:] if self._parts else b""
        cut = _last_end(seam + data) - len(seam)
        if cut <= 0:
            self._keep(data)
            return b""
        self._parts.append(data[:cut])
        block = b"".join(self._parts)
        self._parts, self._size = [], 0
        if cut < len(data):
            self._keep(data[cut:])
        return block

    def flush(self) -> bytes:
        """What is left at the end of the stream: an event that no empty line ends."""
        block, self._parts, self._size = self.rest, [], 0
        return block

    def _keep(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size > MAX_EVENT:
            raise UpstreamFault("too_large", "The upstream sent an event that is over the limit.")


def _last_end(text: bytes) -> int:
    """Index behind the last empty line that ends an event, or 0."""
    cut = text.rfind(b"\n\n") + 2
    if b"\r" in text:
        for ending in (b"\n\r", b"\r\r"):
            cut = max(cut, text.rfind(ending) + 2)
        if cut >= 2 and text[cut - 1] == 13 and text[cut : cut + 1] == b"\n":
            cut += 1
    return cut if cut >= 2 else 0


def blocks(block: bytes) -> Iterator[bytes]:
    """`block` cut into its events, each with the empty line behind it; joined, they are `block`."""
    start = 0
    for end in _END.finditer(block):
        yield block[start : end.end()]
        start = end.end()
    if start < len(block):
        yield block[start:]


def data(event: bytes) -> bytes | None:
    """The data of one event, its lines joined by LF; None where it has none (a comment, an empty line)."""
    if event.startswith(b"data: ") and event.find(b"\n") >= len(event) - 2 and b"\r" not in event:
        return event[6:].rstrip(b"\n")  # one line, as nearly all are
    lines = [line for line in _LINE.split(event.removeprefix(_BOM)) if line.startswith(b"data")]
    values = [line[5:].removeprefix(b" ") for line in lines if line[4:5] == b":"]
    return b"\n".join(values) if values else None


def events(block: bytes) -> Iterator[bytes]:
    """The data of each event in `block` that has any."""
    for event in blocks(block):
        if (value := data(event)) is not None:
            yield value


def is_done(data: bytes) -> bool:
    """Whether it is the [DONE] that ends a chat stream."""
    return data.strip() == b"[DONE]"


def error_event(body: Mapping[str, Any]) -> bytes:
    """An event that tells of a failure in mid-stream; `body` is OpenAI's `{"error": {...}}`."""
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def comment(text: str) -> bytes:
    """A comment, which clients skip; a line break inside cannot end it early."""
    return b": " + _LINE.sub(b" ", text.encode()) + b"\n\n"
