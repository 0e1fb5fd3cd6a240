"""What a messages request becomes as a chat completion's."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from router.errors import BadRequest, TurnoutError
from router.wire import chat
from router.wire.anthropic.request import Asked, to_chat

HELLO = {"role": "user", "content": "Hello."}
TOOL = {
    "name": "weather",
    "description": "Looks out.",
    "input_schema": {"type": "object", "additionalProperties": False},
}
SESSION = "0d3a1c2e-9b1f-4a53-8a55-0123456789ab"


def ask(**fields: Any) -> Asked:
    return to_chat(json.dumps({"model": "auto", "max_tokens": 100, "messages": [HELLO], **fields}).encode())


def told(**fields: Any) -> dict[str, Any]:
    """The chat body, which must be one."""
    asked = ask(**fields)
    chat.parse(asked.body)
    whole: dict[str, Any] = json.loads(asked.body)
    return whole


def test_the_plainest_request() -> None:
    """Model, limit and messages keep their names; nothing is added."""
    assert told() == {"model": "auto", "max_tokens": 100, "messages": [HELLO]}


def test_what_both_dialects_have_keeps_its_bytes() -> None:
    """A number is passed on as it was written."""
    body = b'{"model": "auto", "temperature": 0.10, "messages": [{"role": "user", "content": "a\\u00e9"}]}'
    assert b'"temperature":0.10' in to_chat(body).body and b'"a\\u00e9"' in to_chat(body).body


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("Be kind.", "Be kind."),
        ([{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}], "Be kind."),
        ([{"type": "text", "text": "Be kind."}, {"type": "text", "text": "Be brief."}], "Be kind.\n\nBe brief."),
        ([{"type": "text", "text": "x-anthropic-billing-header: v=1; c=7"}, {"type": "text", "text": "A."}], "A."),
    ],
)
def test_the_system_prompt_comes_first(system: Any, expected: str) -> None:
    """As one text; what a client says about its own bill is for no model."""
    assert told(system=system)["messages"] == [{"role": "system", "content": expected}, HELLO]


@pytest.mark.parametrize("system", [None, [], [{"type": "text", "text": "x-anthropic-billing-header: v=1"}]])
def test_no_system_prompt(system: Any) -> None:
    """No message is made of nothing."""
    assert told(system=system)["messages"] == [HELLO]


def test_a_stream_asks_for_usage() -> None:
    """The dialect tells of usage in each stream."""
    body = told(stream=True)
    assert body["stream"] is True and body["stream_options"] == {"include_usage": True}
    assert "stream" not in told(stream=False)


def test_tools_keep_their_schema() -> None:
    """Name, description, schema and `strict`; cache marks and hints for Anthropic's servers are left out."""
    (tool, bare) = told(
        tools=[
            {**TOOL, "type": "custom", "strict": True, "cache_control": {"type": "ephemeral"}, "defer_loading": False},
            {"name": "bare", "input_schema": {"type": "object"}},
        ]
    )["tools"]
    assert tool == {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Looks out.",
            "parameters": TOOL["input_schema"],
            "strict": True,
        },
    }
    assert bare["function"] == {"name": "bare", "parameters": {"type": "object"}}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "weather"},
            {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
        ),
        ({"type": "auto", "disable_parallel_tool_use": True}, {"tool_choice": "auto", "parallel_tool_calls": False}),
        ({"type": "auto", "disable_parallel_tool_use": False}, {"tool_choice": "auto"}),
        (None, {}),
    ],
)
def test_tool_choice(choice: Any, expected: dict[str, Any]) -> None:
    """The same in the other dialect's words."""
    body = told(tools=[TOOL], tool_choice=choice)
    assert {name: body[name] for name in ("tool_choice", "parallel_tool_calls") if name in body} == expected


def test_a_choice_among_no_tools_is_none() -> None:
    """Clients send `auto` along with an empty list."""
    body = told(tools=[], tool_choice={"type": "auto"})
    assert "tools" not in body and "tool_choice" not in body


@pytest.mark.parametrize("name", ["output_config", "output_format"])
def test_structured_outputs(name: str) -> None:
    """A schema becomes a strict response format, under both names that it has had."""
    form = {"type": "json_schema", "schema": {"type": "object"}}
    body = told(**{name: {"format": form} if name == "output_config" else form})
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
    }
    assert "response_format" not in told(output_config={"effort": "low"})


@pytest.mark.parametrize(
    ("thinking", "mode", "shown"),
    [
        (None, None, False),
        ({"type": "disabled"}, "off", False),
        ({"type": "enabled", "budget_tokens": 16_000}, "on", True),
        ({"type": "enabled", "budget_tokens": 1024}, "low", True),
        ({"type": "enabled", "budget_tokens": 16_000, "display": "omitted"}, "on", False),
        ({"type": "between_tools"}, "on", True),
        ({"type": "adaptive"}, None, True),
        ({"type": "adaptive", "display": "omitted"}, None, False),
    ],
)
def test_thinking(thinking: Any, mode: str | None, shown: bool) -> None:
    """`enabled` and `disabled` pin the mode, `adaptive` leaves it to the router; blocks are for those who asked."""
    asked = ask(thinking=thinking)
    assert json.loads(asked.body).get("turnout", {}).get("thinking") == mode
    assert asked.show_thinking is shown


