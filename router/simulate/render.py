"""Answers on the wire: one JSON body, or the chunks of a stream, as vLLM writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from router.simulate.asked import Asked
from router.simulate.speech import Said, ToolCall

ThoughtFields = Literal["both", "reasoning", "reasoning_content"]
"""Where a server puts the model's thoughts: newer vLLM, older vLLM and DashScope, or (the default here) both."""
CHUNKS = 40
"""Pieces that a text is streamed in, at most: one per token would only cost time."""
LOGPROBS = 16
"""Tokens, that is words, for which logprobs are given."""
DONE = b"data: [DONE]\n\n"


class Head(msgspec.Struct, frozen=True):
    """What all parts of one answer share."""

    id: str
    model: str
    thoughts: ThoughtFields
    seconds: float
    """Simulated."""

    def envelope(self, kind: str) -> dict[str, Any]:
        # `created` is fixed, so that the same request gets the same bytes.
        return {"id": self.id, "object": kind, "created": 1_767_225_600, "model": self.model}

    def thought(self, text: str) -> dict[str, str]:
        names = ("reasoning", "reasoning_content") if self.thoughts == "both" else (self.thoughts,)
        return dict.fromkeys(names, text)


def usage(asked: Asked, choices: list[Said]) -> dict[str, Any]:
    completion = sum(c.tokens for c in choices)
    return {
        "prompt_tokens": asked.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": asked.prompt_tokens + completion,
        "completion_tokens_details": {"reasoning_tokens": sum(c.reasoning for c in choices)},
    }


def body(head: Head, asked: Asked, choices: list[Said]) -> bytes:
    """The whole answer."""
    return msgspec.json.encode(
        {
            **head.envelope("chat.completion"),
            "choices": [_choice(i, head, asked, said) for i, said in enumerate(choices)],
            "usage": usage(asked, choices),
            "simulated": {"seconds": head.seconds},
        }
    )


def _choice(index: int, head: Head, asked: Asked, said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.content}
    if said.thought:
        message |= head.thought(said.thought)
    if said.calls:
        message["tool_calls"] = [_call(c) for c in said.calls]
    logprobs = _logprobs(said.content or "") if asked.wire.logprobs else None
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": said.finish_reason}


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _logprobs(text: str) -> dict[str, Any]:
    words = text.split(" ")[:LOGPROBS]
    return {"content": [{"token": w, "logprob": -0.05, "bytes": list(w.encode()), "top_logprobs": []} for w in words]}


def chunks(head: Head, asked: Asked, choices: list[Said]) -> Iterator[tuple[int, bytes]]:
    """Each event of the stream, and how many tokens were written before it (for pacing)."""
    envelope = head.envelope("chat.completion.chunk")
    options = asked.wire.stream_options
    extra = {"usage": None} if options is not None and options.include_usage else {}

    def event(index: int, delta: dict[str, Any], finish: str | None = None, logprobs: Any = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return _event({**envelope, "choices": [choice], **extra})

    for index in range(len(choices)):
        yield 0, event(index, {"role": "assistant", "content": ""})
    for index, said in enumerate(choices):
        for written, delta in _deltas(head, said):
            text = delta.get("content")
            yield written, event(index, delta, logprobs=_logprobs(text) if text and asked.wire.logprobs else None)
        yield said.tokens, event(index, {}, said.finish_reason)
    if options is not None and options.include_usage:
        yield (
            0,
            _event({**envelope, "choices": [], "usage": usage(asked, choices), "simulated": {"seconds": head.seconds}}),
        )
    yield 0, DONE


def _deltas(head: Head, said: Said) -> Iterator[tuple[int, dict[str, Any]]]:
    """Thoughts, then content, then calls, each call's name first and its arguments in pieces."""
    thoughts = _pieces(said.thought, said.reasoning)
    for i, piece in enumerate(thoughts):
        yield said.reasoning * i // len(thoughts) + 1, head.thought(piece)
    pieces = _pieces(said.content or "", said.visible)
    for i, piece in enumerate(pieces):
        yield said.reasoning + said.visible * i // len(pieces) + 1, {"content": piece}
    for i, call in enumerate(said.calls):
        start = said.reasoning + said.visible * i // len(said.calls) + 1
        yield (
            start,
            {
                "tool_calls": [
                    {"index": i, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
                ]
            },
        )
        for piece in _pieces(call.arguments, 4):
            yield start, {"tool_calls": [{"index": i, "function": {"arguments": piece}}]}


def _pieces(text: str, tokens: int) -> list[str]:
    size = max(1, -(-len(text) // max(1, min(tokens, CHUNKS))))
    return [text[i : i + size] for i in range(0, len(text), size)]


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"
