"""`POST /v1/responses` as `/openapi.json` describes it."""

from __future__ import annotations

from fastapi import APIRouter

from router.api import contract
from router.api.contract import OPEN
from router.api.hinted import TURNOUT
from router.api.responses import RESPONSES

_TEXT = {"type": ["string", "null"]}
_ITEM = {
    **OPEN,
    "properties": {
        "type": {
            "type": "string",
            "default": "message",
            "description": "message, function_call, function_call_output, custom_tool_call, custom_tool_call_output, "
            "reasoning, item_reference, or a call of local_shell, shell or apply_patch and its output.",
        }
    },
}
REQUEST = {
    **OPEN,
    "description": "A request of OpenAI's Responses API. Fields that neither it nor this list knows go upstream as "
    "they came.",
    "required": ["model", "input"],
    "properties": {
        "model": {
            "type": "string",
            "description": "`auto`, `auto:<policy>`, a model, an arm (`model/mode`) or an alias, hints after a `?`.",
            "examples": ["auto", "auto?accuracy=0.9&retries=1"],
        },
        "input": {"anyOf": [{"type": "string"}, {"type": "array", "items": _ITEM}]},
        "instructions": _TEXT,
        "previous_response_id": {**_TEXT, "description": "A response that is kept, which this one follows."},
        "store": {"type": ["boolean", "null"], "default": True},
        "stream": {"type": ["boolean", "null"], "default": False},
        "tools": {"type": ["array", "null"], "items": OPEN},
        "tool_choice": {"anyOf": [{"type": "string"}, OPEN, {"type": "null"}]},
        "parallel_tool_calls": {"type": ["boolean", "null"]},
        "text": {"anyOf": [OPEN, {"type": "null"}]},
        "reasoning": {"anyOf": [OPEN, {"type": "null"}]},
        "include": {"type": ["array", "null"], "items": {"type": "string"}},
        "max_output_tokens": contract.COUNT,
        "metadata": {
            "anyOf": [OPEN, {"type": "null"}],
            "description": "Comes back with the response. Entries called `turnout.<hint>` are hints too.",
        },
        "turnout": TURNOUT,
    },
}
ANSWER = {
    **OPEN,
    "description": "A response. Streamed, it comes as the events of OpenAI's Responses API.",
    "required": ["id", "object", "created_at", "status", "model", "output", "usage", "error", "incomplete_details"],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "response"},
        "created_at": {"type": "integer"},
        "status": {"enum": ["completed", "incomplete"]},
        "model": {"type": "string"},
        "output": {"type": "array", "items": OPEN},
        "usage": {"anyOf": [OPEN, {"type": "null"}]},
        "error": {"type": "null"},
        "incomplete_details": {"anyOf": [OPEN, {"type": "null"}]},
    },
}


def responses() -> APIRouter:
    """The route of the Responses dialect, described."""
    return contract.step(
        RESPONSES,
        "responses",
        "One agent step, as a response",
        "As a chat completion, in OpenAI's Responses dialect; what it builds on is kept here.",
        REQUEST,
        ANSWER,
    )
