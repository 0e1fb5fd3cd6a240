"""Replayed history, written for the model that gets it: nobody is handed another model's thinking.

Clients send earlier answers back with the thoughts in them, as a field of their own or inside the text. Thoughts from
before the last user message are left out, as the models' own chat templates leave them out; those after it, which a
model builds on inside a tool loop, go back to the model that wrote them, spelled as its deployment reads them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from router.outcome import Thread
from router.step import NULL, Message, StepRequest

READS = 4096
"""Bytes of a message that tell conversations apart."""
_FIELDS = ("reasoning", "reasoning_content", "thinking_blocks")
_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning"})
"""Parts of a content that are thoughts."""
_INSIDE = re.compile(
    rb'"type"\s*:\s*"(?:thinking|redacted_thinking|reasoning)"'
    rb'|"(?:\\n|\\r|\s)*(?:<|\\u003c)think(?:>|\\u003e)'
    rb"|\\n(?:<|\\u003c)\\?/think(?:>|\\u003e)"
)
"""Thoughts in a content as JSON: a part of their own, a text that begins with <think>, a line that ends them."""
_WHOLE = re.compile(r"\s*<think>(.*?)(?:</think>\s*|\Z)", re.DOTALL)
_TAIL = re.compile(r"(.*?)\n</think>(?:\n\s*|\Z)", re.DOTALL)
"""A template that opens the thoughts itself leaves only their end in the text, on a line of its own."""
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_NOTHING = (b"null", b'""', b"[]")


def thread(messages: Sequence[Message]) -> str:
    """Which conversation of a run it is: sub-agents that share a run begin with user messages of their own."""
    digest = 0
    for message in messages:
        if message.role == "assistant":
            break
        if message.role == "user":
            digest = zlib.crc32(bytes(message.content)[:READS], digest)
    return f"{digest:08x}"


def author(messages: Sequence[Message], known: Thread | None, pinned: str | None) -> str | None:
    """The model whose thoughts the messages after the last user message hold; None where nobody can tell.

    Of a conversation that is known, it is the model that wrote all of its answers since then; of any other, the one
    that the caller has pinned, since whoever pins a model talks to it alone.
    """
    if known is None:
        return pinned
    answers = sum(m.role == "assistant" for m in messages[: _loop(messages)])
    return known.model if known.since <= answers else None


def attributed(request: StepRequest, known: Thread | None, pin: frozenset[str] | None) -> StepRequest:
    """`request` with its author. `pin`: the model or arm that the caller named."""
    if not request.thoughts:
        return request
    pinned = None if pin is None else next(iter(pin)).partition("/")[0]
    return msgspec.structs.replace(request, author=author(request.messages, known, pinned))


def _loop(messages: Sequence[Message]) -> int:
    """Index behind the last user message."""
    return next((i for i in range(len(messages), 0, -1) if messages[i - 1].role == "user"), 0)


def thinks(message: Message) -> bool:
    """Whether it is an earlier answer with its thoughts."""
    if message.role != "assistant":
        return False
    m = message
    return (
        _said(m.reasoning)
        or _said(m.reasoning_content)
        or _said(m.reasoning_details)
        or _said(m.thinking_blocks)
        or (m.content is not NULL and _inside(bytes(m.content)))
    )


def _inside(content: bytes) -> bool:
    """Whether thoughts stand in a content; most are passed over by a plain search."""
    return (b"think" in content or b'"reasoning"' in content) and _INSIDE.search(content) is not None


def _said(raw: msgspec.Raw) -> bool:
    return raw is not NULL and bytes(raw) not in _NOTHING


def written(raw: msgspec.Raw, messages: Sequence[Message], spelled: Sequence[str]) -> msgspec.Raw:
    """The field `messages` for one deployment, all but the messages with thoughts byte for byte.

    `spelled`: the fields in which it reads the thoughts that are its own; none where they are somebody else's.
    """
    out, start = _LIST.decode(raw), _loop(messages)
    for i, message in enumerate(messages):
        if thinks(message):
            out[i] = _rewritten(_OBJECT.decode(out[i]), spelled if i >= start else ())
    return msgspec.Raw(msgspec.json.encode(out))


def _rewritten(message: Mapping[str, msgspec.Raw], spelled: Sequence[str]) -> msgspec.Raw:
    fields: dict[str, Any] = {name: raw for name, raw in message.items() if name not in _FIELDS}
    details = fields.pop("reasoning_details", None)
    inside, rest = _parted(msgspec.json.decode(message.get("content", NULL)))
    told = (_text(message.get("reasoning")), _text(message.get("reasoning_content")), _detailed(details), inside)
    thought = next((text for text in told if text and text.strip()), "")
    if thought:
        fields |= dict.fromkeys(spelled, thought)
    if details is not None and "reasoning" in spelled:
        fields["reasoning_details"] = details  # signed and sealed ones mean something where they came from
    if inside is not None:
        fields["content"] = rest if rest != [] else None
    if not rest and bytes(message.get("tool_calls", NULL)) in _NOTHING:
        fields["content"] = ""  # a message needs something in it
    return msgspec.Raw(msgspec.json.encode(fields))


def _parted(content: Any) -> tuple[str | None, Any]:
    """The thoughts inside a content, None where there are none, and what is left of it."""
    if isinstance(content, str):
        found = _WHOLE.match(content) or _TAIL.match(content)
        return (found[1].strip(), content[found.end() :]) if found else (None, content)
    thoughts: list[str] = []
    rest = []
    for part in content or ():
        if part.get("type") in _THOUGHTS:
            thoughts.append(_text(part.get("thinking")) or _text(part.get("text")))
            continue
        inside, left = _parted(_text(part.get("text")))
        if inside is None:
            rest.append(part)
            continue
        thoughts.append(inside)
        if left:
            rest.append(part | {"text": left})
    return ("".join(thoughts), rest) if thoughts else (None, content)


def _detailed(raw: msgspec.Raw | None) -> str:
    """The text in OpenRouter's `reasoning_details`."""
    details = None if raw is None else msgspec.json.decode(raw)
    parts = [d for d in details if isinstance(d, dict)] if isinstance(details, list) else []
    return "".join(_text(d.get("text")) or _text(d.get("summary")) for d in parts)


def _text(value: Any) -> str:
    plain = msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
    return plain if isinstance(plain, str) else ""
