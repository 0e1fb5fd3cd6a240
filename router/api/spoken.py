"""Renders one step's answer in a dialect other than chat completions'."""

from __future__ import annotations

from router.api.asgi import ResponseSink, Send
from router.api.dialect import Dialect, Voice
from router.attempts import Answered, Walk
from router.errors import TurnoutError
from router.record import Record


class SpokenSink(ResponseSink):
    """As ResponseSink, all that is sent passing through a Voice."""

    def __init__(self, send: Send, request: str, wait: float, dialect: Dialect, voice: Voice) -> None:
        super().__init__(send, request, wait, dialect)
        self._voice = voice
        self._native = False
        """Whether the answer comes in this very dialect, so that its bytes pass."""

    def about(self, record: Record, walk: Walk) -> None:
        super().about(record, walk)
        if record.decision is not None:
            self._voice.expect(record.decision.chosen.attempts[0].input_tokens)

    async def answer(self, got: Answered) -> None:
        assert self._record is not None
        self._native = got.native
        if not self._record.stream:
            await self._whole(got.body if got.native else await self._voice.whole(got.body))
            return
        if got.native:  # its end is in its bytes
            await self.open(self._summary() + got.body)
            await self._last(b"")
            return
        await self.open(got.body)
        await self._last(self._summary() + await self._voice.end())

    async def open(self, head: bytes) -> None:
        assert self._walk is not None
        self._native = self._native or self._walk.native
        await super().open(head)

    async def write(self, block: bytes) -> None:
        if self._native:
            self._voice.heard(block)
        if spoken := block if self._native else self._voice.feed(block):
            await super().write(spoken)

    async def close(self) -> None:
        await self._last(b"" if self._native else await self._voice.end())

    def _waiting(self) -> bytes:
        return self._voice.waiting()

    def _broken(self, error: TurnoutError) -> bytes:
        return self._voice.broken(error, self._request)
