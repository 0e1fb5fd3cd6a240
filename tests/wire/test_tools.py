"""What a request offers to call, and what it demands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.errors import BadRequest
from router.step import StepRequest
from router.wire import chat

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def parse(**fields: Any) -> StepRequest:
    return chat.parse(json.dumps({"model": "auto", "messages": [USER], **fields}).encode())


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"tools": {}}, "tools", "must be a list or null"),
    ({"tools": [1]}, "tools[0]", "must be an object"),
    ({"tools": [{"type": "function"}]}, "tools[0]", "lacks function"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function", "lacks name"),
    ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name", "1 to 256"),
    ({"tools": [{"function": {"name": "f", "parameters": []}}]}, "tools[0].function.parameters", "a JSON schema"),
    ({"tools": [TOOL] * 1025}, "tools", "at most 1024"),
    ({"tools": [{"type": "x", "y": nested(70)}]}, "tools", "nested too deeply"),
    ({"tool_choice": "any"}, "tool_choice", '"none", "auto", "required"'),
    ({"tool_choice": 1}, "tool_choice", "must be"),
    (
        {"tool_choice": {"type": "function", "function": {"name": "other"}}, "tools": [TOOL]},
        "tool_choice",
        "one of the functions",
    ),
]


@pytest.mark.parametrize(("fields", "param", "says"), BAD)
def test_bad_tools_are_refused_by_name(fields: dict[str, Any], param: str, says: str) -> None:
    """The message names what is wrong and says what would be right."""
    with pytest.raises(BadRequest) as caught:
        parse(**fields)
    assert caught.value.param == param
    assert caught.value.message.startswith(param) and says in caught.value.message


@pytest.mark.parametrize(
    ("choice", "read"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ("none", "none"),
        ({"type": "custom", "custom": {"name": "grep"}}, "grep"),
        ({"type": "allowed_tools", "allowed_tools": {}}, None),
    ],
)
def test_tool_choices(choice: Any, read: str | None) -> None:
    """A name, a mode, or a way of choosing that only the upstream knows."""
    assert parse(tools=[TOOL, {"type": "custom", "custom": {"name": "grep"}}], tool_choice=choice).tool_choice == read


def test_a_long_list_of_tools_is_read_like_a_short_one() -> None:
    """Lists too long to be remembered are read all the same."""
    tools = [{"type": "function", "function": {"name": f"f{i}", "description": "x" * 1000}} for i in range(100)]
    assert len(parse(tools=tools).tools) == 100
