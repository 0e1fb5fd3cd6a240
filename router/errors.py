"""Every failure Turnout can speak of.

TurnoutError                 status, type, code, param, retry_after
├── BadRequest          400  the request cannot be understood or is out of range; names the field
├── Unauthorized        401  no key, or a wrong one
├── Forbidden           403  a keyless server was called under another machine's name
├── NotFound            404  unknown model, policy, decision or path
├── Conflict            409  it contradicts what the same source said before
├── BodyTooLarge        413  the body is over the limit
├── Infeasible          400  the gates closed on every arm; lists the reasons
├── BudgetExhausted     429  the run's own retries or money are used up
├── RateLimited         429  the key sends too much; says when to come back
├── Unavailable         503  only health stands in the way; says when to come back
├── Overloaded          503  every deployment has as many calls as it can serve
├── DeadlineExceeded    504  the deadline passed before an answer
├── CallerFault  400/422/..  the upstream says that the request itself is wrong
└── UpstreamFault  502/429/400  one attempt failed at an upstream; `retryable`: another may follow
ConfigError                  a file a person wrote is wrong: path, line and reason
"""

from __future__ import annotations

from typing import Any


class TurnoutError(Exception):
    """A failure with everything needed to answer it over HTTP in OpenAI's shape."""

    status: int = 500
    type: str = "server_error"
    code: str = "internal_error"
    retryable: bool = False
    """Whether another attempt may follow inside the step."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        """Seconds after which the caller may try again, or None."""
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status

    def body(self) -> dict[str, Any]:
        """The error as OpenAI's clients expect it: `{"error": {message, type, param, code}}`."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class BadRequest(TurnoutError):
    status, type, code = 400, "invalid_request_error", "invalid_request"


class Unauthorized(TurnoutError):
    status, type, code = 401, "authentication_error", "invalid_api_key"


class Forbidden(TurnoutError):
    status, type, code = 403, "permission_error", "forbidden"


class NotFound(TurnoutError):
    status, type, code = 404, "invalid_request_error", "not_found"


class Conflict(TurnoutError):
    status, type, code = 409, "invalid_request_error", "conflict"


class BodyTooLarge(TurnoutError):
    status, type, code = 413, "invalid_request_error", "body_too_large"


class Infeasible(BadRequest):
    code = "no_feasible_model"


class BudgetExhausted(TurnoutError):
    status, type, code = 429, "insufficient_quota", "budget_exhausted"


class RateLimited(TurnoutError):
    status, type, code = 429, "rate_limit_error", "rate_limit_exceeded"


class Unavailable(TurnoutError):
    status, type, code = 503, "server_error", "no_healthy_model"


class Overloaded(TurnoutError):
    status, type, code = 503, "server_error", "overloaded"


class DeadlineExceeded(TurnoutError):
    status, type, code = 504, "server_error", "deadline_exceeded"


class CallerFault(TurnoutError):
    """An upstream's 400-class answer that is about the request: returned once, never retried."""

    status, type, code = 400, "invalid_request_error", "invalid_request"


class UpstreamFault(TurnoutError):
    """One attempt failed at one deployment.

    `kind` is one of: connect, timeout, reset, status, rate_limited, auth, redirect, content_type,
    invalid_body, error_object, empty, too_large, unsupported, truncated. `unsupported` is an upstream 400 about context
    length, modality or an unknown parameter: another arm may still take the step; else it is the caller's to mend.
    """

    status, type, code = 502, "server_error", "upstream_error"
    retryable = True

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        upstream_status: int | None = None,
        retry_after: float | None = None,
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after, param=param)
        self.kind = kind
        self.upstream_status = upstream_status
        if kind == "rate_limited":
            self.status, self.type, self.code = 429, "rate_limit_error", "rate_limit_exceeded"
        elif kind == "unsupported":
            self.status, self.type, self.code = 400, "invalid_request_error", "unsupported_by_model"
        if code is not None:
            self.code = code


class ConfigError(Exception):
    """A policy or catalog file is wrong. Shown as `file:line: reason`."""

    def __init__(self, path: str, line: int | None, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}" if line else f"{path}: {reason}")
        self.path, self.line, self.reason = path, line, reason
