"""What a response says of its request."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from router.errors import Unavailable, UpstreamFault
from router.wire.responses import frame
from router.wire.usage import Usage
from tests.wire.responses.told import RESPONSE, asked

EVERY_MEMBER = (
    "background completed_at created_at error id incomplete_details instructions max_output_tokens max_tool_calls "
    "metadata model object output parallel_tool_calls previous_response_id prompt_cache_key reasoning "
    "safety_identifier service_tier status store temperature text tool_choice tools top_logprobs top_p truncation "
    "usage user".split()
)


def shown(*, kept: bool = True, **fields: Any) -> dict[str, Any]:
    built = frame.build(asked(**fields), RESPONSE, 100, kept=kept)
    read: dict[str, Any] = json.loads(msgspec.json.encode(frame.response(built, "in_progress", "m", [])))
    return read


def test_every_member_is_there() -> None:
    """Null where there is nothing to say, with the defaults of a request that says nothing."""
    got = shown(tools=[])
    assert sorted(got) == EVERY_MEMBER
    said = {name: value for name, value in got.items() if value is not None}
    assert said == {
        "id": RESPONSE,
        "object": "response",
        "created_at": 100,
        "status": "in_progress",
        "model": "m",
        "output": [],
        "metadata": {},
        "background": False,
        "parallel_tool_calls": True,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": True,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "truncation": "disabled",
    }


def test_what_was_asked_comes_back() -> None:
    """As the caller wrote it; only what is done otherwise here is said otherwise."""
    asked_for = {
        "metadata": {"a": "b"},
        "instructions": "i",
        "temperature": 0.5,
        "parallel_tool_calls": False,
        "tool_choice": "none",
        "tools": [{"type": "function", "name": "f"}],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "verbosity": "low"},
        "prompt_cache_key": "k",
        "max_output_tokens": 9,
        "service_tier": "flex",
    }
    got = shown(**asked_for, truncation="auto", kept=False, reasoning={"effort": "low", "generate_summary": "concise"})
    assert got.items() >= asked_for.items()
    assert got["truncation"] == "disabled" and got["store"] is False
    assert got["reasoning"] == {"effort": "low", "summary": "concise"}


def test_usage() -> None:
    """With its details; null where the upstream told none."""
    assert frame.usage(None) is None
    assert frame.usage(Usage(9, 4, 5, 2)) == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 14,
    }


def test_errors() -> None:
    """By a code that callers act on, else as the server's."""
    assert frame.error(Unavailable("Later.")) == {"code": "server_error", "message": "Later."}
    long = UpstreamFault("unsupported", "Too long.", code="context_length_exceeded")
    assert frame.error(long)["code"] == "context_length_exceeded"
