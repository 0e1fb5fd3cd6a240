"""A chat completion told as a message."""

from __future__ import annotations

from typing import Any

import msgspec

from router.wire import answer as wire_answer
from router.wire import chunk
from router.wire.answer import Choice, ToolCall
from router.wire.anthropic.request import Asked
from router.wire.usage import Usage

SIGNATURE = "turnout"
"""Thinking blocks carry a signature, which Anthropic's own servers check. Nobody checks this one."""
_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_UNREADABLE = "unreadable_arguments"
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def from_chat(body: bytes, asked: Asked, name: str) -> bytes:
    """The message called `name` for a chat.completion. Raises UpstreamFault for what is none.

    Of several choices the first is told: the dialect has one.
    """
    read = chunk.decode(body)
    answer = wire_answer.from_whole(read, len(body))
    choice, met = answer.choices[0], read.choices[0].stop_reason if read.choices else None
    message = {
        **opening(name, read.model),
        "content": _blocks(choice, asked.show_thinking, name),
        **stop(choice.finish_reason, met, asked.stops, calls=bool(choice.tool_calls)),
        "usage": usage(answer.usage, _size(choice)),
    }
    if choice.refusal:
        message["stop_reason"] = "refusal"
    return msgspec.json.encode(message)


def opening(name: str, model: Any) -> dict[str, Any]:
    """What a message begins with, streamed or not."""
    return {
        "id": name,
        "type": "message",
        "role": "assistant",
        "model": model if isinstance(model, str) else "",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def stop(reason: str | None, met: Any, stops: tuple[str, ...], *, calls: bool) -> dict[str, Any]:
    """`stop_reason` and `stop_sequence`. `met` is the stop sequence that the upstream names, if it does.

    Some servers say `stop` although the answer calls tools, whose results it then waits for.
    """
    if isinstance(met, str) and met in stops and reason == "stop":
        return {"stop_reason": "stop_sequence", "stop_sequence": met}
    if calls and reason == "stop":
        reason = "tool_calls"
    return {"stop_reason": _REASONS.get(reason or "", "end_turn"), "stop_sequence": None}


def usage(counted: Usage | None, size: int) -> dict[str, int]:
    """Where the upstream counted nothing, `size` bytes of text stand in for the output."""
    if counted is None:
        counted = Usage(completion_tokens=round(size / wire_answer.BYTES_PER_TOKEN))
    return {
        "input_tokens": counted.prompt_tokens - counted.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": counted.cached_tokens,
        "output_tokens": counted.completion_tokens,
    }


def _size(choice: Choice) -> int:
    texts = (choice.content, choice.reasoning, choice.refusal, *(call.arguments for call in choice.tool_calls))
    return sum(len(text.encode()) for text in texts)


def _blocks(choice: Choice, show_thinking: bool, name: str) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if choice.reasoning and show_thinking:
        blocks.append({"type": "thinking", "thinking": choice.reasoning, "signature": SIGNATURE})
    blocks += [{"type": "text", "text": text} for text in (choice.content, choice.refusal) if text]
    return blocks + [_call(call, call_id(name, i)) for i, call in enumerate(choice.tool_calls)]


def _call(call: ToolCall, spare: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id or spare, "name": call.name, "input": _input(call.arguments)}


def call_id(name: str, number: int) -> str:
    """For a call of the message `name` to which the upstream gave no id."""
    return f"toolu_{name.removeprefix('msg_')}_{number}"


def _input(arguments: str) -> Any:
    """The arguments as the object that the dialect demands; what is none is told as it was written."""
    if not arguments.strip():
        return {}
    try:
        return _OBJECT.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return {_UNREADABLE: arguments}
