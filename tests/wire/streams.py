"""Streamed answers for the tests: chunks, and whole streams."""

from __future__ import annotations

import json
from typing import Any


def event(payload: Any, end: str = "\n\n") -> bytes:
    return b"data: " + json.dumps(payload, ensure_ascii=False).encode() + end.encode()


def chunk(
    delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **more: Any
) -> dict[str, Any]:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "choices": [choice], **more}


USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
DONE = b"data: [DONE]\n\n"


def call(index: int | None, arguments: str, name: str | None = None, id: str | None = None) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    piece: dict[str, Any] = {"function": function}
    return piece | ({"index": index} if index is not None else {}) | ({"id": id} if id else {})


STREAM = b"".join(
    (
        b": hello\n\n",
        event(chunk({"role": "assistant", "content": ""})),
        event(chunk({"reasoning": "hm\u2028m"}), "\r\n\r\n"),
        event(chunk({"content": "Gr\u00fc\u00df\u2028 "})),
        event(chunk({"content": '\U0001f642 "usage": {data: [DONE]'}, usage=None)),
        event(chunk({"content": "other"}, index=1), "\r\r"),
        b'data: {"choices":\ndata: [{"delta": {"content": "!"}}]}\n\n',
        event(chunk({"tool_calls": [call(0, '{"a"', "f", "x"), call(1, "", "g", "y")]})),
        event(chunk({"tool_calls": [call(1, "{}"), call(0, ":1}")]})),
        event(chunk({}, "tool_calls")),
        event(chunk({}, "stop", 1)),
        event({"choices": [], "usage": USAGE}),
        DONE,
    )
)
