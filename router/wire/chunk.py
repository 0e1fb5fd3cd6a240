"""Reads the events of a streamed answer: one by one before the commit point, by searching bytes after it.

A search for a key cannot be fooled by text: inside a JSON string every quote is escaped, so `"usage"` with bare quotes
and a colon behind it is a key. Line breaks are escaped too, so a line that begins with `data:` begins an event's data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from router.errors import UpstreamFault
from router.wire import fault, sse, usage
from router.wire.usage import Usage


class Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class Custom(msgspec.Struct):
    name: str | None = None
    input: str | None = None


class Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: Function | None = None
    custom: Custom | None = None

    @property
    def name(self) -> str:
        called = self.function or self.custom
        return (called.name if called is not None else None) or ""

    @property
    def arguments(self) -> str:
        """A piece of them: JSON as a string or, from some servers, as the object itself; or a custom tool's input."""
        value = self.function.arguments if self.function is not None else None
        if value is None and self.custom is not None:
            value = self.custom.input
        if value is None or isinstance(value, str):
            return value or ""
        return msgspec.json.encode(value).decode()


class Delta(msgspec.Struct):
    content: Any = None
    reasoning: Any = None
    reasoning_content: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    tool_calls: list[Call] | None = None
    function_call: Function | None = None
    audio: Any = None

    @property
    def thought(self) -> str:
        """In the spellings of several servers."""
        return text(self.reasoning) or text(self.reasoning_content)

    def filled(self) -> bool:
        """Whether it carries anything of an answer."""
        values = (self.content, self.reasoning, self.reasoning_content, self.refusal, self.tool_calls)
        return any(values) or bool(self.reasoning_details or self.function_call or self.audio)


class Choice(msgspec.Struct):
    index: int = 0
    delta: Delta | None = None
    message: Delta | None = None
    """In its place in a whole completion."""
    finish_reason: str | None = None
    stop_reason: Any = None
    """From vLLM and its like: the stop sequence that was met."""
    logprobs: Any = None

    @property
    def said(self) -> Delta | None:
        return self.delta or self.message

    @property
    def calls(self) -> list[Call]:
        """The pieces of calls, the oldest form's among them. In a whole message each is a call, whatever its index."""
        said = self.said
        if said is None:
            return []
        calls = said.tool_calls or []
        if said.function_call is not None:
            calls = [*calls, Call(index=0, function=said.function_call)]
        if self.message is None:
            return calls
        return [Call(i, call.id, call.function, call.custom) for i, call in enumerate(calls)]


class Chunk(msgspec.Struct):
    """A chunk of a stream, or a whole completion."""

    model: Any = None
    choices: list[Choice] | None = None
    usage: Any = None
    error: Any = None
    service_tier: Any = None


class Seen(msgspec.Struct, frozen=True):
    """What a block of events tells of the answer's end."""

    finish_reason: str | None = None
    finishes: int = 0
    """Choices that end in the block."""
    has_usage: bool = False
    has_error: bool = False
    done: bool = False


_CHUNK = msgspec.json.Decoder(Chunk)
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"([^"\\]{1,64})"')
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_ERROR = re.compile(rb'"error"\s*:\s*[^\sn]')
_DONE = b"[DONE]"
_DONE_DATA = re.compile(rb"(?:^|[\r\n])data:[ \t]*\[DONE\]")
_DONE_REACH = 16
"""Bytes before a [DONE] in which its line begins."""
_ENDS = (b"\n\n", b"\r\r", b"\n\r\n")
_NOTHING = Seen()


def decode(data: bytes) -> Chunk:
    """Raises UpstreamFault: `invalid_body` for what is none, `error_object` for an error in its place."""
    chunk = fault.decoded(_CHUNK, data, "The upstream sent what is no chat completion.")
    if chunk.error:
        raise UpstreamFault("error_object", "The upstream reported an error in its answer.")
    return chunk


def text(value: Any) -> str:
    """A content's text: a string, or that of a list of parts; "" for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(text(part.get("text")) for part in value if isinstance(part, dict))
    return ""


def slot(call: Call, ids: Mapping[int, str]) -> int:
    """Which of an answer's calls a piece belongs to: by its index, or without one by its id, or else the last.

    `ids`: of the calls so far, by their slots.
    """
    if call.index is not None:
        return call.index
    if call.id:
        return next((at for at, known in ids.items() if known == call.id), len(ids))
    return max(ids, default=0)


def commits(block: bytes) -> bool:
    """Whether any event carries content, reasoning, a refusal or a tool call. Raises UpstreamFault as `decode`."""
    return any(
        choice.delta is not None and choice.delta.filled()
        for data in sse.events(block)
        if not sse.is_done(data)
        for choice in decode(data).choices or ()
    )


def scan(block: bytes) -> Seen:
    """What `block` says of the end, without decoding any of it; called for all that is relayed."""
    finish = _FINISH.findall(block)
    has_usage = _USAGE.search(block) is not None
    has_error = _ERROR.search(block) is not None and any(map(is_error, sse.events(block)))
    done = _ends(block)
    if not (finish or has_usage or has_error or done):
        return _NOTHING
    reason = finish[-1].decode("utf-8", "replace") if finish else None
    return Seen(reason, len(finish), has_usage, has_error, done)


def _ends(block: bytes) -> bool:
    """Whether a [DONE] is an event's data. Sought from the end: a search for lines costs more than all the rest."""
    at = block.rfind(_DONE)
    while at >= 0:
        if _DONE_DATA.search(block, max(0, at - _DONE_REACH), at + len(_DONE)):
            return True
        at = block.rfind(_DONE, 0, at)
    return False


def is_error(data: bytes) -> bool:
    """Whether an event's data is an error, rather than a chunk with a member of that name further down."""
    if not _ERROR.search(data):
        return False
    try:
        return bool(_CHUNK.decode(data).error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True


def before(block: bytes, ends: Callable[[bytes], bool]) -> bytes:
    """The events of `block` that come before the first whose data `ends` is true of."""
    kept: list[bytes] = []
    for event in sse.blocks(block):
        if (data := sse.data(event)) is not None and ends(data):
            break
        kept.append(event)
    return b"".join(kept)


def cut_usage(block: bytes, *, keep: bool) -> tuple[bytes, Usage | None]:
    """`block` without the chunk that carries usage alone, unless `keep`, and the last usage reported in it.

    Usage on a chunk that also has choices is read and stays; all other bytes stay as they are.
    """
    first = _USAGE.search(block)
    if first is None:
        return block, None
    found: Usage | None = None
    # Usage comes at the end of a stream; the events before the one that has it are left alone.
    start = max((at + len(end) for end in _ENDS if (at := block.rfind(end, 0, first.start())) >= 0), default=0)
    kept: list[bytes] = [block[:start]]
    for event in sse.blocks(block[start:]):
        alone = False
        if _USAGE.search(event):
            said, alone = _usage(sse.data(event))
            found = said or found
        if keep or not alone:
            kept.append(event)
    return (block if keep else b"".join(kept)), found


def _usage(data: bytes | None) -> tuple[Usage | None, bool]:
    """The usage of one event, and whether it has nothing else."""
    try:
        chunk = _CHUNK.decode(data or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, False
    return usage.from_wire(chunk.usage), not chunk.choices and chunk.usage is not None and not chunk.error
