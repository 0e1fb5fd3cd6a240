"""`POST /v1/responses`: OpenAI's Responses dialect, over the same pipeline as chat completions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from router.api.dialect import Asked, Failure, OpenAI, OpenAIVoice
from router.api.kept import Before, Kept, Shelf, Whole
from router.errors import BodyTooLarge, CallerFault, TurnoutError, UpstreamFault
from router.record import Incoming, token
from router.settings import Settings
from router.wire import ask
from router.wire.responses import frame, ids, native, request
from router.wire.responses.items import Item
from router.wire.responses.request import MOVED, Request
from router.wire.responses.speech import Speech

RESPONSES = "/v1/responses"


class Read(NamedTuple):
    """A request, what it follows, and the chat completion that both come to."""

    request: Request
    before: Before
    history: list[Item]
    """The items of `before`."""
    chat: bytes


class Responses(OpenAI):
    """Translates requests, with what they build on, and keeps the answers that a later one may build on."""

    path = RESPONSES

    def __init__(self, shelf: Shelf, settings: Settings, now: Callable[[], float] = time.time) -> None:
        self._shelf, self._settings, self._now = shelf, settings, now

    async def read(self, key_id: str, body: bytes) -> Read:
        """Raises TurnoutError that names the caller's own field."""
        read = request.read(body)
        before = await self._shelf.before(key_id, read.previous)
        self._limit(sum(map(len, before.items)))
        read = request.resolved(read, await self._shelf.items(key_id, read.references))
        history = before.read()
        made = request.chat(read, history)
        self._limit(len(made))
        return Read(read, before, history, made)

    async def ask(self, incoming: Incoming) -> Asked:
        read, before, history, body = await self.read(incoming.key_id, incoming.body)
        name = ids.response(token())
        keep = read.store and self._settings.response_bytes > 0
        session = ask.session(incoming.headers)
        run = session or read.session or before.run or (name if keep else None)
        headers = incoming.headers if session or not run else {**incoming.headers, ask.SESSIONS[0]: run}
        speech = Speech(frame.build(read, name, int(self._now()), kept=keep), read.offer)
        kept = Whole(Kept(before.names, run or "", msgspec.Raw()), request.named(read, name)) if keep else None
        voice = ResponsesVoice(speech, self._now, self._shelf, incoming.key_id, name, kept)
        # What is kept needs names of ours, so it is translated; what is not may pass as it came.
        own = None if keep else native.original(read, incoming.body, before.items, history)
        return Asked(msgspec.structs.replace(incoming, body=body, headers=headers, native=own), voice)

    def _limit(self, size: int) -> None:
        if size > self._settings.max_body_bytes:
            raise BodyTooLarge(
                f"With what it builds on, the request is over the limit of {self._settings.max_body_bytes:,} bytes. "
                "Begin a new conversation, or raise TURNOUT_MAX_BODY_BYTES.",
                param="previous_response_id",
            )

    def failure(self, error: TurnoutError, request: str) -> Failure:
        """Names the caller's own field where an upstream found fault with the one that it became."""
        whole = super().failure(error, request)
        field = (error.param or "").partition("[")[0].partition(".")[0]
        if field in _FIELDS and isinstance(error, CallerFault | UpstreamFault):
            whole.body["error"]["param"] = _FIELDS[field]
        return whole


_FIELDS = {name: MOVED[name] for name in ("messages", "max_tokens", "response_format", "reasoning_effort")}


class ResponsesVoice(OpenAIVoice):
    """Speaks one answer, and keeps it before its last bytes leave."""

    def __init__(
        self, speech: Speech, now: Callable[[], float], shelf: Shelf, key_id: str, name: str, kept: Whole | None
    ) -> None:
        """`kept`: what is to be kept beside the response; None where nothing is."""
        self._speech, self._now = speech, now
        self._shelf, self._key_id, self._name, self._kept = shelf, key_id, name, kept

    async def whole(self, answer: bytes) -> bytes:
        response = self._speech.whole(answer, int(self._now()))
        await self._keep(response)
        return response

    def heard(self, block: bytes) -> None:
        self._speech.heard(block)

    def feed(self, block: bytes) -> bytes:
        return self._speech.feed(block)

    async def end(self) -> bytes:
        at = int(self._now())
        events = self._speech.end(at)
        if self._kept is not None:
            await self._keep(msgspec.json.encode(self._speech.response(at)))
        return events

    def broken(self, error: TurnoutError, request: str) -> bytes:
        return self._speech.broken(error)

    async def _keep(self, response: bytes) -> None:
        if self._kept is not None:
            kept = msgspec.structs.replace(self._kept.kept, response=msgspec.Raw(response))
            await self._shelf.put(self._key_id, self._name, Whole(kept, self._kept.input))
