"""Blocks of a messages request as chat messages."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BadRequest
from router.wire.anthropic import content

PIXEL = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
IMAGE = {"type": "image", "source": PIXEL}
URL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def result(body: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t1", **({} if body is None else {"content": body}), **more}


def use(name: str, arguments: dict[str, Any], known: str = "t1") -> dict[str, Any]:
    return {"type": "tool_use", "id": known, "name": name, "input": arguments}


def tell(role: str, *blocks: dict[str, Any]) -> list[dict[str, Any]]:
    raw = msgspec.Raw(json.dumps([{"role": role, "content": list(blocks)}]).encode())
    told: list[dict[str, Any]] = json.loads(msgspec.json.encode(content.messages(raw)))
    return told


USER: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = [
    ([], [{"role": "user", "content": ""}]),
    ([text("a")], [{"role": "user", "content": "a"}]),
    ([text("a"), text("b")], [{"role": "user", "content": [text("a"), text("b")]}]),
    ([text("a"), IMAGE], [{"role": "user", "content": [text("a"), URL]}]),
    (
        [{"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}],
    ),
    (
        [{"type": "document", "title": "Notes", "source": {"type": "text", "media_type": "text/plain", "data": "n"}}],
        [{"role": "user", "content": [text("Document: Notes"), text("n")]}],
    ),
    (
        [{"type": "document", "source": {"type": "content", "content": [text("n"), IMAGE]}}],
        [{"role": "user", "content": [text("n"), URL]}],
    ),
    ([{"type": "document", "source": {"type": "content", "content": "n"}}], [{"role": "user", "content": "n"}]),
    (
        [{"type": "search_result", "source": "wiki", "title": "Rome", "content": [text("A city.")]}],
        [{"role": "user", "content": "Rome (wiki)\nA city."}],
    ),
    ([result()], [{"role": "tool", "tool_call_id": "t1", "content": ""}]),
    ([result("4")], [{"role": "tool", "tool_call_id": "t1", "content": "4"}]),
    ([result([text("a"), text("b")])], [{"role": "tool", "tool_call_id": "t1", "content": "a\nb"}]),
    ([result("no file", is_error=True)], [{"role": "tool", "tool_call_id": "t1", "content": "Error: no file"}]),
    ([result("ERROR 7", is_error=True)], [{"role": "tool", "tool_call_id": "t1", "content": "ERROR 7"}]),
    ([result(is_error=True)], [{"role": "tool", "tool_call_id": "t1", "content": "Error: "}]),
    (
        [result("4"), text("Go on.")],
        [{"role": "tool", "tool_call_id": "t1", "content": "4"}, {"role": "user", "content": "Go on."}],
    ),
    (
        [result([text("seen"), IMAGE])],
        [
            {"role": "tool", "tool_call_id": "t1", "content": "seen"},
            {"role": "user", "content": [text("Pictures in the result of t1:"), URL]},
        ],
    ),
]


@pytest.mark.parametrize(("blocks", "expected"), USER)
def test_what_the_user_says(blocks: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Results first, each a message of its own; text alone is a string; an error is said in words."""
    assert tell("user", *blocks) == expected


ASSISTANT: list[tuple[list[dict[str, Any]], dict[str, Any]]] = [
    ([], {"content": ""}),
    ([text("a"), text("b")], {"content": "ab"}),
    (
        [{"type": "thinking", "thinking": "hm", "signature": "s"}, text("a")],
        {"content": "a", "reasoning_content": "hm"},
    ),
    ([{"type": "thinking", "thinking": "", "signature": "s"}, text("a")], {"content": "a"}),
    ([{"type": "redacted_thinking", "data": "??"}, text("a")], {"content": "a"}),
]


@pytest.mark.parametrize(("blocks", "expected"), ASSISTANT)
def test_what_the_assistant_said(blocks: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    """One message: its text, and its thinking where it can be read."""
    assert tell("assistant", *blocks) == [{"role": "assistant", **expected}]


def test_calls_keep_their_arguments() -> None:
    """As JSON text, in the order of the caller's."""
    (message,) = tell("assistant", use("f", {"b": 1, "a": "ü"}), use("g", {}, "t2"))
    first, second = message["tool_calls"]
    assert message["content"] is None
    assert first == {
        "id": "t1",
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps({"b": 1, "a": "ü"})},
    }
    assert second["id"] == "t2" and second["function"] == {"name": "g", "arguments": "{}"}


