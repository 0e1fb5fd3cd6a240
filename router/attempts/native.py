"""Relays a stream in the messages dialect, from a deployment that speaks it to a caller that does."""

from __future__ import annotations

from router.errors import UpstreamFault
from router.relay import Live, truncated
from router.wire import sse
from router.wire.anthropic import native


class MessagesLive(Live):
    """As Live: nothing goes out before the first content, and all that does is the upstream's bytes."""

    native = True

    def _commits(self, block: bytes) -> bool:
        return any(event.commits for event in native.events(block))

    def _ends(self, block: bytes) -> bool:
        return any(event.type == "message_stop" for event in native.events(block))

    def _check_end(self) -> None:
        if self._failure is not None:
            raise self._failure
        if not self.done:
            raise truncated()

    def _take(self, block: bytes) -> bytes:
        kept: list[bytes] = []
        for raw in sse.blocks(block):
            data = sse.data(raw)
            if data is not None and not self._note(data):
                break
            kept.append(raw)
        told = b"".join(kept)
        self.bytes_out += len(told)
        return told

    def _note(self, data: bytes) -> bool:
        """Notes what an event tells of the end; whether the caller is to see it."""
        try:
            event = native.decode(data)
        except UpstreamFault as error:
            self._failure = error
            return False
        self.usage = native.usage(event.counted, self.usage)
        self.finish_reason = event.finish_reason or self.finish_reason
        self.done = self.done or event.type == "message_stop"
        return True
