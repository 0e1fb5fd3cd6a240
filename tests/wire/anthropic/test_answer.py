"""A chat completion told as a message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.errors import UpstreamFault
from router.wire.anthropic import answer
from router.wire.anthropic.request import Asked
from tests.answers import completion

PLAIN = Asked(b"")
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}}


def tell(message: dict[str, Any], finish: str | None = "stop", asked: Asked = PLAIN, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish, **more}
    body = completion(choices=[choice], usage=USAGE)
    told: dict[str, Any] = json.loads(answer.from_chat(body, asked, "msg_1"))
    return told


def call(arguments: Any, known: str | None = "t1") -> dict[str, Any]:
    return {"id": known, "type": "function", "function": {"name": "f", "arguments": arguments}}


def test_a_whole_message() -> None:
    """All members that the dialect has, and cached tokens counted apart."""
    assert tell({"content": "All is well."}) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "All is well."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 4,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 5,
            "output_tokens": 4,
        },
    }


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_thinking_is_for_those_who_asked(field: str) -> None:
    """Before the text; clients that did not ask take the first block for the answer."""
    message = {"content": "a", field: "hm"}
    assert [b["type"] for b in tell(message)["content"]] == ["text"]
    first, second = tell(message, asked=Asked(b"", show_thinking=True))["content"]
    assert first == {"type": "thinking", "thinking": "hm", "signature": answer.SIGNATURE} and second["text"] == "a"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"a": [1]}', {"a": [1]}),
        ({"a": 1}, {"a": 1}),
        ("", {}),
        (None, {}),
        ("{", {"unreadable_arguments": "{"}),
        ("[1]", {"unreadable_arguments": "[1]"}),
    ],
)
def test_a_call(arguments: Any, expected: dict[str, Any]) -> None:
    """Its arguments as an object; what is none is told as it was written."""
    told = tell({"content": None, "tool_calls": [call(arguments)]}, "tool_calls")
    assert told["content"] == [{"type": "tool_use", "id": "t1", "name": "f", "input": expected}]
    assert told["stop_reason"] == "tool_use"


def test_calls_without_ids_get_their_own() -> None:
    """Unique in the conversation, since results are told apart by them."""
    told = tell({"content": "", "tool_calls": [call("{}", None), call("{}", None)]}, "tool_calls")
    assert [b["id"] for b in told["content"]] == ["toolu_1_0", "toolu_1_1"]


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("function_call", "tool_use"),
        ("content_filter", "refusal"),
        ("eos", "end_turn"),
        (None, "end_turn"),
    ],
)
def test_why_it_ended(finish: str | None, reason: str) -> None:
    """In the dialect's words."""
    assert tell({"content": "a"}, finish)["stop_reason"] == reason


def test_stop_although_a_call_waits() -> None:
    """Some servers say so; an agent would never run the tool."""
    assert tell({"content": "", "tool_calls": [call("{}")]}, "stop")["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("met", "finish", "expected"),
    [
        ("END", "stop", ("stop_sequence", "END")),
        ("OTHER", "stop", ("end_turn", None)),
        (151_645, "stop", ("end_turn", None)),
        ("END", "length", ("max_tokens", None)),
    ],
)
def test_a_stop_sequence_that_was_met(met: Any, finish: str, expected: tuple[str, str | None]) -> None:
    """Named where the upstream names it, and it is one of the caller's."""
    told = tell({"content": "a"}, finish, Asked(b"", stops=("END",)), stop_reason=met)
    assert (told["stop_reason"], told["stop_sequence"]) == expected


def test_a_refusal() -> None:
    """Its words are text, and the reason says what they are."""
    told = tell({"content": None, "refusal": "I will not."})
    assert told["content"] == [{"type": "text", "text": "I will not."}] and told["stop_reason"] == "refusal"


def test_without_usage_the_output_is_estimated() -> None:
    """By its length; the input is then unknown."""
    body = completion("x" * 400, usage=None, model=None)
    told = json.loads(answer.from_chat(body, Asked(b""), "msg_1"))
    assert told["usage"]["output_tokens"] == 100 and told["usage"]["input_tokens"] == 0 and told["model"] == ""


def test_what_is_no_answer() -> None:
    """It is the upstream's fault."""
    with pytest.raises(UpstreamFault):
        answer.from_chat(b"{}", Asked(b""), "msg_1")
