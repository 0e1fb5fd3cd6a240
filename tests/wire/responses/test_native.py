"""Responses as a server that speaks the dialect takes and gives them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from router.errors import UpstreamFault
from router.wire.native import events
from router.wire.responses import native, request
from tests.wire import streams


def render(parameters: dict[str, Any], mode: str = "on", **fields: Any) -> dict[str, Any]:
    body = json.dumps({"model": "auto", "input": "x", **fields}).encode()
    out: dict[str, Any] = json.loads(native.render(body, "theirs", mode, parameters))
    return out


def test_the_mode_is_selected() -> None:
    """By the catalog's parameters, unless the caller says the same of its own accord; its wish for a summary stays."""
    high = {"reasoning": {"effort": "high"}, "extra": 1}
    plain = {"model": "theirs", "input": "x"}
    assert render(high) == {**plain, **high}
    assert render(high, reasoning={"effort": "medium"}) == {**plain, "reasoning": {"effort": "medium"}, "extra": 1}
    asked = {"effort": "none", "summary": "auto"}
    assert render(high, reasoning=asked)["reasoning"] == {"summary": "auto", "effort": "high"}
    assert render({}, turnout={"retries": 1}) == plain


def test_every_kind_of_item() -> None:
    """Calls have the names and arguments that they would have in a chat completion."""
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "namespace": "n", "arguments": '{"a":1}'},
        {"type": "custom_tool_call", "call_id": "2", "name": "c", "input": "text"},
        {"type": "local_shell_call", "call_id": "3", "action": {"command": ["ls"]}},
        {"type": "function_call", "call_id": "4", "name": "g", "arguments": {"b": 2}},
        {"type": "web_search_call", "id": "w"},
    ]
    answer = native.from_body(json.dumps({"status": "completed", "output": output}).encode())
    (choice,) = answer.choices
    assert (choice.content, choice.refusal, choice.reasoning, answer.usage) == ("a", "no", "hm", None)
    assert [(c.id, c.name, json.loads(c.arguments)) for c in choice.tool_calls] == [
        ("1", "n__f", {"a": 1}),
        ("2", "c", {"input": "text"}),
        ("3", "local_shell", {"command": ["ls"]}),
        ("4", "g", {"b": 2}),
    ]
    assert answer.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("response", "finish"),
    [
        ({"status": "completed", "usage": {"input_tokens": 1}}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete"}, "length"),
    ],
)
def test_how_it_ends(response: dict[str, Any], finish: str) -> None:
    """In chat completions' words."""
    assert native.from_body(json.dumps({**response, "output": []}).encode()).finish_reason == finish


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{]", "invalid_body"),
        (b"{}", "invalid_body"),
        (b'{"output": [], "error": {"message": "x"}}', "error_object"),
        (b'{"status": "failed", "output": []}', "error_object"),
    ],
)
def test_what_is_no_answer(body: bytes, kind: str) -> None:
    """Is a fault of the upstream."""
    with pytest.raises(UpstreamFault) as caught:
        native.from_body(body)
    assert caught.value.kind == kind


def test_a_stream() -> None:
    """What earlier events said counts where the last does not say it again; without a last event it is a fault."""
    item = {"type": "message", "content": [{"type": "output_text", "text": "a"}]}
    done = streams.event({"type": "response.output_item.done", "item": item})
    end = streams.event({"type": "response.completed", "response": {"status": "completed", "output": []}})
    assert native.from_stream(done + end + b"data: [DONE]\n\n").choices[0].content == "a"
    with pytest.raises(UpstreamFault) as caught:
        native.from_stream(done)
    assert caught.value.kind == "truncated"
    begun = streams.event({"type": "response.output_item.added", "item": {"type": "function_call", "name": "f"}})
    assert [event.commits for event in events(begun + done + end, native.decode)] == [True, False, False]


def test_references_are_put_in() -> None:
    """The items that they name, since the server keeps none; a text stays as it came."""
    known = {"type": "message", "id": "msg_a", "role": "user", "content": "Hello."}
    body = json.dumps({"model": "m", "input": [{"type": "item_reference", "id": "msg_a"}]}).encode()
    read = request.resolved(request.read(body), {"msg_a": msgspec.Raw(json.dumps(known).encode())})
    made = native.original(read, body, (), ())
    assert made is not None and json.loads(made.body)["input"] == [known] and not made.thoughts
