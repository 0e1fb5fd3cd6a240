"""Requests and answers for the tests of what is told."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from router.wire.responses import frame, request
from router.wire.responses.request import Request
from router.wire.responses.speech import Speech
from tests.wire.streams import DONE, USAGE, event

RESPONSE = "resp_0123456789abcdef01234567"
SUMMARY = {"reasoning": {"summary": "auto"}}
SEALED = {"include": ["reasoning.encrypted_content"]}
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "name": "f"},
    {"type": "custom", "name": "patch"},
    {"type": "local_shell"},
    {"type": "shell", "environment": {"type": "local"}},
    {"type": "apply_patch"},
    {"type": "namespace", "name": "crm", "description": "", "tools": [{"type": "function", "name": "f"}]},
]


def asked(**fields: Any) -> Request:
    return request.read(json.dumps({"model": "auto", "input": "Hi.", "tools": TOOLS, **fields}).encode())


def speech(**fields: Any) -> Speech:
    read = asked(**fields)
    return Speech(frame.build(read, RESPONSE, 100, kept=True), read.offer)


def events(lines: bytes) -> list[dict[str, Any]]:
    """The data of the events, whose names must be their types and whose numbers must count up from 0."""
    read = []
    for number, block in enumerate(lines.split(b"\n\n")[:-1]):
        name, data = block.split(b"\n")
        read.append(json.loads(data.removeprefix(b"data: ")))
        assert name == b"event: " + read[-1]["type"].encode() and read[-1]["sequence_number"] == number
    return read


def whole(message: dict[str, Any], finish: str = "stop", **more: Any) -> bytes:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return json.dumps({"object": "chat.completion", "model": "m", "choices": [choice], "usage": USAGE, **more}).encode()


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    return event({"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]})


def stream(*deltas: dict[str, Any], finish: str = "stop") -> bytes:
    """A whole stream of chunks."""
    last = event({"model": "m", "choices": [], "usage": USAGE})
    return b"".join([chunk({"role": "assistant"}), *map(chunk, deltas), chunk({}, finish), last, DONE])


def deltas(message: dict[str, Any], size: int) -> list[dict[str, Any]]:
    """What a server that sends `size` characters at a time makes of a message."""
    made = [{name: part} for name in ("reasoning", "content", "refusal") for part in cut(message.get(name), size)]
    for index, call in enumerate(message.get("tool_calls") or ()):
        head = {"index": index, "id": call["id"], "type": "function"}
        made.append({"tool_calls": [{**head, "function": {"name": call["function"]["name"], "arguments": ""}}]})
        for part in cut(call["function"]["arguments"], size):
            made.append({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    return made


def cut(text: str | None, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text or ""), size)] if text else []


def _call(number: int, name: str, arguments: Any) -> dict[str, Any]:
    text = json.dumps(arguments)
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": text}}


_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
_ARGUMENTS = {
    "f": st.dictionaries(st.text(max_size=5), st.integers() | _TEXT, max_size=3),
    "crm__f": st.dictionaries(st.text(max_size=5), st.booleans(), max_size=2),
    "patch": st.fixed_dictionaries({"input": _TEXT}),
    "apply_patch": st.fixed_dictionaries({"type": st.just("update_file"), "path": _TEXT, "diff": _TEXT}),
    "shell": st.fixed_dictionaries({"commands": st.lists(_TEXT, max_size=3)}),
    "local_shell": st.fixed_dictionaries({"command": st.lists(_TEXT, max_size=3)}),
}
_CALLS = st.lists(
    st.sampled_from(sorted(_ARGUMENTS)).flatmap(lambda name: st.tuples(st.just(name), _ARGUMENTS[name])), max_size=3
)


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """Assistant messages of chat completions with any of thinking, text and calls."""
    message: dict[str, Any] = {"role": "assistant", "content": draw(st.none() | _TEXT)}
    if thinking := draw(st.none() | _TEXT):
        message["reasoning"] = thinking
    if calls := [_call(i, name, arguments) for i, (name, arguments) in enumerate(draw(_CALLS))]:
        message["tool_calls"] = calls
    return message


def told(block: bytes, **fields: Any) -> list[dict[str, Any]]:
    """The events of a whole stream."""
    voice = speech(**fields)
    return events(voice.feed(block) + voice.end(200))


def kinds(got: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in got]
