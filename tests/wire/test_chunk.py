"""Chunks of a streamed answer: what commits, what ends, and the usage chunk taken out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.errors import UpstreamFault
from router.wire import chunk as wire_chunk
from router.wire.usage import Usage
from tests.wire.streams import DONE, STREAM, USAGE, chunk, event


@pytest.mark.parametrize(
    ("delta", "commits"),
    [
        ({}, False),
        ({"role": "assistant", "content": ""}, False),
        ({"role": "assistant", "content": None, "tool_calls": []}, False),
        ({"content": "a"}, True),
        ({"content": [{"type": "text", "text": "a"}]}, True),
        ({"reasoning": "a"}, True),
        ({"reasoning_content": "a"}, True),
        ({"reasoning_details": [{"x": 1}]}, True),
        ({"refusal": "a"}, True),
        ({"tool_calls": [{"index": 0}]}, True),
        ({"function_call": {"name": "f"}}, True),
        ({"audio": {"id": "a"}}, True),
    ],
)
def test_the_commit_point(delta: dict[str, Any], commits: bool) -> None:
    """The first piece of an answer, of any kind; a role alone is none."""
    head = b": hi\n\n" + event(chunk())
    assert wire_chunk.commits(head + event(chunk(delta))) == commits
    assert wire_chunk.commits(event({"choices": [{"delta": {}}, {"index": 1, "delta": delta}]})) == commits


def test_events_without_choices_do_not_commit() -> None:
    """Usage, the end, a choice without a delta."""
    assert not wire_chunk.commits(event({"choices": [], "usage": USAGE}) + event({"choices": None}) + DONE)
    assert not wire_chunk.commits(event({"choices": [{"delta": None, "finish_reason": "stop"}]}))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"data: <html>\n\n", "invalid_body"),
        (b"data: \xff\n\n", "invalid_body"),
        (b'data: "\\ud800"\n\n', "invalid_body"),
        (b"data: [1]\n\n", "invalid_body"),
        (b'data: {"choices":[{"delta":{"content":"a"}}],"id":"\xff"}\n\n', None),
        (b'data: {"choices":[{"finish_reason":"\xff"}]}\n\n', "invalid_body"),
        (b'data: {"error":{"message":"x"}}\n\n', "error_object"),
        (b'data: {"error":"x","choices":[]}\n\n', "error_object"),
        (b'data: {"error":null,"choices":[{"delta":{"content":"a"}}]}\n\n', None),
        (b'data: {"x":' + b"[" * 100_000 + b"\n\n", "invalid_body"),
    ],
)
def test_before_the_commit_point_what_is_no_chunk_is_a_fault(data: bytes, kind: str | None) -> None:
    """So that the attempt is replaced."""
    if kind is None:
        assert wire_chunk.commits(data)
        return
    with pytest.raises(UpstreamFault) as caught:
        wire_chunk.commits(data)
    assert caught.value.kind == kind


TEXT = 'He said: "finish_reason": "stop", "usage": {}, "error": {"a": 1}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize(
    ("block", "seen"),
    [
        (event(chunk({"content": TEXT}, usage=None, error=None)), {}),
        (event(chunk({"tool_calls": [{"function": {"arguments": json.dumps({"usage": {"error": 1}})}}]})), {}),
        (event(chunk({}, "stop")), {"finish_reason": "stop", "finishes": 1}),
        (b'data: {"choices":[{"finish_reason" :\t"length"}]}\n\n', {"finish_reason": "length", "finishes": 1}),
        (event(chunk({}, "stop")) + event(chunk({}, "length", 1)), {"finish_reason": "length", "finishes": 2}),
        (event({"choices": [], "usage": USAGE}), {"has_usage": True}),
        (b'data: {"usage":{}}\n\n', {"has_usage": True}),
        (DONE, {"done": True}),
        (DONE + event(chunk({"content": "[DONE]"})), {"done": True}),
        (b": x\r\rdata:[DONE]\r\r", {"done": True}),
        (event({"error": {"message": "x"}}), {"has_error": True}),
        (event({"error": "x"}), {"has_error": True}),
        (event({"choices": [], "vendor": {"error": 5}}), {}),
        (b'data: {"error": broken}\n\n', {"has_error": True}),
        (b': a comment with "error": {\n\n', {}),
        (event({"choices": []}) + event({"error": {}, "vendor": {"error": 1}}), {}),
    ],
)
def test_the_end_is_seen_without_decoding(block: bytes, seen: dict[str, Any]) -> None:
    """Keys are found whatever the spaces; the same words inside text are not."""
    assert wire_chunk.scan(block) == wire_chunk.Seen(**seen)


READ = Usage(9, 4, 5, 2)


def test_the_usage_chunk_is_cut_and_nothing_else() -> None:
    """Its event goes, byte for byte; the usage is read."""
    block, usage = wire_chunk.cut_usage(STREAM, keep=False)
    assert usage == READ
    assert block == STREAM.replace(event({"choices": [], "usage": USAGE}), b"")
    assert wire_chunk.cut_usage(STREAM, keep=True) == (STREAM, READ)
    for end in ("\n\n", "\r\r", "\r\n\r\n"):
        alone = event({"choices": [], "usage": USAGE}, end)
        assert wire_chunk.cut_usage(alone, keep=False) == (b"", READ)
        before = event(chunk({"content": "a"}), end)
        assert wire_chunk.cut_usage(before + alone + DONE, keep=False) == (before + DONE, READ)
    assert wire_chunk.cut_usage(DONE, keep=False) == (DONE, None)


@pytest.mark.parametrize(
    "block",
    [
        event(chunk({}, "stop", usage=USAGE)),
        event(chunk({"content": "a"}, usage={})),
        b'data: {"usage": {broken\n\n',
        b': "usage": {\n\n',
        event({"choices": [], "usage": USAGE, "error": {"message": "x"}}),
    ],
)
def test_usage_beside_anything_else_stays(block: bytes) -> None:
    """It is read where it can be, and the chunk goes on as it came."""
    out, usage = wire_chunk.cut_usage(block + DONE, keep=False)
    assert out == block + DONE
    assert usage == (READ if b"prompt_tokens" in block else None)