def test_hints_pass() -> None:
    """In the body and in metadata; a thinking hint goes before what `thinking` says."""
    body = told(
        turnout={"accuracy": 0.9, "thinking": "off"},
        thinking={"type": "enabled", "budget_tokens": 9000},
        metadata={"turnout.retries": "1", "user_id": "me", "mine": "no hint"},
    )
    assert body["turnout"] == {"accuracy": 0.9, "thinking": "off"}
    assert body["metadata"] == {"turnout.retries": "1"} and body["user"] == "me"


@pytest.mark.parametrize(
    ("user", "session"),
    [
        (f"user_1f_account__session_{SESSION}", SESSION),
        (json.dumps({"device_id": "d", "session_id": SESSION}), SESSION),
        (json.dumps({"session_id": "has spaces"}), None),
        (json.dumps({"session_id": 7}), None),
        ("{not json", None),
        ("{}", None),
        ("somebody", None),
        ("", None),
        (None, None),
    ],
)
def test_the_session_in_the_user_id(user: Any, session: str | None) -> None:
    """Claude Code names its session there, in two forms."""
    assert ask(metadata={"user_id": user}).session == session


def test_stop_sequences() -> None:
    """They are passed on, and kept for the answer."""
    asked = ask(stop_sequences=["END", "\n\n"])
    assert json.loads(asked.body)["stop"] == ["END", "\n\n"] and asked.stops == ("END", "\n\n")


def test_what_no_model_here_needs_is_left_out() -> None:
    """Fields that change no answer, and those of betas to come."""
    more = {"service_tier": "auto", "cache_control": {"type": "ephemeral"}, "context_management": {"edits": []}}
    assert told(**more, mcp_servers=[], container=None, a_new_beta=True) == told()


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"messages": "hello"}, "messages"),
    ({"messages": [], "system": "Be kind."}, "messages"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"content": "x"}]}, "messages[0]"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0]"),
    ({"system": 7}, "system"),
    ({"system": [{"type": "image"}]}, "system[0].type"),
    ({"system": [{"type": "text"}]}, "system[0].text"),
    ({"stream": "yes"}, "stream"),
    ({"stop_sequences": "END"}, "stop_sequences"),
    ({"tools": [{"name": "", "input_schema": {}}]}, "tools[0].name"),
    ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
    ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "other"}}, "tool_choice.name"),
    ({"tools": [TOOL], "tool_choice": {"type": "best"}}, "tool_choice.type"),
    ({"output_config": {"format": {"type": "yaml"}}}, "output_config.format.type"),
    ({"output_format": {"type": "json_schema"}}, "output_format.schema"),
    ({"thinking": {"type": "deep"}}, "thinking.type"),
    ({"metadata": {"user_id": 7}}, "metadata.user_id"),
    ({"metadata": 7}, "metadata"),
    ({"mcp_servers": [{"url": "http://127.0.0.1"}]}, "mcp_servers"),
    ({"container": {"id": "c"}}, "container"),
]


@pytest.mark.parametrize(("fields", "param"), FAULTS, ids=[param for _, param in FAULTS])
def test_a_mistake_is_named_in_the_callers_own_words(fields: dict[str, Any], param: str) -> None:
    """The path into the messages request, not into what it would have become."""
    with pytest.raises(BadRequest) as caught:
        ask(**fields)
    assert caught.value.param == param and caught.value.message.startswith(param)


def test_messages_are_needed() -> None:
    """As is JSON."""
    for body, param in ((b'{"model": "auto"}', "messages"), (b"[]", None), (b"{", None)):
        with pytest.raises(BadRequest) as caught:
            to_chat(body)
        assert caught.value.param == param


EVERYTHING: dict[str, Any] = {
    "model": "auto",
    "max_tokens": 5,
    "stream": True,
    "system": [{"type": "text", "text": "a"}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "hi"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aa"}},
                {
                    "type": "tool_result",
                    "tool_use_id": "t",
                    "content": [{"type": "text", "text": "x"}],
                    "is_error": True,
                },
                {
                    "type": "document",
                    "title": "t",
                    "source": {"type": "content", "content": [{"type": "text", "text": "d"}]},
                },
                {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "d"}]},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "h", "signature": "s"},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            ],
        },
    ],
    "tools": [{"name": "f", "input_schema": {"type": "object"}, "description": "d"}],
    "tool_choice": {"type": "tool", "name": "f"},
    "thinking": {"type": "enabled", "budget_tokens": 5},
    "metadata": {"user_id": "u", "turnout.step": "x"},
    "output_config": {"format": {"type": "json_schema", "schema": {}}},
    "stop_sequences": ["a"],
    "turnout": {"accuracy": 0.5},
}
JUNK: list[Any] = [None, True, 0, -1, 1.5, "", "x", [], {}, [[]], [None], {"type": "text"}, {"type": 5}, "\ud800"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to every member below `value`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [p for key, part in inner for p in ((*path, key), *places(part, (*path, key)))]


def changed(path: tuple[Any, ...], junk: Any) -> bytes:
    whole = json.loads(json.dumps(EVERYTHING))
    at = whole
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = junk
    return json.dumps(whole).encode()


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_whatever_stands_anywhere_is_taken_or_named(junk: Any) -> None:
    """A request with nonsense in any one place: refused by a name of the caller's own, or a chat completion's."""
    refused = 0
    for path in places(EVERYTHING):
        try:
            chat.parse(to_chat(changed(path, junk)).body)
        except TurnoutError as error:
            refused += 1
            named = re.match(r"\w+", error.param or "")
            assert error.code == "invalid_json" or (named and named[0] in EVERYTHING), (path, error.message)
    assert refused > 10
