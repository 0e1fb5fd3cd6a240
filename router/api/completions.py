"""`POST /v1/completions`: the dialect from before there were chats."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter

from router.api import contract
from router.api.contract import OPEN
from router.api.dialect import Asked, OpenAI, OpenAIVoice
from router.api.hinted import TURNOUT
from router.record import Incoming
from router.wire import completions

COMPLETIONS = "/v1/completions"


class Completions(OpenAI):
    """OpenAI's legacy dialect."""

    path = COMPLETIONS

    async def ask(self, incoming: Incoming) -> Asked:
        asked = completions.to_chat(incoming.body)
        return Asked(msgspec.structs.replace(incoming, body=asked.body), Completion(asked))


class Completion(OpenAIVoice):
    """One answer, as a completion."""

    def __init__(self, asked: completions.Asked) -> None:
        self._asked, self._telling = asked, completions.Telling(asked)

    async def whole(self, body: bytes) -> bytes:
        return completions.from_chat(body, self._asked)

    def feed(self, block: bytes) -> bytes:
        return self._telling.feed(block)

    async def end(self) -> bytes:
        return self._telling.end()


_REQUEST = {
    **OPEN,
    "description": "A completion's body. Fields that are not listed go upstream as they came.",
    "required": ["model", "prompt"],
    "properties": {
        "model": {"type": "string", "description": "As in a chat completion.", "examples": ["auto"]},
        "prompt": {
            "description": "A text, or a list of one.",
            "anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "maxItems": 1, "items": {"type": "string"}}],
        },
        "stream": {"type": ["boolean", "null"], "default": False},
        "echo": {"type": ["boolean", "null"], "default": False},
        "logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": completions.MAX_LOGPROBS},
        "max_tokens": contract.COUNT,
        "turnout": TURNOUT,
    },
}
_CHOICE = {
    "type": "object",
    "required": ["text", "index", "logprobs", "finish_reason"],
    "properties": {"text": {"type": "string"}, "index": {"type": "integer"}},
}
_ANSWER = {
    **OPEN,
    "required": ["object", "choices"],
    "properties": {
        "object": {"const": "text_completion"},
        "choices": {"type": "array", "items": _CHOICE},
        "usage": {"type": ["object", "null"]},
    },
}


def routes() -> APIRouter:
    return contract.step(
        COMPLETIONS,
        "completions",
        "One agent step, in the legacy dialect",
        "The prompt is asked as a user's message, and the answer's text is told as a completion's.",
        _REQUEST,
        _ANSWER,
    )
