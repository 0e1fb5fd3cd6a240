"""Errors in Anthropic's shape."""

from __future__ import annotations

from typing import Any

from router.errors import TurnoutError

OVERLOADED = 529
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    OVERLOADED: "overloaded_error",
    504: "timeout_error",
}
_TOO_LONG = "prompt is too long"
"""By these words Claude Code knows that it has to shorten its context."""


def status(error: TurnoutError) -> int:
    """Anthropic has a status of its own for servers that cannot take any more."""
    return OVERLOADED if error.status == 503 else error.status


def body(error: TurnoutError, request: str) -> dict[str, Any]:
    """`param` and `code` are Turnout's own members beside Anthropic's."""
    code = status(error)
    message = error.message
    if error.code == "context_length_exceeded" and _TOO_LONG not in message.lower():
        message = f"{_TOO_LONG}: {message}"
    kind = _TYPES.get(code, "invalid_request_error" if code < 500 else "api_error")
    told = {"type": kind, "message": message, "param": error.param, "code": error.code}
    return {"type": "error", "error": told, "request_id": request}
