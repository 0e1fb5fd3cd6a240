"""An answer told as a response, from a whole chat completion or from its chunks: the same either way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from router.errors import TurnoutError
from router.wire import chunk, sse
from router.wire.responses import frame as frames
from router.wire.responses import telling
from router.wire.responses.frame import Frame
from router.wire.responses.offer import Offer
from router.wire.responses.pieces import Event

_ENCODER = msgspec.json.Encoder()


class _Heard(msgspec.Struct):
    sequence_number: int | None = None
    response: dict[str, msgspec.Raw] | None = None


_HEARD = msgspec.json.Decoder(_Heard)


class Speech:
    """Takes in one answer and tells of it. How a stream is cut changes nothing that it says."""

    def __init__(self, frame: Frame, offer: Offer) -> None:
        self._frame = frame
        self._telling = telling.Telling(frame, offer)
        self._number = 0
        self._heard: tuple[bytes, ...] = ()
        """The first block and the last of a stream whose events pass as they are."""
        self._told: dict[str, Any] | None = None
        """The response as that stream told of it last."""

    def feed(self, block: bytes) -> bytes:
        """The events that a block of whole chunks comes to. Raises UpstreamFault as `chunk.decode`."""
        chunks = (chunk.decode(data) for data in sse.events(block) if not sse.is_done(data))
        return self._write(event for piece in chunks for event in self._telling.take(piece))

    def heard(self, block: bytes) -> None:
        """Keeps what tells where a stream stands whose events pass as they are; it is read where that breaks off."""
        self._heard = (*self._heard[:1], block)

    def end(self, at: int) -> bytes:
        """The events that end an answer, complete or cut short, at `at` (Unix seconds)."""
        return self._write(self._ended(at))

    def broken(self, failure: TurnoutError) -> bytes:
        """The events that end an answer in the middle: an error, which libraries raise, and what there is of it."""
        self._recall()
        return self._write(self._failed(failure))

    def whole(self, answer: bytes, at: int) -> bytes:
        """The response that a whole completion comes to. Raises UpstreamFault as `chunk.decode`."""
        for _ in (*self._telling.take(chunk.decode(answer)), *self._telling.close()):
            pass
        return _ENCODER.encode(self.response(at))

    def response(self, at: int) -> dict[str, Any]:
        """The response when its answer has ended."""
        cut = frames.cut_short(self._telling.finish)
        more = {"incomplete_details": cut} if cut else {"completed_at": at}
        return self._stands("incomplete" if cut else "completed", usage=frames.usage(self._telling.usage), **more)

    def _stands(self, status: str, **more: Any) -> dict[str, Any]:
        told = self._telling
        if told.service_tier is not None:
            more["service_tier"] = told.service_tier
        return frames.response(self._frame, status, told.model, told.output(), **more)

    def _ended(self, at: int) -> Iterator[Event]:
        yield from self._telling.close()
        response = self.response(at)
        yield f"response.{response['status']}", {"response": response}

    def _failed(self, failure: TurnoutError) -> Iterator[Event]:
        said = failure.body()["error"]
        flat = {name: said[name] for name in ("code", "message", "param")}
        yield "error", {**flat, "error": said}
        told = self._told and {**self._told, "status": "failed", "error": frames.error(failure)}
        yield "response.failed", {"response": told or self._stands("failed", error=frames.error(failure))}

    def _recall(self) -> None:
        """Goes on from where the stream stands that was heard. Of an odd event no more is known than that it came."""
        for data in (data for block in self._heard for data in sse.events(block) if not sse.is_done(data)):
            try:
                event = _HEARD.decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError):
                event = _Heard()
            self._number = (self._number if event.sequence_number is None else event.sequence_number) + 1
            self._told = event.response or self._told

    def _write(self, events: Iterable[Event]) -> bytes:
        """The events on the wire, in order and numbered; before the first, that the response has begun."""
        lines: list[bytes] = []
        for event in events:
            if not self._number:
                begun = {"response": frames.response(self._frame, "in_progress", self._telling.model, [])}
                lines += (self._line(("response.created", begun)), self._line(("response.in_progress", begun)))
            lines.append(self._line(event))
        return b"".join(lines)

    def _line(self, event: Event) -> bytes:
        kind, members = event
        data = _ENCODER.encode({"type": kind, "sequence_number": self._number, **members})
        self._number += 1
        return b"event: %s\ndata: %s\n\n" % (kind.encode(), data)
