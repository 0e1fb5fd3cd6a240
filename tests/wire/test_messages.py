"""Messages: what is read of them, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from router.errors import BadRequest
from router.step import StepRequest
from router.wire import chat

USER = {"role": "user", "content": "Hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAoAAAAHgCAIAAAC6s0uzAAAAAElFTkSuQmCC"


def parse(**fields: Any) -> StepRequest:
    return chat.parse(json.dumps({"model": "auto", "messages": [USER], **fields}).encode())


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"messages": None}, "messages", "must be a list"),
    ({"messages": []}, "messages", "1 to 10000"),
    ({"messages": "hi"}, "messages", "must be a list"),
    ({"messages": [USER] * 10_001}, "messages", "1 to 10000"),
    ({"messages": [3]}, "messages[0]", "must be an object"),
    ({"messages": [{"content": "x"}]}, "messages[0]", "lacks role"),
    ({"messages": [USER, {"role": 1}]}, "messages[1].role", "must be a string"),
    (
        {"messages": [{"role": "user", "content": 5}]},
        "messages[0].content",
        "must be a string, a list of parts, or null",
    ),
    ({"messages": [{"role": "user", "content": True}]}, "messages[0].content", "must be a string"),
    ({"messages": [{"role": "user", "content": {}}]}, "messages[0].content", "must be a string"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]", "must be an object"),
    ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0]", "lacks type"),
    (
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
        "must be a string",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages[0].content[0].image_url",
        "must be",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": 1}}]}]},
        "messages[0].content[0].image_url.url",
        "must be a string",
    ),
    ({"messages": [{"role": "user", "content": nested(70)}]}, "messages[0].content", "nested too deeply"),
    ({"messages": [{"role": "user", "content": "x", "extra": nested(70)}]}, "messages", "nested too deeply"),
    ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls", "must be a list or null"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"function": 1}]}]},
        "messages[0].tool_calls[0].function",
        "must be",
    ),
]


@pytest.mark.parametrize(("fields", "param", "says"), BAD)
def test_bad_messages_are_refused_by_name(fields: dict[str, Any], param: str, says: str) -> None:
    """The message names what is wrong and says what would be right."""
    with pytest.raises(BadRequest) as caught:
        parse(**fields)
    assert caught.value.param == param
    assert caught.value.message.startswith(param) and says in caught.value.message


def test_images_are_measured_and_never_fetched() -> None:
    """A data URL tells its size; what is elsewhere stays unknown, and other parts pass."""
    url = "http://127.0.0.1:1/a.png"
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "image_url", "image_url": url},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]
    request = parse(messages=[{"role": "user", "content": parts}])
    assert request.images == ((640, 480), (0, 0))
    assert request.image_bytes == len(PNG) + len(url) + 4


def test_agent_histories_are_read() -> None:
    """Missing and null contents, calls with brackets in their arguments, roles of every kind, contents that repeat."""
    braces = json.dumps({"q": "}" * 80})
    messages = [
        {"role": "developer", "content": "null"},
        {"role": "user", "content": "}]" * 200},
        {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "look", "arguments": braces}}, {"id": "x"}]},
        {"role": "tool", "tool_call_id": "c1", "content": "a"},
        {"role": "assistant", "content": None, "reasoning_content": "{[" * 100},
        {"role": "user", "content": "a"},
    ]
    request = parse(messages=messages)
    assert [m.role for m in request.messages] == ["developer", "user", "assistant", "tool", "assistant", "user"]
    calls = request.messages[2].tool_calls
    assert calls is not None and calls[0].function is not None
    assert json.loads(msgspec.json.decode(calls[0].function.arguments)) == json.loads(braces)


def test_a_content_that_looks_like_an_earlier_member_is_still_read() -> None:
    """Where content is found again in the text too early, it counts as unknown text, and nothing else changes."""
    text = b'{"model":"auto","messages":[{"name":"x","content":"x","role":"user"},{"content":"name","role":"user"}]}'
    assert [bytes(m.content) for m in chat.parse(text).messages] == [b'"x"', b'"name"']
    long = "x" * 60
    assert len(parse(messages=[{"role": "user", "name": long + "y", "content": long}, USER]).messages) == 2
