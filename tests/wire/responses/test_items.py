"""Items as chat messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from router.errors import BadRequest
from router.wire.responses import items, thought

RS = "rs_0123456789abcdef01234567_0"
USER = {"role": "user", "content": "Hi."}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
OUT = {"type": "function_call_output", "call_id": "c1", "output": "1"}
PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}


def said(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def called(call_id: str = "c1", name: str = "f", arguments: str = '{"a":1}') -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def messages(*new: Any, before: Sequence[Any] = (), instructions: str | None = None) -> list[dict[str, Any]]:
    raw = [[msgspec.Raw(json.dumps(item).encode()) for item in part] for part in (before, new)]
    history, read = items.read(raw[0], "previous_response_id"), items.read(raw[1], "input")
    return items.messages(history, read, instructions)


def test_a_conversation() -> None:
    """Messages by their roles; an item without a type is a message."""
    assert messages(USER, said("Hello."), USER, instructions="Be kind.") == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Hi."},
    ]


def test_one_system_message_comes_first() -> None:
    """Made of the instructions and all that is said before anybody else speaks; templates refuse one further down."""
    first = {"role": "developer", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]}
    late = {"role": "developer", "content": "Now in French."}
    got = messages(first, {"role": "system", "content": "c"}, USER, late, instructions="i")
    assert got == [
        {"role": "system", "content": "i\n\na\n\nb\n\nc"},
        {"role": "user", "content": "Hi."},
        {"role": "user", "content": "Now in French."},
    ]
    seen = messages({"role": "developer", "content": [PICTURE]})
    assert [message["role"] for message in seen] == ["user"]


def test_what_an_assistant_does_between_two_others_is_one_message() -> None:
    """Thinking, text and calls, in whatever order the calls come."""
    thinking = {"type": "reasoning", "id": "r", "content": [{"type": "reasoning_text", "text": "hm"}], "summary": []}
    second = {"type": "function_call", "call_id": "c2", "name": "g", "arguments": " "}
    out = {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "2"}] * 2}
    got = messages(USER, thinking, said("Let me see."), CALL, second, said("Wait."), OUT, out)
    assert got[1:] == [
        {
            "role": "assistant",
            "content": "Let me see.\n\nWait.",
            "reasoning_content": "hm",
            "tool_calls": [called(), called("c2", "g", "{}")],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": "2\n2"},
    ]


def test_two_texts_are_two_messages() -> None:
    """Nothing is between them, yet they were said apart; thinking begins a message too."""
    thinking = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]}
    got = messages(USER, said("a"), said("b"), thinking, said("c"))
    assert [message["content"] for message in got[1:]] == ["a", "b", "c"]
    assert "reasoning_content" in got[3] and "reasoning_content" not in got[2]


REASONING: list[tuple[dict[str, Any], str | None]] = [
    ({"encrypted_content": thought.seal("hm"), "summary": []}, "hm"),
    ({"encrypted_content": "gAAAA", "summary": [{"type": "summary_text", "text": "theirs"}]}, None),
    ({"content": [{"type": "reasoning_text", "text": "hm"}]}, "hm"),
    ({"id": RS, "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": None}, "hm"),
    ({"id": "rs_of_others", "summary": [{"type": "summary_text", "text": "theirs"}]}, None),
    ({"summary": []}, None),
]


@pytest.mark.parametrize(("item", "thought_of"), REASONING)
def test_thinking_comes_back_where_it_is_ours(item: dict[str, Any], thought_of: str | None) -> None:
    """What only its maker can read, and what another maker's model is said to have thought, goes to no model."""
    got = messages(USER, {"type": "reasoning", **item}, CALL, OUT)
    assert got[1].get("reasoning_content") == thought_of


def test_thinking_of_earlier_turns_is_left_out() -> None:
    """What was thought before the user spoke last."""
    thinking = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]}
    got = messages(thinking, CALL, OUT, thinking, said("1."), USER, thinking, CALL)
    assert ["reasoning_content" in message for message in got] == [False, False, False, False, True]
    earlier = messages(OUT, before=[USER, thinking, CALL])
    assert earlier[1]["reasoning_content"] == "hm"


