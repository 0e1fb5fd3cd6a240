"""Whole answers, from a body and from a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import UpstreamFault
from router.wire import answer, sse
from router.wire.answer import Answer, Choice, ToolCall, Usage
from tests.wire.streams import DONE, STREAM, USAGE, call, chunk, event

READ = Answer(
    (
        Choice(
            0,
            'Grüß\u2028 🙂 "usage": {data: [DONE]!',
            "hm\u2028m",
            tool_calls=(ToolCall("f", '{"a":1}', "x"), ToolCall("g", "{}", "y")),
            finish_reason="tool_calls",
        ),
        Choice(1, "other", finish_reason="stop"),
    ),
    Usage(9, 4, 5, 2),
    len(STREAM),
)


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=30))
def test_any_split_of_a_stream_is_the_same_answer(cuts: list[int]) -> None:
    """Deltas are put together over choices and parallel calls, however the bytes arrived."""
    splitter = sse.Splitter()
    at = sorted({0, len(STREAM), *cuts})
    body = b"".join(splitter.feed(STREAM[a:b]) for a, b in zip(at, at[1:], strict=False)) + splitter.flush()
    assert answer.from_stream(body) == READ
    assert READ.finish_reason == "tool_calls"


def body(*choices: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"id": "c", "object": "chat.completion", "choices": choices, **more}).encode()


def message(**fields: Any) -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", **fields}, "finish_reason": "stop"}


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({"content": "a"}, {"content": "a"}),
        ({"content": None, "refusal": "no"}, {"refusal": "no"}),
        ({"content": [{"type": "text", "text": "a"}, {"text": "b"}, "c", {}]}, {"content": "ab"}),
        ({"content": 5}, {}),
        ({"reasoning": "r"}, {"reasoning": "r"}),
        ({"reasoning_content": "r", "reasoning": None}, {"reasoning": "r"}),
        ({"reasoning_content": "r", "reasoning": "r"}, {"reasoning": "r"}),
        ({"audio": {"id": "x"}}, {"audio": True}),
        (
            {"tool_calls": [call(None, "{}", "f", "1"), call(None, "{}", "f", "1")]},
            {"tool_calls": (ToolCall("f", "{}", "1"), ToolCall("f", "{}", "1"))},
        ),
        (
            {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": None}]},
            {"tool_calls": (ToolCall("f", '{"a":1}'), ToolCall("", ""))},
        ),
        (
            {"tool_calls": [{"type": "custom", "custom": {"name": "grep", "input": "x y"}}]},
            {"tool_calls": (ToolCall("grep", "x y"),)},
        ),
        ({"function_call": {"name": "f", "arguments": None}}, {"tool_calls": (ToolCall("f", ""),)}),
    ],
)
def test_bodies(fields: dict[str, Any], choice: dict[str, Any]) -> None:
    """Text and parts, both names of reasoning, calls in all shapes."""
    text = body(message(**fields), usage=USAGE)
    assert answer.from_body(text) == Answer((Choice(**choice, finish_reason="stop"),), Usage(9, 4, 5, 2), len(text))


def test_choices_come_by_index() -> None:
    """Whatever their order on the wire."""
    read = answer.from_body(body({**message(content="b"), "index": 1}, message(content="a")))
    assert [c.content for c in read.choices] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"<html>", "invalid_body"),
        (b"", "invalid_body"),
        (b"[]", "invalid_body"),
        (b"{}", "invalid_body"),
        (b'{"choices":null}', "invalid_body"),
        (b'{"choices":[{}]}', "invalid_body"),
        (b'{"choices":[{"message":{"tool_calls":3}}]}', "invalid_body"),
        (b'{"x":' + b"[" * 100_000, "invalid_body"),
        (b'{"choices":[{"message":{},"finish_reason":"\xff"}]}', "invalid_body"),
        (b'{"error":{"message":"x"}}', "error_object"),
        (b'{"error":"x","choices":[]}', "error_object"),
        (b'{"choices":[]}', "empty"),
    ],
)
def test_bodies_that_are_no_answer(text: bytes, kind: str) -> None:
    """Each is a fault of the upstream, told apart."""
    with pytest.raises(UpstreamFault) as caught:
        answer.from_body(text)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        ([call(0, "", "f", "1"), call(1, "", "g", "2"), call(1, "b"), call(0, "a")], [("f", "a"), ("g", "b")]),
        (
            [call(None, "a", "f", "1"), call(None, "b"), call(None, "c", "g", "2"), call(None, "d", id="1")],
            [("f", "abd"), ("g", "c")],
        ),
        ([call(None, "a"), call(None, "b")], [("", "ab")]),
        ([call(0, "", "f", "1"), call(0, "a", "f", "1")], [("f", "a")]),
    ],
)
def test_calls_are_put_together(pieces: list[dict[str, Any]], calls: list[tuple[str, str]]) -> None:
    """By index; without one by id; without either to the last. A name said again is not doubled."""
    stream = b"".join(event(chunk({"tool_calls": [piece]})) for piece in pieces) + DONE
    assert [(c.name, c.arguments) for c in answer.from_stream(stream).choices[0].tool_calls] == calls


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (b"", "empty"),
        (DONE, "empty"),
        (event({"choices": [], "usage": USAGE}) + DONE, "empty"),
        (event(chunk({"role": "assistant"})), "truncated"),
        (event(chunk({"content": "a"})), "truncated"),
        (b"data: <html>\n\n", "invalid_body"),
        (event({"error": {"message": "x"}}), "error_object"),
    ],
)
def test_streams_that_are_no_answer(stream: bytes, kind: str) -> None:
    """Each is a fault of the upstream, told apart."""
    with pytest.raises(UpstreamFault) as caught:
        answer.from_stream(stream)
    assert caught.value.kind == kind


def test_a_stream_ends_by_a_finish_reason_or_done() -> None:
    """Either is enough, and what follows [DONE] is not read."""
    end = event({"choices": [{"finish_reason": "stop"}]})
    assert answer.from_stream(event(chunk({"content": "a"})) + end).choices[0].content == "a"
    read = answer.from_stream(event(chunk({"content": "a"})) + DONE + event(chunk({"content": "b"})))
    assert (read.choices[0].content, read.finish_reason, read.usage) == ("a", None, None)
