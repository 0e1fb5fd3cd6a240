"""Replayed history: thoughts go back to the model that wrote them and to no other, and nothing else is touched."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.outcome import Thread
from router.step import StepRequest
from router.wire import chat, history

BOTH = ("reasoning", "reasoning_content")
USER = {"role": "user", "content": "How many bolts?"}
CALLS = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1.50}'}}]
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "40"}


def parsed(*messages: dict[str, Any]) -> StepRequest:
    return chat.parse(json.dumps({"model": "auto", "messages": messages}).encode())


def sent(*messages: dict[str, Any], spelled: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The messages as an upstream gets them."""
    got: list[dict[str, Any]] = json.loads(chat.render(parsed(*messages), "m", None, spelled))["messages"]
    return got


def called(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": CALLS, **fields}


THINKING: list[tuple[dict[str, Any], str, Any]] = [
    (called(reasoning="hm"), "hm", None),
    (called(reasoning_content="hm"), "hm", None),
    (called(reasoning="hm", reasoning_content="hm"), "hm", None),
    (called(reasoning_details=[{"type": "reasoning.text", "text": "h"}, {"text": "m"}, 3]), "hm", None),
    (called(reasoning_details=[{"type": "reasoning.summary", "summary": "hm"}]), "hm", None),
    (called(content="<think>\nhm\n</think>\n\nLet me look."), "hm", "Let me look."),
    (called(content="\n <think>hm</think>"), "hm", ""),
    (called(content="<think>cut off"), "cut off", ""),
    (called(content="<think></think>\n\nSo."), "", "So."),
    (called(content="hm\n</think>\n\nLet me look."), "hm", "Let me look."),
    (called(content=[{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "So."}]), "hm",
     [{"type": "text", "text": "So."}]),
    (called(content=[{"type": "reasoning", "text": "hm"}]), "hm", None),
    (called(content=[{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "So."}]), "",
     [{"type": "text", "text": "So."}]),
    (called(content=[{"type": "text", "text": "<think>hm</think>So.", "odd": 1}]), "hm",
     [{"type": "text", "text": "So.", "odd": 1}]),
    (called(content=[{"type": "text", "text": "<think>hm</think>"}]), "hm", None),
    (called(thinking_blocks=[{"type": "thinking", "thinking": "hm", "signature": "s"}]), "", None),
]  # fmt: skip


@pytest.mark.parametrize(("message", "thought", "rest"), THINKING)
def test_thoughts_are_found_wherever_they_stand(message: dict[str, Any], thought: str, rest: Any) -> None:
    """In fields of any spelling, in the text, in parts of their own: another model gets none, their own model all."""
    _, foreign, result = sent(USER, message, RESULT)
    assert foreign == called(content=rest) and result == RESULT
    _, own, _ = sent(USER, message, RESULT, spelled=BOTH)
    assert [own.get(name, "") for name in BOTH] == [thought, thought]
    assert (own["content"], own["tool_calls"]) == (rest, CALLS)


@pytest.mark.parametrize(
    ("spelled", "fields"),
    [((), set()), (("reasoning",), {"reasoning"}), (("reasoning_content",), {"reasoning_content"}), (BOTH, set(BOTH))],
)
def test_thoughts_are_spelled_as_the_deployment_reads_them(spelled: tuple[str, ...], fields: set[str]) -> None:
    """Whatever the spelling they came in."""
    message = sent(USER, called(reasoning_content="hm"), RESULT, spelled=spelled)[1]
    assert message.keys() - called().keys() == fields


def test_sealed_details_go_only_where_they_came_from() -> None:
    """They are kept beside `reasoning` for their own model."""
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    message = called(reasoning="hm", reasoning_details=details)
    assert sent(USER, message, spelled=BOTH)[1]["reasoning_details"] == details
    assert "reasoning_details" not in sent(USER, message)[1]
    assert "reasoning_details" not in sent(USER, message, spelled=("reasoning_content",))[1]


def test_thoughts_of_earlier_turns_are_left_out() -> None:
    """A model gets back only those after the last user message, its own included."""
    before, after = called(reasoning="old"), called(reasoning="new")
    got = sent(USER, before, RESULT, {"role": "assistant", "content": "40."}, USER, after, RESULT, spelled=BOTH)
    assert [m["reasoning"] for m in got if "reasoning" in m] == ["new"]


@pytest.mark.parametrize("content", [None, "", [], "<think>hm</think>", [{"type": "thinking", "thinking": "hm"}]])
def test_a_message_of_thoughts_alone_keeps_a_content(content: Any) -> None:
    """Servers refuse an assistant's message with nothing in it."""
    assert sent(USER, {"role": "assistant", "content": content, "reasoning": "hm"}, USER)[1] == {
        "role": "assistant",
        "content": "",
    }


PLAIN: list[dict[str, Any]] = [
    {"role": "assistant", "content": "Write <think> first, then\n  </think> at its end."},
    {"role": "assistant", "content": "I think, therefore I am.", "reasoning": None, "reasoning_content": ""},
    {"role": "assistant", "content": [{"type": "text", "text": '{"type": "thinking"}'}]},
    {"role": "user", "content": "<think>hm</think>"},
    {"role": "tool", "tool_call_id": "c1", "content": "<think>hm</think>", "reasoning": "x"},
    {"role": "system", "content": "x\n</think>\n"},
    called(),
]


@pytest.mark.parametrize("message", PLAIN)
def test_what_is_no_thought_passes_byte_for_byte(message: dict[str, Any]) -> None:
    """Words about thinking, empty fields, and messages that no model wrote."""
    text = json.dumps([USER, message], indent=1)
    request = chat.parse(b'{"model":"auto","messages":%b}' % text.encode())
    assert not request.thoughts
    assert text.encode() in chat.render(request, "m")


def test_other_messages_pass_byte_for_byte_beside_thoughts() -> None:
    """Only the message with thoughts is written anew, and of that only what has to be."""
    odd = b'{"role":"user" ,"content":"\\u263a 1.50","x":[1.0 ,2]}'
    mine = b'{"role":"assistant","content":"\\u263a","n":1.50,"reasoning":"hm","tool_calls":[ ]}'
    body = chat.render(chat.parse(b'{"model":"auto","messages":[%b,%b]}' % (odd, mine)), "m")
    assert odd in body and b'"content":"\\u263a","n":1.50,"tool_calls":[ ]' in body and b"hm" not in body


@pytest.mark.parametrize("text", ['"\\u003cthink\\u003ehm\\u003c/think\\u003eSo."', '"<think>hm<\\/think>So."'])
def test_escapes_hide_no_thoughts(text: str) -> None:
    """As JSON writers of other languages have them."""
    request = chat.parse(b'{"model":"a","messages":[{"role":"assistant","content":%b}]}' % text.encode())
    assert json.loads(chat.render(request, "m"))["messages"] == [{"role": "assistant", "content": "So."}]


ANSWER = {"role": "assistant", "content": "", "reasoning": "hm"}
LOOP = [USER, ANSWER, RESULT, ANSWER, RESULT]
AUTHORS: list[tuple[list[dict[str, Any]], Thread | None, frozenset[str] | None, str | None]] = [
    (LOOP, None, None, None),
    (LOOP, None, frozenset({"a"}), "a"),
    (LOOP, None, frozenset({"a/off"}), "a"),
    (LOOP, Thread("b", 0), None, "b"),
    (LOOP, Thread("b", 0), frozenset({"a"}), "b"),
    (LOOP, Thread("b", 1), None, None),
    ([USER, ANSWER, *LOOP], Thread("b", 0), None, "b"),
    ([USER, ANSWER, *LOOP], Thread("b", 1), None, "b"),
    ([USER, ANSWER, *LOOP], Thread("b", 2), None, None),
    ([ANSWER], Thread("b", 0), None, "b"),
    ([USER, {"role": "assistant", "content": "plain"}], Thread("b", 0), None, None),
]


@pytest.mark.parametrize(("messages", "known", "pin", "author"), AUTHORS)
def test_whose_thoughts_they_are(
    messages: list[dict[str, Any]], known: Thread | None, pin: frozenset[str] | None, author: str | None
) -> None:
    """The model that wrote every answer since the last user message, as the run knows it; or the one that is pinned."""
    assert history.attributed(parsed(*messages), known, pin).author == author


def test_conversations_are_told_apart_by_how_they_begin() -> None:
    """Later messages and the system's do not matter, what the user asks first does."""
    of = lambda *messages: history.thread(parsed(*messages).messages)  # noqa: E731
    system = {"role": "system", "content": "It is noon."}
    assert of(USER) == of(system, USER) == of(USER, called(), RESULT) == of(USER, ANSWER, {**USER, "content": "And?"})
    assert of(USER) != of({**USER, "content": "How many nuts?"}) != of(USER, {**USER, "content": "And?"})


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8) | st.sampled_from(["<think>a</think>b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "a"]), inner),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {"role": st.just("assistant")},
        optional={name: JSONS for name in ("reasoning", "reasoning_content", "reasoning_details", "thinking_blocks")}
        | {"content": st.none() | st.text() | st.sampled_from(["<think>a", "<think>a</think> b", "a\n</think>\nb"])},
    ),
    st.sampled_from([(), BOTH]),
)
def test_any_history_is_written_without_thoughts_of_others(message: dict[str, Any], spelled: tuple[str, ...]) -> None:
    """Whatever types clients put there, nothing fails, and written twice is written once."""
    once = sent(USER, message, spelled=spelled)
    assert sent(*once, spelled=spelled) == once
    if not spelled and history.thinks(parsed(USER, message).messages[1]):
        assert not once[1].keys() & {"reasoning", "reasoning_content", "reasoning_details", "thinking_blocks"}


def test_raw_null_is_no_thought() -> None:
    """A field that is there and null says nothing."""
    assert msgspec.json.decode(b"null") is None and not parsed(USER, {**ANSWER, "reasoning": None}).thoughts
