"""Messages that an upstream takes and gives itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import UpstreamFault
from router.wire.anthropic import answer, native
from router.wire.anthropic.request import Asked
from router.wire.anthropic.stream import Telling
from router.wire.usage import Usage
from tests.answers import completion
from tests.wire.streams import DONE, call, chunk, event

OFF = {"thinking": {"type": "disabled"}}
ON = {"thinking": {"type": "enabled", "budget_tokens": 8000}, "extra": 1}
USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}


def test_a_request_keeps_its_bytes() -> None:
    """All but the model's name and Turnout's own words."""
    body = (
        b'{"model": "auto?retries=1", "system": [{"type": "text", "text": "\\u00e9", "cache_control": {"type": '
        b'"ephemeral"}}], "temperature": 0.10, "turnout": {"accuracy": 0.9}, "metadata": {"user_id": "me", '
        b'"turnout.step": "code"}, "messages": []}'
    )
    assert native.render(body, "qwen", "off", {}) == (
        b'{"model":"qwen","system":[{"type": "text", "text": "\\u00e9", "cache_control": {"type": '
        b'"ephemeral"}}],"temperature":0.10,"metadata":{"user_id":"me"},"messages":[]}'
    )


@pytest.mark.parametrize(
    ("said", "mode", "parameters", "expected"),
    [
        (None, "off", OFF, OFF),
        ({"type": "disabled"}, "off", {}, OFF),
        (
            {"type": "enabled", "budget_tokens": 2000},
            "on",
            ON,
            {"thinking": {"type": "enabled", "budget_tokens": 2000}, "extra": 1},
        ),
        ({"type": "adaptive"}, "on", ON, ON),
        ({"type": "adaptive"}, "off", OFF, OFF),
        ({"type": "adaptive"}, "off", {}, {}),
        ({"type": "enabled", "budget_tokens": 2000}, "off", OFF, OFF),
    ],
)
def test_the_mode(said: Any, mode: str, parameters: dict[str, Any], expected: dict[str, Any]) -> None:
    """The deployment's parameters select it; the caller's own word, and its budget, stay where they say the same."""
    body = {"model": "auto", "messages": [], **({"thinking": said} if said else {})}
    sent = json.loads(native.render(json.dumps(body).encode(), "m", mode, parameters))
    assert {k: v for k, v in sent.items() if k not in ("model", "messages")} == expected


def message(*content: dict[str, Any], stop: str | None = "end_turn", **more: Any) -> bytes:
    return json.dumps({"type": "message", "content": list(content), "stop_reason": stop, **more}).encode()


def test_a_whole_message_is_read() -> None:
    """As the checks see any answer."""
    usage = {"input_tokens": 3, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 7}
    body = message(
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        stop="tool_use",
        usage=usage,
    )
    read = native.from_body(body)
    (choice,) = read.choices
    assert (choice.content, choice.reasoning, choice.finish_reason) == ("ab", "hm", "tool_calls")
    (made,) = choice.tool_calls
    assert (made.id, made.name, json.loads(made.arguments)) == ("t1", "f", {"a": 1})
    assert read.usage == Usage(9, 4, 7) and read.size == len(body)


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("max_tokens", "length"),
        ("refusal", "content_filter"),
        ("stop_sequence", "stop"),
        ("new", "stop"),
        (None, "stop"),
    ],
)
def test_why_it_ended(stop: str | None, finish: str) -> None:
    """In chat completions' words."""
    assert native.from_body(message(stop=stop)).finish_reason == finish


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", "invalid_body"),
        (b"{}", "invalid_body"),
        (b'{"type": "error", "error": {"type": "api_error", "message": "dead"}}', "error_object"),
    ],
)
def test_what_is_no_message(body: bytes, kind: str) -> None:
    """It is the upstream's fault."""
    with pytest.raises(UpstreamFault) as caught:
        native.from_body(body)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("data", "kind"), [(b"{]", "invalid_body"), (b'{"type": "error", "error": {}}', "error_object")]
)
def test_what_is_no_event(data: bytes, kind: str) -> None:
    """The same."""
    with pytest.raises(UpstreamFault) as caught:
        native.from_stream(b"data: " + data + b"\n\n")
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("data", "commits"),
    [
        ({"type": "ping"}, False),
        ({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}, False),
        ({"type": "content_block_start", "content_block": {"type": "text", "text": "a"}}, True),
        ({"type": "content_block_start", "content_block": {"type": "tool_use", "name": "f"}}, True),
        ({"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}}, True),
        ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": ""}}, False),
        ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, False),
    ],
)
def test_what_commits(data: dict[str, Any], commits: bool) -> None:
    """Text, thinking or a call."""
    assert native.decode(json.dumps(data).encode()).commits is commits


texts = st.text(max_size=8)


@given(texts, texts, st.lists(st.dictionaries(texts, st.integers(), max_size=2), max_size=2), st.data())
def test_what_is_told_can_be_read(thought: str, said: str, inputs: list[dict[str, int]], data: Any) -> None:
    """A message that Turnout makes of a chat completion, streamed or whole, reads as what it was made of."""
    asked = Asked(b"", show_thinking=True)
    made = [{"id": f"t{i}", "function": {"name": "f", "arguments": json.dumps(a)}} for i, a in enumerate(inputs)]
    whole = {"content": said, "reasoning": thought, "tool_calls": made}
    finish = "tool_calls" if made else "stop"
    body = completion(choices=[{"index": 0, "message": whole, "finish_reason": finish}], usage=USAGE)
    chunks = [{"reasoning": thought}, {"content": said}]
    chunks += [{"tool_calls": [call(i, json.dumps(a), "f", f"t{i}")]} for i, a in enumerate(inputs)]
    telling = Telling(asked, "msg_1")
    stream = b"".join(telling.feed(event(chunk(c))) for c in chunks)
    stream += telling.feed(event(chunk({}, finish)) + event({"choices": [], "usage": USAGE}) + DONE) + telling.end()
    for read in (native.from_body(answer.from_chat(body, asked, "msg_1")), native.from_stream(stream)):
        (choice,) = read.choices
        assert (choice.content, choice.reasoning, choice.finish_reason) == (said, thought, finish)
        assert [(c.id, c.name, json.loads(c.arguments)) for c in choice.tool_calls] == [
            (f"t{i}", "f", a) for i, a in enumerate(inputs)
        ]
        assert read.usage == Usage(9, 4, 5)
