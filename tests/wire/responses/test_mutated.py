"""Requests and answers that are whole but for a few members: taken, or refused by name; never anything else."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import BadRequest, UpstreamFault
from router.wire import chat
from router.wire.responses import frame, listing, request
from router.wire.responses.request import Request
from router.wire.responses.speech import Speech
from tests.wire.responses.told import RESPONSE, TOOLS, chunk, events

ITEMS: list[dict[str, Any]] = [
    {"role": "user", "content": "Hi."},
    {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "x"}]},
    {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
    {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}", "namespace": "crm"},
    {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"},
    {"type": "local_shell_call", "call_id": "c3", "action": {"type": "exec", "command": ["ls"]}},
    {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_image", "image_url": "data:x"}]},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": "x"},
    {"type": "local_shell_call_output", "id": "c3", "output": "x"},
    {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "r"}]},
]
REQUEST: dict[str, Any] = {
    "model": "auto",
    "input": ITEMS,
    "instructions": "i",
    "stream": True,
    "metadata": {"a": "b", "turnout.accuracy": "0.5"},
    "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
    "top_logprobs": 2,
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}},
    "reasoning": {"effort": "low", "summary": "auto"},
    "max_output_tokens": 5,
    "parallel_tool_calls": True,
    "prompt_cache_key": "k",
    "tools": TOOLS,
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
}
CALLS = [{"index": 0, "id": "c", "function": {"name": "patch", "arguments": "{"}}, {"index": 1, "id": "d"}]
ANSWER: list[Any] = [
    json.loads(data.removeprefix(b"data: "))
    for data in (
        chunk({"role": "assistant", "content": "a", "reasoning": "b"}, logprobs={"content": [{"token": "a"}]}),
        chunk({"tool_calls": CALLS}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}], "function_call": {"name": "f"}}, "length"),
    )
]
ODD = st.sampled_from(
    [None, True, 0, -1, 1.5, 10**25, "", "x", "a" * 300, [], {}, [[]], {"type": "message"}, [None], "turnout1.!"]
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places in a JSON value, below its top."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*path, key)
        yield from paths(part, (*path, key))


@st.composite
def mutated(draw: st.DrawFn, whole: Any) -> Any:
    """`whole` with a member or two left out, or something else in their place."""
    made = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 2))):
        *path, last = draw(st.sampled_from(list(paths(made))))
        place = made
        for key in path:
            place = place[key]
        if draw(st.booleans()):
            place[last] = copy.deepcopy(draw(ODD))
        else:
            del place[last]
    return made


def read(asked: Any) -> Request | None:
    """None where it is refused, which names a field."""
    try:
        made = request.read(json.dumps(asked).encode())
        body = request.chat(made)
    except BadRequest as refusal:
        assert refusal.param is not None
        return None
    try:
        chat.parse(body)
    except BadRequest as refusal:
        assert refusal.param == "model"
    return made


@given(mutated(REQUEST))
@settings(max_examples=150, deadline=None)
def test_requests(asked: Any) -> None:
    """What is taken is a chat completion, can be answered, and can be listed."""
    if (made := read(asked)) is None:
        return
    voice = Speech(frame.build(made, RESPONSE, 100, kept=True), made.offer)
    assert events(voice.feed(chunk({"content": "x"})) + voice.end(200))
    listed = listing.page(request.named(made, RESPONSE), "asc", None, 100)
    assert len(listed["data"]) == len(made.items)


@given(mutated(ANSWER))
@settings(max_examples=150, deadline=None)
def test_answers(chunks: Any) -> None:
    """An answer is told in events that are whole, or found to be none."""
    made = read(REQUEST)
    assert made is not None
    voice = Speech(frame.build(made, RESPONSE, 100, kept=True), made.offer)
    try:
        told = b"".join(voice.feed(b"data: " + json.dumps(each).encode() + b"\n\n") for each in chunks) + voice.end(200)
    except UpstreamFault as fault:
        told = voice.broken(fault)  # what was told before is gone with the exception
        assert told.endswith(b"\n\n")
    else:
        assert events(told)[-1]["response"]["status"] in ("completed", "incomplete")
