"""W3C Trace Context: which trace a step belongs to, and what its upstreams are told of it.

https://www.w3.org/TR/trace-context/ (Recommendation of 23 November 2021), with the `random` flag of Level 2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import getrandbits

import msgspec

PARENT, STATE = "traceparent", "tracestate"
SAMPLED = 0x01
"""The caller may have recorded its side, so what comes after it is recorded too."""
KNOWN = 0x03
"""`sampled`, and `random` of Level 2; other flags are not passed on, since nobody knows what they will mean."""
STATE_LENGTH = 512
"""Characters of `tracestate` that go on at most: what everybody has to pass on; entries beyond are left out whole."""
STATE_ENTRIES = 32
LONG_ENTRY = 128
"""Characters of an entry that is left out before shorter ones."""
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_KEY = r"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
_ENTRY = re.compile(_KEY + r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")


class Trace(msgspec.Struct, frozen=True):
    """Where a step stands in a trace. Ids are lower-case hexadecimal."""

    trace_id: str
    """32 digits: the caller's, or a new one where it sent none that is valid."""
    span_id: str = ""
    """16 digits: the step's own. Empty where it is not known any more."""
    parent_id: str | None = None
    """The caller's span."""
    flags: int = SAMPLED
    state: str = ""
    """The caller's `tracestate`; nothing is added to it."""

    @property
    def sampled(self) -> bool:
        return bool(self.flags & SAMPLED)

    def headers(self, span_id: str) -> tuple[tuple[str, str], ...]:
        """What an upstream is told, `span_id` being the call to it."""
        parent = (PARENT, f"00-{self.trace_id}-{span_id}-{self.flags:02x}")
        return (parent, (STATE, self.state)) if self.state else (parent,)


def span() -> str:
    """A new span's id. It need not be hard to guess, only rare, so that no call to the system is made for it."""
    return f"{getrandbits(64) or 1:016x}"


def read(headers: Mapping[str, str], ratio: float = 1.0) -> Trace:
    """The caller's trace, or a new one, of which the share `ratio` is sampled. `headers`: names in lower case.

    A `traceparent` that is not valid begins a new trace, and its `tracestate` is left out; a `tracestate` that is not
    valid is left out alone.
    """
    given = headers.get(PARENT)
    found = _TRACEPARENT.fullmatch(given) if given is not None else None
    if found is None or (found[1] == "00" and found[5] is not None):
        number = getrandbits(128) or 1
        flags = SAMPLED if (number & 0xFFFFFFFFFFFFFF) < ratio * (1 << 56) else 0  # the rightmost 7 bytes: Level 2
        return Trace(f"{number:032x}", span(), None, flags)
    sent = headers.get(STATE)
    return Trace(found[2], span(), found[3], int(found[4], 16) & KNOWN, _state(sent) if sent else "")


def _state(text: str) -> str:
    """The entries as they came, as many as fit; empty where one is not valid, or a key is there twice."""
    entries = [entry for part in text.split(",") if (entry := part.strip(" \t"))]
    keys = {entry.partition("=")[0] for entry in entries}
    if len(entries) > STATE_ENTRIES or len(keys) < len(entries) or not all(map(_ENTRY.fullmatch, entries)):
        return ""
    while len(",".join(entries)) > STATE_LENGTH:
        long = max(entries, key=len)
        entries.remove(long if len(long) > LONG_ENTRY else entries[-1])  # in the order that the standard asks for
    return ",".join(entries)
