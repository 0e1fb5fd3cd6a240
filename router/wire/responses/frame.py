"""The response object: what it says of its request, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from router.errors import TurnoutError
from router.step import NULL
from router.wire.responses.request import ENCRYPTED, Request
from router.wire.usage import Usage

_CODES = ("rate_limit_exceeded", "context_length_exceeded", "insufficient_quota")
"""Codes of errors that callers act on; of all others they know no more than that the server failed."""
_LIMITS = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Finish reasons of an answer that is not whole, and how this dialect calls them."""
_ECHOED = ("metadata", "previous_response_id", "prompt_cache_key", "safety_identifier", "temperature", "top_p", "user")


class Frame(msgspec.Struct, frozen=True):
    """All of a response that is known before its answer."""

    id: str
    created: int
    """Unix seconds."""
    echo: Mapping[str, Any]
    summary: bool
    """Whether thinking is to be told as a summary."""
    sealed: bool
    """Whether thinking is to be given as the text that comes back as it is."""


def build(request: Request, response_id: str, created: int, *, kept: bool) -> Frame:
    """`kept`: whether the response can be asked for later."""
    fields, effort, summary = request.fields, request.reasoning.effort, request.reasoning.summary
    summary = summary or request.reasoning.generate_summary
    echo: dict[str, Any] = {name: fields.get(name, NULL) for name in _ECHOED}
    if echo["metadata"] == NULL:
        echo["metadata"] = {}
    echo |= {
        "background": False,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": None,
        "parallel_tool_calls": request.parallel is not False,
        "reasoning": {"effort": effort, "summary": summary},
        "service_tier": fields.get("service_tier", "default"),
        "store": kept,
        "text": {"format": _format(fields), "verbosity": request.text.verbosity or "medium"},
        "tool_choice": fields.get("tool_choice", "auto"),
        "tools": request.offer.shown,
        "top_logprobs": request.top_logprobs or 0,
        "truncation": "disabled",
    }
    return Frame(response_id, created, echo, bool(summary), ENCRYPTED in request.include)


_TEXT = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)


def _format(fields: Mapping[str, msgspec.Raw]) -> Any:
    text = _TEXT.decode(fields.get("text", NULL)) or {}
    given = text.get("format", NULL)
    return {"type": "text"} if given == NULL else given


def response(frame: Frame, status: str, model: str, output: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """The object. `more`: those of `completed_at`, `error`, `incomplete_details`, `usage`, `service_tier` to say."""
    return {
        "id": frame.id,
        "object": "response",
        "created_at": frame.created,
        "status": status,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": output,
        **frame.echo,
        "usage": None,
        **more,
    }


def cut_short(finish_reason: str | None) -> dict[str, str] | None:
    """`incomplete_details` of an answer that ended so; None where it is whole."""
    reason = _LIMITS.get(finish_reason or "")
    return {"reason": reason} if reason else None


def usage(seen: Usage | None) -> dict[str, Any] | None:
    if seen is None:
        return None
    return {
        "input_tokens": seen.prompt_tokens,
        "input_tokens_details": {"cached_tokens": seen.cached_tokens},
        "output_tokens": seen.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": seen.reasoning_tokens},
        "total_tokens": seen.prompt_tokens + seen.completion_tokens,
    }


def error(failure: TurnoutError) -> dict[str, str]:
    """The `error` of a response that failed."""
    return {"code": failure.code if failure.code in _CODES else "server_error", "message": failure.message}
