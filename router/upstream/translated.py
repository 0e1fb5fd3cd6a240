"""Gives litellm's answers the exact shape that an OpenAI-compatible endpoint gives. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

DONE = b"data: [DONE]\n\n"
JSON_OBJECT = re.compile(r"\{.*\}", re.DOTALL)
TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

_encode = msgspec.json.Encoder().encode


def whole(answer: dict[str, Any], model: str) -> bytes:
    """A chat.completion from litellm's ModelResponse, dumped."""
    choices = [
        {
            "index": choice["index"],
            "message": {"role": "assistant", "content": None} | _compact(choice["message"], drop="index"),
            "logprobs": choice.get("logprobs"),
            "finish_reason": choice["finish_reason"],
        }
        for choice in answer["choices"]
    ]
    head = {"id": answer["id"], "object": "chat.completion", "created": answer["created"], "model": model}
    return _encode(head | {"choices": choices, "usage": _compact(answer["usage"])})


def events(chunk: dict[str, Any], model: str, show_usage: bool) -> bytes:
    """Server-sent events from one of litellm's chunks, dumped without nulls; empty where it says nothing.

    Usage, which litellm adds to a chunk with an empty delta, goes into a last chunk without choices.
    """
    head = {"id": chunk["id"], "object": "chat.completion.chunk", "created": chunk["created"], "model": model}
    choices = [choice for choice in map(_choice, chunk["choices"]) if choice["delta"] or choice["finish_reason"]]
    parts = [head | {"choices": choices}] if choices else []
    if show_usage and "usage" in chunk:
        parts.append(head | {"choices": [], "usage": _compact(chunk["usage"])})
    return b"".join(b"data: %s\n\n" % _encode(part) for part in parts)


def refusal(status: int, words: str, code: str | None) -> bytes:
    """An error body in OpenAI's shape; the message is the provider's own where `words` hold its JSON."""
    kind = TYPES.get(status, "server_error")
    return _encode({"error": {"message": _message(words), "type": kind, "param": None, "code": code}})


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    delta = _compact(choice["delta"])
    if not delta.get("content") and "role" not in delta:
        delta.pop("content", None)
    for call in delta.get("tool_calls", ()):
        if "id" not in call:
            call.pop("type", None)  # said once, with the id
    return {
        "index": choice["index"],
        "delta": delta,
        "logprobs": choice.get("logprobs"),
        "finish_reason": choice.get("finish_reason"),
    }


def _compact(value: Any, drop: str = "") -> Any:
    """Without nulls, litellm's second copy of provider fields, and the key `drop`."""
    if isinstance(value, dict):
        return {
            key: _compact(item, drop)
            for key, item in value.items()
            if item is not None and key not in ("provider_specific_fields", drop)
        }
    return [_compact(item, drop) for item in value] if isinstance(value, list) else value


def _message(words: str) -> str:
    found = JSON_OBJECT.search(words)
    if found is None:
        return words.strip()
    try:
        data = msgspec.json.decode(found[0])
    except (msgspec.DecodeError, RecursionError):
        return words.strip()
    error = data.get("error", data)
    message = error.get("message") if isinstance(error, dict) else error
    return str(message) if message else words.strip()
