"""Reads the facts of a step from its request alone, so that a replay can rebuild them."""

from __future__ import annotations

from collections.abc import Sequence

from router.step import script, signals
from router.step.excerpt import excerpt
from router.step.request import Facts, Message, StepRequest

_RECENT = 3
"""Messages whose text is sampled for script and code."""
_TEXT_HEAD, _TEXT_TAIL = 768, 512
_RESULT_HEAD, _RESULT_TAIL = 200, 280
"""Bytes of a tool result: failures are told at its beginning or end; the data between may speak of errors."""
_LAST_RESULTS = 5
_LAST_CALLS = 10
_RESULT_ROLES = ("tool", "function")
_SAMPLE, _SAMPLES = 512, 8
"""Bytes of a sample in which escapes are counted, and how many are taken."""


def facts(request: StepRequest) -> Facts:
    """Reads the facts, purely: linear in the number of messages, with a few kilobytes of text whatever the size."""
    messages = request.messages
    results: list[Message] = []
    calls: list[tuple[str, bytes]] = []
    turn = since_user = 0
    before = ""
    for message in messages:
        role = message.role
        if role == "assistant":
            turn += 1
            calls += [(f.name, bytes(f.arguments)) for c in message.tool_calls or () if (f := c.function) is not None]
        elif role in _RESULT_ROLES:
            results.append(message)
            since_user += 1
        elif role == "user" and not (before in _RESULT_ROLES and _shows(message)):
            since_user = 0
        before = role
    told = [signals.severity(excerpt(bytes(r.content), _RESULT_HEAD, _RESULT_TAIL)) for r in results[-_LAST_RESULTS:]]
    code, non_latin = _shares(messages[-_RECENT:])
    return Facts(
        input_bytes=_input_bytes(request),
        code=code,
        non_latin=non_latin,
        images=request.images,
        turn=turn,
        tool_results=since_user,
        severity=told[-1] if told else signals.NONE,
        failure_share=sum(s > signals.NONE for s in told) / len(told) if told else 0.0,
        repeated=signals.repeated(calls),
        reads=signals.reads([name for name, _ in calls[-_LAST_CALLS:]]),
        tools=len(request.tools),
        schema=request.schema is not None,
        logprobs=request.logprobs,
        max_tokens=request.max_tokens,
        n=request.n,
        thinking=request.thinking,
    )


def _shows(message: Message) -> bool:
    """Whether it has a picture. Right behind a tool's message it is the tool's: few servers take pictures from tools,
    so that clients, and the translation of other dialects, put them there."""
    content = bytes(message.content)
    return content[:1] == b"[" and b'"image_url"' in content


def _input_bytes(request: StepRequest) -> int:
    """Bytes of messages and tools, pictures left out, as if escapes were written as the characters they stand for."""
    size = 0
    for name in ("messages", "tools"):
        if (raw := request.fields.get(name)) is not None:
            text = bytes(raw)
            size += len(text) - (request.image_bytes if name == "messages" else 0) - _escaped(text)
    return max(0, size)


def _escaped(text: bytes) -> int:
    """Bytes that escapes add to a JSON text, estimated from evenly spaced samples.

    An escape of two bytes is one character; one of six (\\uXXXX) is taken for three bytes of UTF-8.
    """
    stride = max(_SAMPLE, len(text) // _SAMPLES)
    sampled = b"".join(text[at : at + _SAMPLE] for at in range(0, len(text), stride))
    added = sampled.count(b"\\") + 2 * sampled.count(b"\\u")
    return added * len(text) // max(1, len(sampled))


def _shares(messages: Sequence[Message]) -> tuple[float, float]:
    """Shares of code and of characters outside Latin scripts in the messages' excerpts, weighted by length."""
    size = code = other = 0.0
    for message in messages:
        text = excerpt(bytes(message.content), _TEXT_HEAD, _TEXT_TAIL)
        size += len(text)
        code += script.code(text) * len(text)
        other += script.non_latin(text)
    return (code / size, other / size) if size else (0.0, 0.0)
