"""Relays a stream in another dialect, from a deployment that speaks it to a caller that does."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from router.attempts.wording import MESSAGES, RESPONSES
from router.errors import UpstreamFault
from router.relay import Live, truncated
from router.wire import answer, native, sse
from router.wire.answer import Answer
from router.wire.anthropic import native as messages
from router.wire.native import Event
from router.wire.responses import native as responses


class NativeLive(Live):
    """As Live: nothing goes out before the first content, and all that does is the upstream's bytes."""

    native = True

    @staticmethod
    def _decode(data: bytes) -> Event:
        """One event's data. Raises UpstreamFault for what is none, and for an error."""
        raise NotImplementedError

    def _commits(self, block: bytes) -> bool:
        return any(event.commits for event in native.events(block, self._decode))

    def _ends(self, block: bytes) -> bool:
        return any(event.ends for event in native.events(block, self._decode))

    def _check_end(self) -> None:
        if self._failure is not None:
            raise self._failure
        if not self.done:
            raise truncated()

    def _take(self, block: bytes) -> bytes:
        kept: list[bytes] = []
        for raw in sse.blocks(block):
            data = sse.data(raw)
            if data is not None and not sse.is_done(data) and not self._note(data):
                break
            kept.append(raw)
        told = b"".join(kept)
        self.bytes_out += len(told)
        return told

    def _note(self, data: bytes) -> bool:
        """Notes what an event tells of the end; whether the caller is to see it."""
        try:
            event = self._decode(data)
        except UpstreamFault as error:
            self._failure = error
            return False
        self.usage = event.counted(self.usage)
        self.finish_reason = event.finish_reason or self.finish_reason
        self.done = self.done or event.ends
        return True


class MessagesLive(NativeLive):
    _decode = staticmethod(messages.decode)


class ResponsesLive(NativeLive):
    _decode = staticmethod(responses.decode)


class Reading(NamedTuple):
    """How answers in one dialect are read."""

    live: type[Live]
    from_body: Callable[[bytes], Answer]
    from_stream: Callable[[bytes], Answer]


CHAT = Reading(Live, answer.from_body, answer.from_stream)
READINGS = {
    MESSAGES: Reading(MessagesLive, messages.from_body, messages.from_stream),
    RESPONSES: Reading(ResponsesLive, responses.from_body, responses.from_stream),
}
"""By the path at which it is spoken; at any other it is chat completions."""
