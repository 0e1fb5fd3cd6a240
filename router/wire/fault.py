"""Reads an upstream's refusal: whose fault it is, and whether another arm may still take the step."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, TypeVar

import msgspec

from router.errors import CallerFault, TurnoutError, UpstreamFault

T = TypeVar("T")

MAX_BODY = 65_536
"""Bytes of a refusal that are read."""
MAX_MESSAGE = 600
"""Characters of the upstream's own words that a caller sees of its own mistake."""

CALLERS = frozenset({400, 413, 422})
_TOO_LONG = (
    r"context.{0,20}(length|window|size)|maximum context|context_length_exceeded|too many (input )?tokens"
    r"|prompt is too long"
    r"|input length|(input|prompt|tokens).{0,60}exceed|exceed.{0,60}tokens"
)
OVERFLOW = re.compile(_TOO_LONG, re.IGNORECASE)
"""A 400 in these words says that the input is too long for the context."""
ELSEWHERE = re.compile(
    _TOO_LONG + r"|tokens.{0,20}too (large|many)"
    r"|multimodal|multi-modal|(image|vision|audio|modalit).{0,60}\b(not\b|un(?!able)|at most|limit)"
    r"|at most [0-9]+ image|\b(not|un(?!able)\w+)\b.{0,40}(image|vision|modalit)"
    r"|not support|unsupported|unrecognized (request )?(argument|parameter)|unknown (argument|parameter|field)"
    r"|extra (inputs|fields|keys) (are )?not (permitted|allowed)|extra_forbidden",
    re.IGNORECASE,
)
"""A 400 in these words is about what this model or server can do, not about the request as such."""


def from_reply(status: int, headers: Mapping[str, str], body: bytes) -> TurnoutError:
    """The error to raise for a reply that is not a 200. Only a caller's own mistake carries the upstream's words."""
    wait = retry_after(headers.get("retry-after"))
    if status == 429:
        return UpstreamFault(
            "rate_limited",
            "Every model that could take this step is rate limited.",
            upstream_status=429,
            retry_after=wait,
        )
    if status in CALLERS:
        return _caller(status, body)
    if status in (401, 403):
        return UpstreamFault(
            "auth", "An upstream refused Turnout's own key. The operator has to mend it.", upstream_status=status
        )
    if 300 <= status < 400:
        return UpstreamFault(
            "redirect", "The upstream answered with a redirect, which is never followed.", upstream_status=status
        )
    return UpstreamFault(
        "status", f"The upstream failed with status {status}.", upstream_status=status, retry_after=wait
    )


def _caller(status: int, body: bytes) -> TurnoutError:
    error = _error_object(body)
    message = _words(error.get("message")) or "The upstream refused the request as invalid."
    code, param = (value if isinstance(value := error.get(name), str) else None for name in ("code", "param"))
    if ELSEWHERE.search(message) or code == "context_length_exceeded":
        if OVERFLOW.search(message):
            code = "context_length_exceeded"  # by this word agents know that they have to shorten their context
        return UpstreamFault("unsupported", message[:MAX_MESSAGE], upstream_status=status, param=param, code=code)
    return CallerFault(message[:MAX_MESSAGE], status=status, param=param, code=code)


def _words(message: Any) -> str:
    """FastAPI's `detail` may be a list of objects: told as JSON."""
    return message if isinstance(message, str) else msgspec.json.encode(message).decode() if message else ""


def _error_object(body: bytes) -> dict[str, Any]:
    """`{"error": {...}}`, or vLLM's older flat form, or FastAPI's `detail`; empty where it is none of them."""
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}
    if not isinstance(data, dict):
        return {}
    error = data.get("error", data)
    if isinstance(error, str):
        return {"message": error}
    if not isinstance(error, dict):
        return {}
    if "message" not in error and "detail" in error:
        return {"message": error["detail"]}
    return error


def retry_after(text: str | None, now: Callable[[], float] = time) -> float | None:
    """Seconds from a Retry-After header, a number or a date; None where there is none or it cannot be read."""
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text.strip()):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now())
    except (OverflowError, TypeError, ValueError):  # a zone of 20 digits overflows
        return None


def decoded(decoder: msgspec.json.Decoder[T], data: bytes, otherwise: str) -> T:
    """`data` as the decoder's type. Raises UpstreamFault `invalid_body`, told as `otherwise`, for what is not."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamFault("invalid_body", otherwise) from None


def check_stream_type(headers: Mapping[str, str]) -> None:
    """Raises UpstreamFault where a reply to a streamed call is no event stream."""
    kind = headers.get("content-type", "")
    if not kind.lower().startswith("text/event-stream"):
        raise UpstreamFault(
            "content_type", "The upstream answered a streamed call with something that is no event stream."
        )