def test_a_system_message_among_the_others() -> None:
    """It stays where it is."""
    assert tell("system", text("a"), text("b")) == [{"role": "system", "content": "a\n\nb"}]


FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("user", {"type": "text"}, "[0].text"),
    ("user", {"type": "image"}, "[0].source"),
    ("user", {"type": "image", "source": {"type": "base64", "data": "x"}}, "[0].source"),
    ("user", {"type": "image", "source": {"type": "file", "file_id": "f"}}, "[0].source.type"),
    ("user", {"type": "document", "source": {"type": "base64", "data": "x"}}, "[0].source.type"),
    (
        "user",
        {"type": "document", "source": {"type": "content", "content": [result("x")]}},
        "[0].source.content[0].type",
    ),
    ("user", {"type": "search_result", "content": []}, "[0].source"),
    ("user", {"type": "container_upload"}, "[0].type"),
    ("user", {"type": "tool_result"}, "[0].tool_use_id"),
    ("user", result(7), "[0].content"),
    ("user", result([{"type": "tool_reference"}]), "[0].content[0].type"),
    ("assistant", {"type": "text"}, "[0].text"),
    ("assistant", {"type": "thinking"}, "[0].thinking"),
    ("assistant", {"type": "server_tool_use"}, "[0].type"),
    ("assistant", {"type": "tool_use", "input": {}}, "[0]"),
    ("assistant", {"type": "tool_use", "id": "t", "name": "f", "input": "{}"}, "[0].input"),
    ("system", {"type": "text"}, "[0].text"),
]


@pytest.mark.parametrize(("role", "block", "where"), FAULTS, ids=[f"{role}{where}" for role, _, where in FAULTS])
def test_what_cannot_be_said_is_refused(role: str, block: dict[str, Any], where: str) -> None:
    """By the block's place, with what to do."""
    with pytest.raises(BadRequest) as caught:
        tell(role, block)
    assert caught.value.param == f"messages[0].content{where}"


words = st.text(max_size=12)
arguments = st.dictionaries(
    words, st.one_of(words, st.integers(-9, 9), st.none(), st.lists(words, max_size=2)), max_size=3
)
names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
turns = st.lists(
    st.one_of(
        st.tuples(st.just("user"), st.lists(words.filter(bool), min_size=1, max_size=3)),
        st.tuples(
            st.just("assistant"),
            st.lists(st.one_of(words.filter(bool), st.tuples(names, arguments)), min_size=1, max_size=4),
        ),
        st.tuples(st.just("results"), st.lists(words, min_size=1, max_size=3)),
    ),
    min_size=1,
    max_size=6,
)


def blocks(turn: tuple[str, list[Any]]) -> dict[str, Any]:
    kind, said = turn
    if kind == "results":
        made = [{"type": "tool_result", "tool_use_id": f"t{i}", "content": words} for i, words in enumerate(said)]
        return {"role": "user", "content": made}
    made = [text(s) if isinstance(s, str) else use(s[0], s[1], f"t{i}") for i, s in enumerate(said)]
    return {"role": kind, "content": made}


def read_back(messages: list[dict[str, Any]]) -> list[tuple[str, list[Any]]]:
    """What chat messages say: by the chat dialect's rules alone, as a model's server would read them."""
    read: list[tuple[str, list[Any]]] = []
    for message in messages:
        body = message.get("content")
        texts = [body] if isinstance(body, str) else [part["text"] for part in body or ()]
        if message["role"] == "tool":
            if not (read and read[-1][0] == "results" and message["tool_call_id"] != "t0"):
                read.append(("results", []))
            read[-1][1].append(body)
            continue
        calls = [
            (c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls") or ()
        ]
        read.append((message["role"], ["".join(texts), *calls]))
    return read


@given(turns)
def test_a_conversation_can_be_read_back(turns: list[tuple[str, list[Any]]]) -> None:
    """Whatever was said, called and returned is in the chat messages, in its order and to the letter."""
    raw = msgspec.Raw(json.dumps([blocks(turn) for turn in turns]).encode())
    told = json.loads(msgspec.json.encode(content.messages(raw)))
    expected = [
        (kind, said)
        if kind == "results"
        else (kind, ["".join(s for s in said if isinstance(s, str)), *(s for s in said if not isinstance(s, str))])
        for kind, said in turns
    ]
    assert read_back(told) == expected
