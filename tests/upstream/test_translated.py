"""OpenAI's shape out of litellm's dumps, without litellm."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.upstream import translated

HEAD = {"id": "c1", "created": 7, "object": "chat.completion.chunk"}


def told(chunk: dict[str, Any], show_usage: bool = True) -> list[dict[str, Any]]:
    events = translated.events(HEAD | chunk, "m", show_usage).split(b"\n\n")
    assert events.pop() == b""
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


def choice(delta: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta} | fields


# litellm's delta → OpenAI's
DELTAS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"content": "All", "role": "assistant"}, {"content": "All", "role": "assistant"}),
    ({"content": "", "role": "assistant"}, {"content": "", "role": "assistant"}),
    ({"content": "", "reasoning_content": "Hm"}, {"reasoning_content": "Hm"}),
    ({"content": "x", "provider_specific_fields": {"a": 1}}, {"content": "x"}),
    (
        {"content": "", "tool_calls": [{"index": 0, "id": "t", "type": "function", "function": {"name": "f"}}]},
        {"tool_calls": [{"index": 0, "id": "t", "type": "function", "function": {"name": "f"}}]},
    ),
    (
        {"content": "", "tool_calls": [{"index": 0, "type": "function", "function": {"arguments": "{"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
    ),
]


@pytest.mark.parametrize(("delta", "expected"), DELTAS)
def test_a_delta_says_only_what_is_new(delta: dict[str, Any], expected: dict[str, Any]) -> None:
    """No empty content but beside the role, no second type, no copies."""
    [event] = told({"choices": [choice(delta)]})
    assert event == HEAD | {"model": "m", "choices": [choice(expected, logprobs=None, finish_reason=None)]}


def test_usage_is_a_last_event_without_choices() -> None:
    """Also where litellm puts it beside a delta; hidden where nobody asked."""
    usage = {"prompt_tokens": 1, "a": {"b": None}}
    chunk = {"choices": [choice({"content": "x"}, finish_reason="stop")], "usage": usage}
    content, usage = told(chunk)
    assert content["choices"][0]["finish_reason"] == "stop" and "usage" not in content
    assert (usage["choices"], usage["usage"]) == ([], {"prompt_tokens": 1, "a": {}})
    assert told(chunk, show_usage=False) == [content]
    assert told({"choices": [choice({})], "usage": {}}) == [usage | {"usage": {}}]


def test_a_chunk_that_says_nothing_is_no_event() -> None:
    """litellm sends some."""
    assert told({"choices": [choice({})]}) == []
    assert told({"choices": [choice({"content": ""})]}) == []


def test_a_whole_answer_keeps_null_content_beside_tool_calls() -> None:
    """As OpenAI has it; tool calls of a whole answer have no index."""
    message = {"content": None, "role": "assistant", "function_call": None, "tool_calls": [{"index": 2, "id": "t"}]}
    answer = HEAD | {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": {"a": None}}
    body = json.loads(translated.whole(answer, "m"))
    expected = {"role": "assistant", "content": None, "tool_calls": [{"id": "t"}]}
    assert body["choices"] == [{"index": 0, "message": expected, "logprobs": None, "finish_reason": "tool_calls"}]
    assert (body["object"], body["model"], body["usage"]) == ("chat.completion", "m", {})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ('{"type": "error", "error": {"type": "x", "message": "too hot"}}', "too hot"),
        ('b\'{"error": {"message": "too hot"}}\'', "too hot"),
        ('{"message": "too hot"}', "too hot"),
        ('{"error": "too hot"}', "too hot"),
        ("too {hot} ", "too {hot}"),
        ('{"error": {}}', '{"error": {}}'),
        ("", ""),
    ],
)
def test_a_refusal_speaks_the_provider_s_words(words: str, message: str) -> None:
    """What the provider said is found in what litellm makes of it, or left as it is."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": "c"}
    assert json.loads(translated.refusal(400, words, "c")) == {"error": error}
