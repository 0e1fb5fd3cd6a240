"""Tools as functions, and back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from router.errors import BadRequest
from router.wire.responses import offer
from router.wire.responses.offer import Offer, Tool

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
PLAIN: dict[str, Any] = {"type": "function", "name": "f", "description": "d", "strict": True, "parameters": SCHEMA}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}
FREE = {"type": "custom", "name": "patch", "description": "Edits.", "format": GRAMMAR}
SPACE = {"type": "namespace", "name": "crm", "description": "d", "tools": [PLAIN, {"type": "custom", "name": "note"}]}
SHELL = {"type": "local_shell"}
SEARCH = {"type": "web_search_preview"}


def read(tools: Any = None, choice: Any = None) -> Offer:
    raw = [None if part is None else msgspec.Raw(json.dumps(part).encode()) for part in (tools, choice)]
    return offer.read(*raw)


def sent(made: Offer) -> Any:
    """The tools as they go out."""
    return json.loads(msgspec.json.encode(made.tools))


def test_a_function_stays_what_it_is() -> None:
    """With its description, its schema to the letter, and `strict`; what was not said is not said."""
    made = read([PLAIN, {"type": "function", "name": "g", "description": None, "parameters": None}])
    function = {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}
    assert sent(made) == [{"type": "function", "function": function}, {"type": "function", "function": {"name": "g"}}]
    assert made.known == {"f": Tool("function", "f"), "g": Tool("function", "g")}


def test_a_tool_of_free_text_is_a_function_of_one_text() -> None:
    """Its grammar is told in words."""
    made = read([FREE])
    (tool,) = sent(made)
    assert tool["function"]["name"] == "patch"
    assert tool["function"]["parameters"]["required"] == ["input"]
    assert tool["function"]["description"] == (
        "Edits.\n\nThe value of `input` must follow this lark grammar:\nstart: /a/"
    )
    assert made.known == {"patch": Tool("custom", "patch")}
    assert sent(read([{"type": "custom", "name": "n"}]))[0]["function"]["description"] == ""


def test_a_namespace_is_all_of_its_tools() -> None:
    """Each under a name of its own, by which it is found again."""
    made = read([PLAIN, SPACE])
    assert [tool["function"]["name"] for tool in sent(made)] == ["f", "crm__f", "crm__note"]
    assert made.known["crm__f"] == Tool("function", "f", "crm")
    assert made.known["crm__note"] == Tool("custom", "note", "crm")


def test_a_local_shell_is_a_function() -> None:
    """Which the caller runs, as it would have."""
    made = read([SHELL], {"type": "local_shell"})
    assert sent(made)[0]["function"]["parameters"]["required"] == ["command"]
    assert made.choice == {"type": "function", "function": {"name": "local_shell"}}


@pytest.mark.parametrize("kind", ["local_shell", "shell", "apply_patch"])
def test_what_runs_at_the_callers_is_a_function(kind: str) -> None:
    """By the name of its type."""
    made = read([{"type": kind, "environment": {"type": "local"}}, PLAIN], {"type": kind})
    assert sent(made)[0]["function"]["name"] == kind and made.known[kind] == Tool("local", kind)
    assert made.choice == {"type": "function", "function": {"name": kind}}


def test_tools_that_agents_can_do_without_are_left_out() -> None:
    """And are not among those that the response shows."""
    made = read([SEARCH, PLAIN, {"type": "image_generation"}, {"type": "tool_search"}])
    assert [tool["function"]["name"] for tool in sent(made)] == ["f"]
    assert [json.loads(bytes(raw)) for raw in made.shown] == [PLAIN]
    assert read([SEARCH]).tools == ()


def test_long_names_are_cut_and_stay_distinct() -> None:
    """Servers take 64 characters."""
    names = [offer.chat_name("n" * 60 + end, "s" * 60) for end in "ab"]
    assert len(set(names)) == 2 and all(len(name) == offer.MAX_NAME for name in names)
    assert offer.chat_name("n" * 60, None) == "n" * 60


CHOICES: list[tuple[Any, Any, list[str]]] = [
    (None, None, ["f", "patch"]),
    ("auto", "auto", ["f", "patch"]),
    ("none", "none", ["f", "patch"]),
    ("required", "required", ["f", "patch"]),
    ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}, ["f", "patch"]),
    ({"type": "custom", "name": "patch"}, {"type": "function", "function": {"name": "patch"}}, ["f", "patch"]),
    (
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}, SEARCH]},
        "required",
        ["f"],
    ),
]


@pytest.mark.parametrize(("choice", "meant", "offered"), CHOICES)
def test_a_choice(choice: Any, meant: Any, offered: list[str]) -> None:
    """`tool_choice` in each of its forms; a list of allowed tools takes the others out."""
    made = read([PLAIN, FREE], choice)
    assert made.choice == meant and [tool["function"]["name"] for tool in sent(made)] == offered


REFUSED: list[tuple[Any, Any, str, str]] = [
    ([{"type": "file_search"}], None, "tools[0].type", "runs at OpenAI"),
    ([{"type": "shell", "environment": {"type": "container_auto"}}], None, "tools[0].type", "runs at OpenAI"),
    ([PLAIN, {"type": "mcp"}], None, "tools[1].type", "'mcp'"),
    ([{**SPACE, "tools": [SPACE]}], None, "tools[0].tools[0].type", "'namespace'"),
    ([{"type": "function"}], None, "tools[0].name", "1 to 256"),
    ([{**PLAIN, "parameters": []}], None, "tools[0].parameters", "an object"),
    ([PLAIN, {**FREE, "name": "f"}], None, "tools[1].name", "another tool"),
    ([{"name": "f"}], None, "tools[0]", "lacks type"),
    ([{**PLAIN, "name": f"f{n}"} for n in range(1025)], None, "tools", "at most 1024"),
    ([PLAIN], "any", "tool_choice", "must be"),
    ([SEARCH], "required", "tool_choice", "no tool is offered"),
    ([PLAIN], {"type": "function", "name": "g"}, "tool_choice", "one of the tools"),
    ([PLAIN], SEARCH, "tool_choice", "one of the tools"),
    ([PLAIN], {"type": "allowed_tools", "mode": "auto", "tools": [SEARCH]}, "tool_choice.tools", "at least one"),
    ([PLAIN], {"type": "allowed_tools", "mode": "x", "tools": []}, "tool_choice.mode", "auto"),
    ([PLAIN], {"type": "allowed_tools", "tools": [FREE]}, "tool_choice.tools[0]", "one of the tools"),
]


@pytest.mark.parametrize(("tools", "choice", "param", "words"), REFUSED)
def test_what_cannot_be_had_is_refused(tools: Any, choice: Any, param: str, words: str) -> None:
    """By the name of the field that asks for it."""
    with pytest.raises(BadRequest, match=words) as caught:
        read(tools, choice)
    assert caught.value.param == param


def test_the_same_tool_twice_is_no_fault() -> None:
    """Some frameworks do so."""
    assert len(read([PLAIN, PLAIN]).tools) == 2


def test_a_long_list_is_read_each_time() -> None:
    """It is not remembered; what comes of it is the same."""
    long = [{**PLAIN, "description": "d" * 70_000}]
    assert sent(read(long)) == sent(read(long))