def test_other_tools_are_functions() -> None:
    """Of free text, of a namespace, and the local shell: as they are offered."""
    free = {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": 'a "b"'}
    spaced = {**CALL, "call_id": "c2", "namespace": "crm"}
    action = {"type": "exec", "command": ["ls"], "env": {}}
    shell = {"type": "local_shell_call", "id": "x", "call_id": "c3", "action": action}
    shells = {"type": "shell_call", "call_id": "c4", "action": {"commands": ["ls"]}}
    patch = {"type": "apply_patch_call", "call_id": "c5", "operation": {"type": "delete_file", "path": "a"}}
    outs = [
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
        {"type": "function_call_output", "call_id": "c2", "output": "1"},
        {"type": "local_shell_call_output", "id": "c3", "output": "files"},
        {"type": "shell_call_output", "call_id": "c4", "output": [{"stdout": "more files"}]},
        {"type": "apply_patch_call_output", "call_id": "c5", "status": "failed"},
    ]
    got = messages(USER, free, spaced, shell, shells, patch, *outs)
    names = [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in got[1]["tool_calls"]]
    assert names == [
        ("patch", {"input": 'a "b"'}),
        ("crm__f", {"a": 1}),
        ("local_shell", action),
        ("shell", shells["action"]),
        ("apply_patch", patch["operation"]),
    ]
    assert [message["content"] for message in got[2:]] == ["ok", "1", "files", "more files", "failed"]


def test_pictures_that_tools_return_follow_in_the_users_name() -> None:
    """Behind the messages of all tools of the turn, since nothing may stand between those."""
    second = {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"}
    seen = {**OUT, "output": [{"type": "input_text", "text": "Look:"}, PICTURE]}
    out = {"type": "function_call_output", "call_id": "c2", "output": "2"}
    thinking = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]}
    for last in (said("Nice."), USER, {**CALL, "call_id": "c3"}, thinking):
        got = messages(USER, CALL, second, seen, out, last)
        assert [message["role"] for message in got[1:5]] == ["assistant", "tool", "tool", "user"]
        assert got[2]["content"] == "Look:"
        assert got[4]["content"] == [
            {"type": "text", "text": "What the call c1 returned:"},
            {"type": "image_url", "image_url": {"url": PICTURE["image_url"]}},
        ]
        assert len(got) == 6
    assert len(messages(USER, CALL, seen)) == 4


def test_what_a_tool_tells_unasked() -> None:
    """Stands in its place, in the user's name, since no call is there that it could answer."""
    told = {"type": "function_call_output", "name": "goal", "namespace": "agent", "output": "Win."}
    got = messages(USER, CALL, OUT, told, said("Yes."))
    assert [message["role"] for message in got] == ["user", "assistant", "tool", "user", "assistant"]
    assert got[3]["content"] == [{"type": "text", "text": "agent__goal:"}, {"type": "text", "text": "Win."}]


def test_what_hosted_tools_left_behind_is_left_out() -> None:
    """Whatever its members are."""
    hosted = [{"type": "web_search_call", "id": "ws_1", "action": {}}, {"type": "tool_search_call", "arguments": {}}]
    assert len(messages(USER, *hosted, {"type": "mcp_call", "arguments": "{}", "output": None})) == 1


REFUSED: list[tuple[list[Any], str, str]] = [
    ([USER, {"type": "computer_call"}], "input[1].type", "'computer_call'"),
    ([{"type": "compaction", "encrypted_content": "x"}], "input[0].type", "no model here"),
    ([{"role": "critic", "content": ""}], "input[0].role", "must be user"),
    ([OUT], "input[0].call_id", "none called 'c1'"),
    ([CALL, {**OUT, "call_id": None}], "input[1].call_id", "is missing"),
    ([{**CALL, "name": None}], "input[0].name", "is missing"),
    ([{**CALL, "arguments": {}}], "input[0].arguments", "must be a string"),
    ([{"type": "custom_tool_call", "call_id": "c", "name": "n"}], "input[0].input", "must be a string"),
    ([{"type": "local_shell_call", "call_id": "c"}], "input[0].action", "must be an object"),
    ([{"type": "apply_patch_call", "call_id": "c"}], "input[0].operation", "must be an object"),
    ([{"type": "item_reference", "id": "msg_1"}], "input[0].id", "'msg_1' is not"),
    ([{"type": 7}], "input[0].type", "must be a string"),
    (["Hi."], "input[0]", "must be an object"),
]


@pytest.mark.parametrize(("given", "param", "words"), REFUSED)
def test_what_cannot_be_told_to_a_model_is_refused(given: list[Any], param: str, words: str) -> None:
    """By the name of the item's member."""
    with pytest.raises(BadRequest, match=words) as caught:
        messages(*given)
    assert caught.value.param == param
