"""The hot routes as `/openapi.json` describes it: `StepRoute` stands before FastAPI, which sees no request to
them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI

from router.api.dialect import CHAT
from router.api.hinted import TURNOUT
from router.wire import chat as chat_wire
from router.wire import tools

OPEN: dict[str, Any] = {"type": "object", "additionalProperties": True}
COUNT: dict[str, Any] = {"type": ["integer", "null"], "minimum": 1, "maximum": chat_wire.MAX_TOKENS}
"""Of tokens."""
_FORM = {
    **OPEN,
    "required": ["type"],
    "properties": {"type": {"type": "string", "examples": ["text", "json_object", "json_schema"]}},
}
_FUNCTION = {
    **OPEN,
    "required": ["function"],
    "properties": {
        "type": {"const": "function", "default": "function"},
        "function": {
            **OPEN,
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": tools.MAX_NAME},
                "parameters": {"anyOf": [{**OPEN, "description": "A JSON schema."}, {"type": "null"}]},
            },
        },
    },
}
_OTHER_TOOL = {
    **OPEN,
    "required": ["type"],
    "properties": {"type": {"type": "string", "not": {"const": "function"}}},
}
_PART = {**OPEN, "required": ["type"], "properties": {"type": {"type": "string"}}}
_MESSAGE = {
    **OPEN,
    "required": ["role"],
    "properties": {
        "role": {"type": "string", "examples": ["user", "system", "developer", "assistant", "tool", "function"]},
        "content": {"description": "Text, or parts: text and images.", "anyOf": [
            {"type": "string"}, {"type": "array", "items": _PART}, {"type": "null"},
        ]},
    },
}  # fmt: skip
REQUEST: dict[str, Any] = {
    **OPEN,
    "description": "A chat completion's body. Fields that are not listed go upstream as they came.",
    "required": ["model", "messages"],
    "properties": {
        "model": {
            "type": "string",
            "minLength": 1,
            "maxLength": chat_wire.MAX_MODEL,
            "description": "`auto`, `auto:<policy>`, a model, an arm (`model/mode`) or an alias, hints after a `?`.",
            "examples": ["auto", "auto?accuracy=0.9&retries=1"],
        },
        "messages": {"type": "array", "minItems": 1, "items": _MESSAGE},
        "stream": {"type": ["boolean", "null"], "default": False},
        "tools": {"type": ["array", "null"], "items": {"anyOf": [_FUNCTION, _OTHER_TOOL]}},
        "response_format": {"anyOf": [_FORM, {"type": "null"}]},
        "max_tokens": COUNT,
        "max_completion_tokens": COUNT,
        "metadata": {
            **OPEN,
            "type": ["object", "null"],
            "description": "Entries called `turnout.<hint>` are hints and do not go upstream.",
        },
        "turnout": TURNOUT,
    },
}
_ANSWER = {
    **OPEN,
    "description": "The upstream's chat completion, byte for byte.",
    "required": ["choices"],
    "properties": {
        "id": {"type": "string"},
        "object": {"type": "string"},
        "model": {"type": "string"},
        "choices": {"type": "array", "items": OPEN},
        "usage": {"type": ["object", "null"]},
    },
}
ERROR: dict[str, Any] = {
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
        REQUEST,
        _ANSWER,
    )


def refusals(error: dict[str, Any], statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """What a route answers beside a 200, in the shape of its errors."""
    content = {"application/json": {"schema": error}}
    return {status: {"description": STATUSES[status], "content": content} for status in statuses}


def taking(schema: dict[str, Any]) -> dict[str, Any]:
    """What a route's description says of the body that it reads itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


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
        content["text/event-stream"] = {}
    told: dict[int | str, dict[str, Any]] = {
        200: {"description": "The answer", "headers": described, "content": content}
    }
    told |= refusals(error, statuses)

    def never_reached() -> None:
        pass

    router.add_api_route(
        path,
        never_reached,
        name=tag,
        methods=["POST"],
        summary=summary,
        description=description,
        openapi_extra=taking(request),
        responses=told,
        response_model=None,
    )
    return router


def truthfully(app: FastAPI) -> None:
    """Has `/openapi.json` say what FastAPI cannot know: errors come in one shape, and a key is a key, no header."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            whole = generated()
            whole.get("components", {}).get("schemas", {}).pop("HTTPValidationError", None)
            whole.get("components", {}).get("schemas", {}).pop("ValidationError", None)
            whole.setdefault("components", {})["securitySchemes"] = {
                "bearer": {"type": "http", "scheme": "bearer", "description": "Where the server has keys."}
            }
            for methods in whole["paths"].values():
                for operation in methods.values():
                    _mend(operation)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _mend(operation: dict[str, Any]) -> None:
    given = operation.get("parameters", [])
    kept = [p for p in given if p["name"] != "authorization"]
    if len(kept) < len(given):
        operation["security"] = [{"bearer": []}, {}]
        operation.pop("parameters")
        if kept:
            operation["parameters"] = kept
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    if "security" in operation and "500" not in responses:
        responses["default"] = {
            "description": "Any error",
            "content": {"application/json": {"schema": ERROR}},
        }
