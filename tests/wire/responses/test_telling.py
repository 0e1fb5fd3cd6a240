"""Which item each piece of an answer belongs to."""

from __future__ import annotations

import pytest

from router.errors import UpstreamFault
from tests.wire.responses.told import RESPONSE, speech, stream, told

TOKEN = RESPONSE[5:]


def test_calls_in_events() -> None:
    """Told of side by side, by index, by id, or the last where neither says; done when the answer is."""
    head = {"function": {"name": "f", "arguments": ""}}
    got = told(
        stream(
            {"content": "See:"},
            {"tool_calls": [{"index": 0, "id": "a", **head}, {"index": 1, "id": "b", **head}]},
            {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
            {"tool_calls": [{"id": "a", "function": {"arguments": '{"x"'}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
            {"tool_calls": [{"id": "c", "function": {"name": "g", "arguments": {"y": 2}}}]},
            {"tool_calls": [{"function": {"arguments": ""}}]},
            finish="tool_calls",
        )
    )
    output = got[-1]["response"]["output"]
    assert [(i["type"], i.get("call_id"), i.get("name"), i.get("arguments")) for i in output] == [
        ("message", None, None, None),
        ("function_call", "a", "f", '{"x":1}'),
        ("function_call", "b", "f", "{}"),
        ("function_call", "c", "g", '{"y":2}'),
    ]
    done = [event for event in got if event["type"] == "response.function_call_arguments.done"]
    assert [(event["output_index"], event["name"]) for event in done] == [(1, "f"), (2, "f"), (3, "g")]
    assert [event["item"] for event in got if event["type"] == "response.output_item.done"] == output
    order = [event["output_index"] for event in got if event["type"] == "response.output_item.added"]
    assert order == sorted(order)


def test_a_call_without_an_id_gets_one() -> None:
    """So does a call of the oldest form; the caller has to answer it."""
    got = told(stream({"function_call": {"name": "f", "arguments": "{}"}}))
    assert got[-1]["response"]["output"][0]["call_id"] == f"call_{TOKEN}_0"


def test_other_choices_are_not_told() -> None:
    """None were asked for."""
    got = told(b'data: {"choices":[{"index":1,"delta":{"content":"x"}},{"index":0,"delta":{"content":"y"}}]}\n\n')
    assert [item["content"][0]["text"] for item in got[-1]["response"]["output"]] == ["y"]


@pytest.mark.parametrize(
    ("block", "kind"), [(b"data: [1]\n\n", "invalid_body"), (b'data: {"error":{"message":"x"}}\n\n', "error_object")]
)
def test_what_is_no_chunk(block: bytes, kind: str) -> None:
    """Is the upstream's fault."""
    with pytest.raises(UpstreamFault) as caught:
        speech().feed(block)
    assert caught.value.kind == kind
