"""Answers told as responses: the same response however it came."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import DeadlineExceeded, RateLimited
from router.wire import sse
from router.wire.responses import items
from tests.wire.responses.told import (
    SEALED,
    SUMMARY,
    answers,
    asked,
    chunk,
    deltas,
    events,
    kinds,
    speech,
    stream,
    told,
    whole,
)

CUT = [("length", "max_output_tokens"), ("content_filter", "content_filter")]


@pytest.mark.parametrize(("finish", "reason"), CUT)
def test_an_answer_that_is_cut_short(finish: str, reason: str) -> None:
    """Is incomplete, and so is the item that it was cut in; whole and in events."""
    message = {"content": "x", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]}
    got = told(stream(*deltas(message, 9), finish=finish))
    final = got[-1]["response"]
    assert kinds(got)[-1] == final["status"] == "incomplete" and final["completed_at"] is None
    assert final["incomplete_details"] == {"reason": reason}
    assert [item["status"] for item in final["output"]] == ["completed", "incomplete"]
    assert json.loads(speech().whole(whole(message, finish), 200)) == final


def test_an_empty_answer() -> None:
    """Is a response without output; its events still begin and end."""
    assert kinds(told(stream())) == ["created", "in_progress", "completed"]


def test_the_tier_that_served() -> None:
    """Is the one that the upstream names; a choice that says nothing more than its end is one."""
    body = {"model": "m", "service_tier": "flex", "choices": [{"index": 0, "finish_reason": "stop"}]}
    got = told(b"data: " + json.dumps(body).encode() + b"\n\n", service_tier="auto")
    assert got[0]["response"]["service_tier"] == "auto"  # the answer has not come yet
    assert got[-1]["response"]["service_tier"] == "flex"


def test_a_failure_in_the_middle() -> None:
    """An error by which libraries know it, and the response with what there is of it."""
    voice = speech()
    got = events(voice.feed(chunk({"content": "Al"})) + voice.broken(RateLimited("Wait.")))
    assert kinds(got)[-2:] == ["error", "failed"]
    assert got[-2].items() >= {"code": "rate_limit_exceeded", "message": "Wait.", "param": None}.items()
    assert got[-2]["error"] == RateLimited("Wait.").body()["error"]
    failed = got[-1]["response"]
    assert failed["status"] == "failed" and failed["output"][0]["status"] == "incomplete"
    assert failed["error"] == {"code": "rate_limit_exceeded", "message": "Wait."}


def test_a_failure_of_a_stream_that_passed_as_it_was() -> None:
    """Goes on from its last number, with the response that it told of, whatever else an upstream wrote in it."""
    voice = speech()
    voice.heard(b'data: {"sequence_number":0,"response":{"id":"theirs","odd":1e999,"status":"in_progress"}}\n\n')
    voice.heard(b'data: {"sequence_number":1,"delta":"x"}\n\n')
    voice.heard(b'data: {"sequence_number":7,"delta":"\xff"}\n\ndata: {"sequence_number":1e999}\n\ndata: [DONE]\n\n')
    told = voice.broken(RateLimited("Wait.")).decode()
    assert [line.split(",")[1] for line in told.split("\n") if line.startswith("data")] == [
        '"sequence_number":9',
        '"sequence_number":10',
    ]
    assert '"response":{"id":"theirs","odd":1e999,"status":"failed","error":{"code":"rate_limit_exceeded"' in told


def test_a_failure_before_anything_was_told() -> None:
    """Comes after the response has begun, as everything does; codes that nobody knows are the server's."""
    got = events(speech().broken(DeadlineExceeded("Late.")))
    assert kinds(got) == ["created", "in_progress", "error", "failed"]
    assert got[-1]["response"]["error"]["code"] == "server_error"


@given(answers(), st.integers(1, 9), st.sampled_from([{}, SUMMARY, SEALED]))
@settings(max_examples=60, deadline=None)
def test_streamed_and_whole_are_the_same(message: dict[str, Any], size: int, fields: dict[str, Any]) -> None:
    """The last event's response is the one that the whole answer comes to, whatever pieces it was sent in."""
    final = told(stream(*deltas(message, size)), **fields)[-1]["response"]
    assert json.loads(speech(**fields).whole(whole(message), 200)) == final


@given(answers(), st.integers(1, 9), st.lists(st.integers(0, 4000), max_size=8))
@settings(max_examples=60, deadline=None)
def test_how_a_stream_is_cut_changes_nothing(message: dict[str, Any], size: int, cuts: list[int]) -> None:
    """The bytes that go out are the same wherever the network divides those that come in."""
    block = stream(*deltas(message, size))
    at_once, in_pieces, splitter = speech(), speech(), sse.Splitter()
    edges = sorted({0, len(block), *(cut % len(block) for cut in cuts)})
    parts = [splitter.feed(block[a:b]) for a, b in zip(edges, edges[1:], strict=False)] + [splitter.flush()]
    got = b"".join([in_pieces.feed(part) for part in parts if part]) + in_pieces.end(200)
    assert got == at_once.feed(block) + at_once.end(200)


@given(answers(), st.sampled_from([{}, SUMMARY, SEALED]))
@settings(max_examples=60, deadline=None)
def test_an_answer_sent_back_is_what_the_model_said(message: dict[str, Any], fields: dict[str, Any]) -> None:
    """A model's message, told as items and read from them again, is the message: what it thought, said and called."""
    response = json.loads(speech(**fields).whole(whole(message), 200))
    raw = asked(input=[{"role": "user", "content": "Hi."}, *response["output"]])
    back = items.messages([], raw.read, None)[1:]
    if not (message["content"] or message.get("reasoning") or message.get("tool_calls")):
        assert back == []
        return
    (again,) = back
    assert again["content"] == message["content"]
    assert again.get("reasoning_content") == message.get("reasoning")
    assert list(map(called, again.get("tool_calls", ()))) == list(map(called, message.get("tool_calls", ())))


def called(call: dict[str, Any]) -> tuple[str, str, Any]:
    """A call; of a command only what it runs, since its item has more members."""
    arguments = json.loads(call["function"]["arguments"])
    return call["id"], call["function"]["name"], arguments.get("command", arguments.get("commands", arguments))
