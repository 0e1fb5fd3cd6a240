"""Errors in Anthropic's shape."""

from __future__ import annotations

import pytest

from router import errors
from router.errors import TurnoutError
from router.wire.anthropic import fault

CASES: list[tuple[TurnoutError, int, str]] = [
    (errors.BadRequest("x"), 400, "invalid_request_error"),
    (errors.Unauthorized("x"), 401, "authentication_error"),
    (errors.Forbidden("x"), 403, "permission_error"),
    (errors.NotFound("x"), 404, "not_found_error"),
    (errors.BadRequest("x", status=405), 405, "invalid_request_error"),
    (errors.BodyTooLarge("x"), 413, "request_too_large"),
    (errors.CallerFault("x", status=422), 422, "invalid_request_error"),
    (errors.BudgetExhausted("x"), 429, "rate_limit_error"),
    (errors.RateLimited("x"), 429, "rate_limit_error"),
    (TurnoutError("x"), 500, "api_error"),
    (errors.UpstreamFault("reset", "x"), 502, "api_error"),
    (errors.Unavailable("x"), 529, "overloaded_error"),
    (errors.DeadlineExceeded("x"), 504, "timeout_error"),
]


@pytest.mark.parametrize(("error", "status", "kind"), CASES, ids=[kind for _, _, kind in CASES])
def test_each_error_has_anthropics_name(error: TurnoutError, status: int, kind: str) -> None:
    """Status and type as its clients know them; the field and Turnout's own code beside them."""
    assert fault.status(error) == status
    assert fault.body(error, "req_1") == {
        "type": "error",
        "error": {"type": kind, "message": "x", "param": error.param, "code": error.code},
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("At most 8 tokens.", "prompt is too long: At most 8 tokens."),
        ("Prompt is too long: 9 tokens > 8", "Prompt is too long: 9 tokens > 8"),
    ],
)
def test_a_context_that_is_too_long(said: str, told: str) -> None:
    """In the words by which coding agents know that they have to shorten it."""
    error = errors.UpstreamFault("unsupported", said, code="context_length_exceeded")
    assert fault.body(error, "r")["error"]["message"] == told
