"""The legacy completions dialect: a prompt asked as a user's message, the answer's text told as a completion's.

Models that were trained to chat continue a raw text badly, so the prompt goes through their chat template.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import msgspec

from router.errors import UpstreamFault
from router.step import NULL
from router.wire import body as wire_body
from router.wire import chunk, fault, sse
from router.wire.body import count, decode, flag, refuse
from router.wire.chat import MAX_CHOICES

MAX_LOGPROBS = 5
QUIET = 64
"""Pieces of thinking, which completions do not have, between two comments that keep the connection open."""
_OURS = ("prompt", "suffix", "echo", "best_of", "logprobs")
_CHATS = ("messages", "tools", "functions", "tool_choice")
_TEXT = msgspec.json.Decoder(str)
_TEXTS = msgspec.json.Decoder(list[Any])
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_ENCODER = msgspec.json.Encoder()

Fields = dict[str, msgspec.Raw]


class Asked(msgspec.Struct, frozen=True):
    """A request in chat completions' terms, and what the answer's translation has to know of it."""

    body: bytes
    echo: str = ""
    """What every text begins with."""


class _Likely(msgspec.Struct, frozen=True):
    token: str
    logprob: float | None = None


class _Token(_Likely, frozen=True):
    top_logprobs: list[_Likely] | None = None


class _Logprobs(msgspec.Struct, frozen=True):
    content: list[_Token] | None = None


def to_chat(body: bytes) -> Asked:
    """Raises BadRequest naming the field. Members that both dialects have, and unknown ones, pass as they came."""
    fields = wire_body.read(body)
    prompt = _prompt(fields)
    for name in _CHATS:
        if bytes(fields.get(name, NULL)) != b"null":
            refuse(name, "belongs to /v1/chat/completions; a completion has a prompt alone")
    if bytes(fields.get("suffix", NULL)) not in (b"null", b'""'):
        refuse("suffix", "cannot be met: the models here do not write into the middle of a text. Leave it out")
    n = count(fields, "n", 1, MAX_CHOICES) or 1
    if count(fields, "best_of", 1, MAX_CHOICES) not in (None, n):
        refuse("best_of", "must be n, or left out: every answer is returned")
    echo = flag(fields, "echo") is True
    chat: dict[str, Any] = {name: raw for name, raw in fields.items() if name not in (*_OURS, *_CHATS)}
    chat["messages"] = [{"role": "user", "content": prompt}]
    wanted = count(fields, "logprobs", 0, MAX_LOGPROBS)
    if wanted is not None:
        if echo:
            refuse("logprobs", "cannot be had of an echoed prompt. Leave out echo")
        chat |= {"logprobs": True, **({"top_logprobs": wanted} if wanted else {})}
    return Asked(_ENCODER.encode(chat), prompt if echo else "")


def _prompt(fields: Fields) -> str:
    raw = bytes(fields.get("prompt", NULL))
    if raw[:1] == b'"':
        text: str = decode(_TEXT, raw, "prompt")
        return text
    if raw[:1] != b"[":
        refuse("prompt", "must be a string, or a list of one")
    prompts = decode(_TEXTS, raw, "prompt")
    if len(prompts) != 1 or not isinstance(prompts[0], str):
        refuse("prompt", "must hold one string: send one request for each prompt, and text rather than token ids")
    one: str = prompts[0]
    return one


def from_chat(body: bytes, asked: Asked) -> bytes:
    """The completion for a chat.completion. Raises UpstreamFault for what is none."""
    whole = _object(body)
    choices = whole.get("choices")
    if not isinstance(choices, list) or not all(isinstance(c, dict) for c in choices):
        raise UpstreamFault("invalid_body", "The upstream's answer has no choices.")
    told = [_choice(c, _member(c, "message"), asked.echo, 0) for c in choices]
    return _ENCODER.encode({**whole, "object": "text_completion", "choices": told})


class Telling:
    """One stream under way, of any number of choices."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._length: dict[int, int] = {}
        """Characters told of each choice."""
        self._unseen = 0

    def feed(self, block: bytes) -> bytes:
        """The events for a block of whole events; comments pass. Raises UpstreamFault for what is no chunk."""
        return b"".join(self._event(event) for event in sse.blocks(block))

    def end(self) -> bytes:
        return sse.DONE

    def _event(self, event: bytes) -> bytes:
        data = sse.data(event)
        if data is None:
            return event
        if sse.is_done(data):
            return b""
        chunk.decode(data)
        whole = _object(data)
        choices = [self._piece(c) for c in whole.get("choices") or ()]
        if choices and not any(c["text"] or c["finish_reason"] or c["logprobs"] for c in choices):
            self._unseen += 1
            return sse.comment("thinking") if self._unseen % QUIET == 0 else b""
        told = {**whole, "object": "text_completion", "choices": choices}
        return b"data: " + _ENCODER.encode(told) + b"\n\n"

    def _piece(self, choice: dict[str, Any]) -> dict[str, Any]:
        index, delta = choice.get("index") or 0, _member(choice, "delta")
        told = self._length.get(index)
        begins = told is None and (chunk.text(delta.get("content")) or choice.get("finish_reason"))
        piece = _choice(choice, delta, self._asked.echo if begins else "", told or 0)
        if piece["text"]:
            self._length[index] = (told or 0) + len(piece["text"])
        return piece


def _choice(choice: dict[str, Any], said: dict[str, Any], before: str, offset: int) -> dict[str, Any]:
    return {
        "text": before + (chunk.text(said.get("content")) or chunk.text(said.get("refusal"))),
        "index": choice.get("index") or 0,
        "logprobs": _logprobs(choice.get("logprobs"), offset),
        "finish_reason": choice.get("finish_reason"),
    }


def _logprobs(chat: Any, offset: int) -> dict[str, Any] | None:
    """A chat's log-probabilities in the older form; `offset`: characters of the text before these tokens."""
    try:
        content = msgspec.convert(chat, _Logprobs | None)
    except msgspec.ValidationError:
        return None
    if content is None or content.content is None:
        return None
    tokens = content.content
    ends = accumulate((len(t.token) for t in tokens), initial=offset)
    return {
        "tokens": [t.token for t in tokens],
        "token_logprobs": [t.logprob for t in tokens],
        "top_logprobs": [{o.token: o.logprob for o in t.top_logprobs or ()} for t in tokens],
        "text_offset": [at for at, _ in zip(ends, tokens, strict=False)],
    }


def _member(of: dict[str, Any], name: str) -> dict[str, Any]:
    value = of.get(name)
    return value if isinstance(value, dict) else {}


def _object(body: bytes) -> dict[str, Any]:
    return fault.decoded(_OBJECT, body, "The upstream's answer is no JSON object.")
