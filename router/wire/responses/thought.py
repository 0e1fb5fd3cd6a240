"""Thinking as the opaque text that callers without a store send back: encoded for the way, hidden from nobody."""

from __future__ import annotations

import binascii
from base64 import b64decode, urlsafe_b64encode

PREFIX = "turnout1."


def seal(text: str) -> str:
    return PREFIX + urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode()


def unseal(text: str) -> str | None:
    """None for what was not sealed here: nobody but its maker can read it."""
    if not text.startswith(PREFIX):
        return None
    try:
        return b64decode(text[len(PREFIX) :].encode(), b"-_", validate=True).decode("utf-8", "surrogatepass")
    except (binascii.Error, UnicodeError):
        return None
