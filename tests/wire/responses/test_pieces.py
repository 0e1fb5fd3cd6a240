"""The items of an answer, each in its events."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.responses.told import RESPONSE, SEALED, SUMMARY, chunk, deltas, kinds, stream, told

TOKEN = RESPONSE[5:]


def test_a_text_in_events() -> None:
    """Item and part are begun and ended around the text, and the response around all; every member is there."""
    got = told(stream({"content": "Al"}, {"content": "l."}))
    assert kinds(got) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    name = f"msg_{TOKEN}_0"
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": "All."}
    at = {"item_id": name, "output_index": 0, "content_index": 0}
    item = {"id": name, "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    bare = [{k: v for k, v in event.items() if k not in ("type", "sequence_number")} for event in got]
    assert bare[2] == {"output_index": 0, "item": {**item, "status": "in_progress", "content": []}}
    assert bare[3] == {**at, "part": {**part, "text": ""}}
    assert bare[4] == {**at, "delta": "Al", "logprobs": []}
    assert bare[6] == {**at, "text": "All.", "logprobs": []}
    assert bare[7] == {**at, "part": part}
    assert bare[8] == {"output_index": 0, "item": item}
    begun, last = bare[0]["response"], bare[9]["response"]
    assert begun["status"] == "in_progress" and begun["output"] == [] and begun["usage"] is None
    assert last["output"] == [item] and last["completed_at"] == 200 and last["created_at"] == 100
    assert begun.keys() == last.keys() and begun["model"] == "m"


THINKING = [
    ({}, ["content_part.added", "reasoning_text.delta", "reasoning_text.done", "content_part.done"]),
    (
        SUMMARY,
        [
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
        ],
    ),
]


@pytest.mark.parametrize(("fields", "between"), THINKING)
@pytest.mark.parametrize("member", ["reasoning", "reasoning_content"])
def test_thinking_in_events(fields: dict[str, Any], between: list[str], member: str) -> None:
    """An item of its own before what was thought out; as a summary where the caller asks for one."""
    got = told(stream({member: "hm"}, {"content": "x"}), **fields)
    assert kinds(got)[2:8] == ["output_item.added", *between, "output_item.done"]
    at, index = (got[4]["item_id"], got[4]["output_index"]), "summary_index" if fields else "content_index"
    assert at == (f"rs_{TOKEN}_0", 0) and got[4][index] == 0 and got[4]["delta"] == got[5]["text"] == "hm"
    item = got[7]["item"]
    assert item["summary" if fields else "content"] == [got[6]["part"]] and item["encrypted_content"] is None
    assert item["content" if fields else "summary"] == []
    assert got[-1]["response"]["output"][0] == item


def test_sealed_thinking() -> None:
    """Where the caller asks for it, once the item is whole."""
    got = told(stream({"reasoning": "hm"}), **SEALED)
    assert got[2]["item"]["encrypted_content"] is None
    assert got[-2]["item"]["encrypted_content"].startswith("turnout1.")


def test_other_tools_are_turned_back() -> None:
    """Free text, what runs at the caller's, a namespace's function: each as its item; what is no command is not run."""
    calls = [
        ("patch", '{"input":"a\\nb"}', {"type": "custom_tool_call", "name": "patch", "input": "a\nb"}),
        ("patch", "just text", {"type": "custom_tool_call", "name": "patch", "input": "just text"}),
        ("crm__f", "{}", {"type": "function_call", "name": "f", "namespace": "crm", "arguments": "{}"}),
        ("local_shell", '{"command":["ls"],"timeout_ms":5}', {"type": "local_shell_call"}),
        ("local_shell", "rm -rf", {"type": "local_shell_call"}),
    ]
    made = [{"id": f"c{i}", "function": {"name": name, "arguments": text}} for i, (name, text, _) in enumerate(calls)]
    got = told(stream(*deltas({"tool_calls": made}, 3)))
    output = got[-1]["response"]["output"]
    for i, (item, (_, _, expected)) in enumerate(zip(output, calls, strict=True)):
        assert item.items() >= {**expected, "call_id": f"c{i}", "status": "completed"}.items()
    assert output[3]["action"]["command"] == ["ls"] and output[3]["action"]["timeout_ms"] == 5
    assert output[4]["action"]["command"] == []
    free = [event for event in got if "custom_tool_call_input" in event["type"]]
    assert [event.get("delta", event.get("input")) for event in free] == [
        "a",
        "\nb",
        "a\nb",
        "just text",
        "just text",
    ]
    added = [event["item"] for event in got if event["type"] == "response.output_item.added"]
    assert added[0]["input"] == "" and added[0]["status"] == "in_progress"


def test_a_refusal() -> None:
    """A part of its own in the message."""
    got = told(stream({"content": "So: "}, {"refusal": "No."}))
    assert kinds(got)[5:11] == [
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
    ]
    assert got[8] == {**got[8], "delta": "No.", "content_index": 1, "output_index": 0}
    content = got[-1]["response"]["output"][0]["content"]
    assert content[1] == {"type": "refusal", "refusal": "No."} == got[10]["part"]


def test_logprobs() -> None:
    """Those of each delta, and all of them in the end."""
    some = [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]
    got = told(
        chunk({"content": "a"}, logprobs={"content": some}) + chunk({"content": "b"}, logprobs={"content": None})
    )
    assert [event["logprobs"] for event in got if event["type"] == "response.output_text.delta"] == [some, []]
    assert got[-1]["response"]["output"][0]["content"][0]["logprobs"] == some
