"""The hot routes as `/openapi.json` describes it: `StepRoute` stands before FastAPI, which sees no request to
them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter

from router.api.dialect import CHAT

_OPEN: dict[str, Any] = {"type": "object", "additionalProperties": True}
_MESSAGE = {
    **_OPEN,
    "required": ["role"],
    "properties": {
        "role": {"type": "string", "enum": ["system", "developer", "user", "assistant", "tool", "function"]},
        "content": {"description": "Text, or parts: text and images.", "anyOf": [
            {"type": "string"}, {"type": "array", "items": _OPEN}, {"type": "null"},
        ]},
    },
}  # fmt: skip
_REQUEST = {
    **_OPEN,
    "description": "A chat completion's body. Fields that are not listed go upstream as they came.",
    "required": ["model", "messages"],
    "properties": {
        "model": {
            "type": "string",
            "description": "`auto`, `auto:<policy>`, a model, an arm (`model/mode`) or an alias, hints after a `?`.",
            "examples": ["auto", "auto?accuracy=0.9&retries=1"],
        },
        "messages": {"type": "array", "minItems": 1, "items": _MESSAGE},
        "stream": {"type": "boolean", "default": False},
        "tools": {"type": "array", "items": _OPEN},
        "response_format": _OPEN,
        "max_tokens": {"type": "integer"},
        "max_completion_tokens": {"type": "integer"},
        "metadata": {**_OPEN, "description": "Entries called `turnout.<hint>` are hints and do not go upstream."},
        "turnout": {**_OPEN, "description": "Hints, by name; does not go upstream."},
    },
}
_ANSWER = {
    **_OPEN,
    "description": "The upstream's chat completion, byte for byte.",
    "required": ["choices"],
    "properties": {
        "id": {"type": "string"},
        "object": {"type": "string"},
        "model": {"type": "string"},
        "choices": {"type": "array", "items": _OPEN},
        "usage": {"type": ["object", "null"]},
    },
}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
HEADERS = {
    "x-request-id": "The caller's own, or a new one.",
    "x-turnout-decision-id": "What outcomes are reported under.",
    "x-turnout-model": "The arm that answered, `model/mode`.",
    "x-turnout-plan": "The chosen sequence of arms.",
    "x-turnout-attempts": "Upstream calls begun.",
    "x-turnout-p-success": "P(success) of the plan, 0 to 1.",
    "x-turnout-accuracy-met": "`false` where no plan reached the required accuracy.",
    "x-turnout-expected-cost-usd": "Expected cost of the plan.",
    "x-turnout-cost-usd": "What was paid; not on streams.",
    "x-turnout-policy": "The policy that decided.",
    "x-turnout-overhead-ms": "Milliseconds spent by Turnout itself.",
    "x-turnout-rejected": "`true` where a check refused the answer and no attempt was left.",
}
STATUSES = {
    400: "The request is wrong, or no model may take it",
    401: "No key, or a wrong one",
    403: "A server without keys was called under another machine's name, or by a web page",
    404: "No such model or policy",
    408: "The body or the headers arrive too slowly",
    413: "The body is too large",
    422: "An upstream says that the request is wrong",
    429: "Rate limited, or the run's budget is spent",
    431: "The request line and the headers are too large",
    500: "A mistake in Turnout",
    502: "Every attempt failed",
    503: "No healthy model, or the server is being stopped",
    504: "The deadline passed",
    529: "No healthy model, or the server is being stopped",
}
COMMON = tuple(status for status in STATUSES if status != 529)
"""Anthropic's dialect has 529 for what is 503 elsewhere."""


def chat() -> APIRouter:
    """The route of chat completions, described."""
    return step(
        CHAT,
        "chat",
        "One agent step",
        "Sends the step to the models that finish it at the lowest cost per success.",
        _REQUEST,
        _ANSWER,
    )


def refusals(error: dict[str, Any], statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """What a route answers beside a 200, in the shape of its errors."""
    content = {"application/json": {"schema": error}}
    return {status: {"description": STATUSES[status], "content": content} for status in statuses}


def step(
    path: str,
    tag: str,
    summary: str,
    description: str,
    request: dict[str, Any],
    answer: dict[str, Any],
    error: dict[str, Any] = ERROR,
    *,
    streams: bool = True,
    headers: Mapping[str, str] = HEADERS,
    statuses: Iterable[int] = COMMON,
) -> APIRouter:
    """A route that stands before FastAPI: the JSON schemas of its request, its answer and its errors.

    `headers`: what its answers carry, and what that says.
    """
    router = APIRouter(tags=[tag])
    described = {name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()}
    content: dict[str, Any] = {"application/json": {"schema": answer}}
    if streams:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    told: dict[int | str, dict[str, Any]] = {
        200: {"description": "The answer", "headers": described, "content": content}
    }
    told |= refusals(error, statuses)
    body = {"required": True, "content": {"application/json": {"schema": request}}}

    def never_reached() -> None:
        pass

    router.add_api_route(
        path,
        never_reached,
        name=tag,
        methods=["POST"],
        summary=summary,
        description=description,
        openapi_extra={"requestBody": body},
        responses=told,
        response_model=None,
    )
    return router
