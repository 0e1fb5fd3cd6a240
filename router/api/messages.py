"""`POST /v1/messages` and `/v1/messages/count_tokens`: what Anthropic's clients speak."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request

from router.api import contract, tally
from router.api.asgi import header_map, read_body
from router.api.contract import OPEN
from router.api.dialect import Asked, Chat, Dialect, Failure
from router.api.hinted import TURNOUT
from router.config import Config
from router.errors import TurnoutError
from router.keys import Grant
from router.limits import Admission
from router.record import Incoming, token
from router.settings import Settings
from router.step import Native
from router.wire.anthropic import answer, fault, request, stream

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
VERSION = "anthropic-version"
"""The header by which Anthropic's clients are known on paths that others use too."""
SESSION = "x-claude-code-session-id"


class Messages:
    """Anthropic's dialect."""

    path = MESSAGES

    async def ask(self, incoming: Incoming) -> Asked:
        asked = request.to_chat(incoming.body)
        headers = incoming.headers
        if asked.session is not None and SESSION not in headers:
            headers = {**headers, SESSION: asked.session}
        native = Native(incoming.body, asked.show_thinking)
        chat = msgspec.structs.replace(incoming, body=asked.body, headers=headers, native=native)
        return Asked(chat, Message(asked))

    def failure(self, error: TurnoutError, request: str) -> Failure:
        return Failure(fault.status(error), fault.body(error, request))

    def headers(self, request: str) -> list[tuple[bytes, bytes]]:
        return [(b"request-id", request.encode())]


def spoken_at(path: str, headers: Mapping[str, str]) -> Dialect:
    """The dialect in which errors on `path` are to be told."""
    here = path == MESSAGES or path.startswith(f"{MESSAGES}/") or VERSION in headers
    return Messages() if here else Chat()


class Message:
    """One answer, as a message."""

    def __init__(self, asked: request.Asked) -> None:
        self._asked, self._name = asked, f"msg_{token()}"
        self._telling = stream.Telling(asked, self._name)

    def expect(self, input_tokens: int) -> None:
        self._telling.expected = input_tokens

    def heard(self, block: bytes) -> None:
        """An error tells nothing of what came before it."""

    async def whole(self, body: bytes) -> bytes:
        return answer.from_chat(body, self._asked, self._name)

    def feed(self, block: bytes) -> bytes:
        return self._telling.feed(block)

    async def end(self) -> bytes:
        return self._telling.end()

    def waiting(self) -> bytes:
        return stream.PING

    def broken(self, error: TurnoutError, request: str) -> bytes:
        told = fault.body(error, request)
        return stream.event(told.pop("type"), told)


_TEXT_OR_BLOCKS = {"anyOf": [{"type": "string"}, {"type": "array", "items": OPEN}]}
_REQUEST = {
    **OPEN,
    "description": "A message's body. Fields that the models here have no use for are left out.",
    "required": ["model", "messages"],
    "properties": {
        "model": {"type": "string", "description": "As in a chat completion.", "examples": ["auto", "claude-sonnet-5"]},
        "max_tokens": contract.COUNT,
        "system": _TEXT_OR_BLOCKS,
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                **OPEN,
                "required": ["role", "content"],
                "properties": {
                    "role": {"type": "string", "enum": ["user", "assistant", "system"]},
                    "content": _TEXT_OR_BLOCKS,
                },
            },
        },
        "stream": {"type": "boolean", "default": False},
        "stop_sequences": {"type": "array", "items": {"type": "string"}},
        "tools": {"type": "array", "items": {**OPEN, "required": ["name", "input_schema"]}},
        "tool_choice": OPEN,
        "thinking": {**OPEN, "description": "`enabled` and `disabled` pin the mode; `adaptive` leaves it open."},
        "metadata": {**OPEN, "description": "`user_id`; entries called `turnout.<hint>` are hints."},
        "turnout": TURNOUT,
    },
}
_USAGE = {
    "type": "object",
    "required": ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"],
    "additionalProperties": {"type": "integer"},
}
_ANSWER = {
    "type": "object",
    "required": ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"],
    "properties": {
        "id": {"type": "string"},
        "type": {"const": "message"},
        "role": {"const": "assistant"},
        "model": {"type": "string"},
        "content": {"type": "array", "items": {**OPEN, "required": ["type"]}},
        "stop_reason": {"enum": ["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]},
        "stop_sequence": {"type": ["string", "null"]},
        "usage": _USAGE,
    },
}
_ERROR = {
    "type": "object",
    "required": ["type", "error", "request_id"],
    "properties": {
        "type": {"const": "error"},
        **contract.ERROR["properties"],
        "request_id": {"type": "string"},
    },
}
_COUNTED = {"type": "object", "required": ["input_tokens"], "properties": {"input_tokens": {"type": "integer"}}}


def routes(
    config: Callable[[], Config], admission: Admission, settings: Settings, authorised: Callable[..., Grant]
) -> APIRouter:
    router = contract.step(
        MESSAGES,
        "messages",
        "One agent step, in Anthropic's dialect",
        "The same as a chat completion, asked and answered as a message.",
        _REQUEST,
        _ANSWER,
        _ERROR,
        headers={"request-id": "The same as x-request-id.", **contract.HEADERS},
        statuses=(*(status for status in contract.COMMON if status != 503), fault.OVERLOADED),
    )
    counted_well = {"description": "An estimate", "content": {"application/json": {"schema": _COUNTED}}}

    @router.post(
        COUNT,
        summary="Count a request's input tokens",
        openapi_extra=contract.taking(_REQUEST),
        responses={200: counted_well, **contract.refusals(_ERROR, (400, 401, 403, 404, 408, 413, 429))},
    )
    async def count(request: Request, grant: Grant = Depends(authorised)) -> dict[str, Any]:
        """Takes the body of a message; returns how many tokens it has, by an estimate. Sends nothing upstream."""
        admission.asked(grant)
        body = await read_body(request.receive, header_map(request.scope), settings.max_body_bytes)
        return {"input_tokens": counted(body, config())}

    return router


def counted(body: bytes, config: Config) -> int:
    """Input tokens of a messages request. Raises as `tally.tokens`."""
    return tally.tokens(request.to_chat(body).body, config)
