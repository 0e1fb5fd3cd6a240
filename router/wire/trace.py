"""The caller's trace, as W3C Trace Context says it (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

import re
from collections.abc import Mapping

TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-.*)?"
)


def trace_id(headers: Mapping[str, str]) -> str | None:
    """The 32 hexadecimal digits of the trace that a request is part of; None where it says none, or says it wrongly.
    A version after 00 may have more to say, which is left alone."""
    found = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return None if found is None or (found["version"] == "00" and found["more"]) else found["trace"]
