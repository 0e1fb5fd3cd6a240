"""The error tree: what each failure is over HTTP, and what a caller reads of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router import errors
from router.errors import ConfigError, TurnoutError, UpstreamFault

TREE: dict[str, tuple[int, str, str]] = {
    "TurnoutError": (500, "server_error", "internal_error"),
    "BadRequest": (400, "invalid_request_error", "invalid_request"),
    "Forbidden": (403, "permission_error", "forbidden"),
    "Unauthorized": (401, "authentication_error", "invalid_api_key"),
    "NotFound": (404, "invalid_request_error", "not_found"),
    "Conflict": (409, "invalid_request_error", "conflict"),
    "BodyTooLarge": (413, "invalid_request_error", "body_too_large"),
    "Infeasible": (400, "invalid_request_error", "no_feasible_model"),
    "BudgetExhausted": (429, "insufficient_quota", "budget_exhausted"),
    "RateLimited": (429, "rate_limit_error", "rate_limit_exceeded"),
    "Unavailable": (503, "server_error", "no_healthy_model"),
    "DeadlineExceeded": (504, "server_error", "deadline_exceeded"),
    "CallerFault": (400, "invalid_request_error", "invalid_request"),
}


@pytest.mark.parametrize("name", TREE)
def test_each_failure_answers_in_openais_shape(name: str) -> None:
    """Status, type and code belong to the class; the message and the field at fault to the one failure."""
    status, kind, code = TREE[name]
    error = getattr(errors, name)("What happened.", param="messages")
    assert isinstance(error, TurnoutError) and str(error) == "What happened."
    assert (error.status, error.retry_after, error.retryable) == (status, None, False)
    assert error.body() == {"error": {"message": "What happened.", "type": kind, "param": "messages", "code": code}}


def test_code_status_and_wait_can_be_given_for_one_failure() -> None:
    """Without changing the class for the next one."""
    error = errors.BadRequest("x", code="unknown_hint", status=408, retry_after=3.0)
    assert (error.status, error.code, error.retry_after) == (408, "unknown_hint", 3.0)
    assert (errors.BadRequest.status, errors.BadRequest.code) == (400, "invalid_request")


FAULTS = [
    ("connect", 502, "server_error", "upstream_error"),
    ("truncated", 502, "server_error", "upstream_error"),
    ("rate_limited", 429, "rate_limit_error", "rate_limit_exceeded"),
    ("unsupported", 400, "invalid_request_error", "unsupported_by_model"),
]


@pytest.mark.parametrize(("kind", "status", "type_", "code"), FAULTS)
def test_an_attempts_failure_may_be_followed_by_another(kind: str, status: int, type_: str, code: str) -> None:
    """If none does, the caller sees a 502; a 429 of every upstream stays one, what no model can do is a 400."""
    error = UpstreamFault(kind, "m", upstream_status=418, retry_after=2.5)
    assert error.retryable
    assert (error.kind, error.upstream_status, error.retry_after) == (kind, 418, 2.5)
    assert (error.status, error.type, error.code) == (status, type_, code)


def test_what_the_upstream_calls_the_mistake_is_kept() -> None:
    """Agents look for `context_length_exceeded` to know that they have to shorten their history."""
    error = UpstreamFault("unsupported", "m", param="messages", code="context_length_exceeded")
    assert error.body()["error"]["code"] == "context_length_exceeded"
    assert error.body()["error"]["param"] == "messages"


def test_a_file_is_told_with_line_and_reason() -> None:
    """In the form that editors jump to; without a line where there is none to name."""
    error = ConfigError("p.yaml", 7, "retries: must not be true or false")
    assert str(error) == "p.yaml:7: retries: must not be true or false"
    assert (error.path, error.line, error.reason) == ("p.yaml", 7, "retries: must not be true or false")
    assert str(ConfigError("p.yaml", None, "is empty")) == "p.yaml: is empty"
    assert not isinstance(error, TurnoutError)


def test_the_docstring_is_the_tree() -> None:
    """Every class is in the picture at the top of the module, and nothing else."""
    classes = {n for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, Exception)}
    assert set(re.findall(r"^\W*([A-Z]\w+?(?:Error|Fault|[a-z]))\s{2,}", errors.__doc__ or "", re.M)) == classes


ROUTER = Path(errors.__file__).parent
HTTP = (ROUTER.parent / "docs" / "http.md").read_text()


def test_every_code_is_in_the_contract() -> None:
    """Those of the classes that a caller can meet, and those that are given on the spot."""
    classes = {c.code for c in vars(errors).values() if isinstance(c, type) and issubclass(c, TurnoutError)}
    given = {
        code
        for path in ROUTER.rglob("*.py")
        if "simulate" not in path.parts
        for code in re.findall(r'code="([a-z_]+)"', path.read_text())
    }
    always_given = {
        "not_found",
        "conflict",
        "budget_exhausted",
        "forbidden",
    }  # the classes' own codes, which no place leaves as they are
    missing = {code for code in (classes | given) - always_given if f"`{code}`" not in HTTP}
    assert given and not missing
