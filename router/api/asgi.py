"""Raw ASGI for the hot routes: reads a body within limits, watches for the caller's leaving, renders answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec

from router import trace
from router.api.dialect import Speech
from router.attempts import Answered, Walk
from router.errors import BadRequest, BodyTooLarge, TurnoutError
from router.hints import HEADER, IDENT, TWICE
from router.record import Record, token
from router.wire import sse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

BODY_S = 15.0
"""Seconds that a body may take, and one more for each SLOWEST bytes of it that have come."""
SLOWEST = 10_000
JSON_TYPE = (b"content-type", b"application/json")
STREAM_TYPE = (b"content-type", b"text/event-stream; charset=utf-8")
NO_BUFFER = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))


UNFORESEEN = "Something went wrong inside Turnout. The log says what."


class Gone(Exception):
    """The caller left before its request was whole."""


def header_map(scope: Scope) -> dict[str, str]:
    """Header names (ASGI has them in lower case) and values. A header sent twice counts once, by its last value; a hint
    sent twice keeps both, as `hints.from_headers` looks for, since of two constraints neither may go unheard; so does a
    `traceparent`, which is then none, and lines of `tracestate` are one list."""
    sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    headers = dict(sent)
    if len(headers) < len(sent):
        for name in [name for name in headers if name.startswith(HEADER) or name in (trace.PARENT, trace.STATE)]:
            between = "," if name == trace.STATE else TWICE
            headers[name] = between.join([value for other, value in sent if other == name])
    return headers


def request_id(headers: Mapping[str, str]) -> str:
    """The caller's own `x-request-id` where it is a plain one, else a new one."""
    given = headers.get("x-request-id", "")
    return given if IDENT.fullmatch(given) else f"req_{token()}"


async def read_body(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """The body. Raises BodyTooLarge before it is read whole, BadRequest on an upload that stalls, Gone."""
    length = headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S) as patience:
            until = patience.when() or 0.0
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                part = message.get("body", b"")
                if not parts and not message.get("more_body", False) and len(part) <= limit:
                    return bytes(part)
                size += len(part)
                if size > limit:
                    raise _too_large(limit)
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
                patience.reschedule(until + size / SLOWEST)
    except TimeoutError:
        raise BadRequest(
            "The body arrives too slowly. Send it without a pause.", status=408, code="upload_stalled"
        ) from None


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is over the limit of {limit:,} bytes. Send less, or raise TURNOUT_MAX_BODY_BYTES.")


def method_not_allowed(path: str, method: str) -> BadRequest:
    return BadRequest(f"{path[:200]} does not take {method[:20]}.", status=405, code="method_not_allowed")


def error_headers(error: TurnoutError, request: str) -> dict[str, str]:
    headers = {"content-type": "application/json", "x-request-id": request}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after)))
    if error.status in (401, 403, 408, 413):
        headers["connection"] = "close"  # what is left of the body is not read
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return headers


async def send_error(
    send: Send, error: TurnoutError, request: str, dialect: Speech, more: Headers | None = None
) -> None:
    """A whole response in the dialect's error shape."""
    failure = dialect.failure(error, request)
    body = msgspec.json.encode(failure.body)
    headers: Headers = [(name.encode(), value.encode()) for name, value in error_headers(error, request).items()]
    headers += [*dialect.headers(request), *(more or []), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class ResponseSink:
    """Renders one step's answer onto one ASGI response."""

    def __init__(self, send: Send, request: str, wait: float, dialect: Speech) -> None:
        self._send, self._request, self._dialect = send, request, dialect
        self._record: Record | None = None
        self._walk: Walk | None = None
        self._opened = False
        self.wait = wait
        self.committed = False
        self.ended = False
        """Whether the response is complete, so that the caller's leaving means nothing any more."""

    def about(self, record: Record, walk: Walk) -> None:
        self._record, self._walk = record, walk

    async def answer(self, got: Answered) -> None:
        assert self._record is not None
        if self._record.stream:
            await self.open(b"")
            await self._last(_with_comment(got.body, self._summary()))
        else:
            await self._whole(got.body)

    async def open(self, head: bytes) -> None:
        if not self._opened:
            self._opened = True
            headers: Headers = [STREAM_TYPE, *NO_BUFFER, *self._dialect.headers(self._request)]
            headers += self._about(done=False)
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        if head:
            await self.write(head)

    async def write(self, block: bytes) -> None:
        self.committed = True
        await self._send({"type": "http.response.body", "body": block, "more_body": True})

    async def close(self) -> None:
        await self._last(b"")

    async def keepalive(self) -> None:
        await self.open(b"")
        await self._send({"type": "http.response.body", "body": self._waiting(), "more_body": True})

    async def fail(self, error: TurnoutError) -> None:
        if self.ended:
            return
        self.ended = True
        if self._opened:
            await self._send({"type": "http.response.body", "body": self._broken(error)})
            return
        more = self._about(done=True)[1:] if self._record else None
        await send_error(self._send, error, self._request, self._dialect, more)

    def _waiting(self) -> bytes:
        return sse.comment("waiting")

    def _broken(self, error: TurnoutError) -> bytes:
        return sse.error_event(error.body())

    async def _whole(self, body: bytes) -> None:
        headers: Headers = [JSON_TYPE, (b"content-length", str(len(body)).encode())]
        headers += self._dialect.headers(self._request) + self._about(done=True)
        self.committed = self.ended = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def _last(self, block: bytes) -> None:
        self.committed = self.committed or bool(block)
        self.ended = True
        await self._send({"type": "http.response.body", "body": block})

    def _about(self, *, done: bool) -> Headers:
        """The `x-turnout-*` headers. `done`: every attempt is over, so that cost and overhead are known."""
        record, walk = self._record, self._walk
        assert record is not None and walk is not None and record.decision is not None and record.terms is not None
        chosen, attempts = record.decision.chosen, walk.attempts
        last = walk.current or chosen.arms[0]
        overhead = record.elapsed() - sum(a.seconds for a in attempts) if done else record.overhead_s
        headers: Headers = [
            (b"x-request-id", self._request.encode()),
            (b"x-turnout-decision-id", record.decision_id.encode()),
            (b"x-turnout-model", last.encode()),
            (b"x-turnout-plan", " > ".join(chosen.arms).encode()),
            (b"x-turnout-attempts", str(walk.tried).encode()),
            (b"x-turnout-p-success", b"%.4f" % chosen.p_success),
            (b"x-turnout-accuracy-met", b"true" if record.decision.accuracy_met else b"false"),
            (b"x-turnout-expected-cost-usd", b"%.8f" % chosen.cost),
            (b"x-turnout-policy", record.terms.policy.encode()),
            (b"x-turnout-overhead-ms", b"%.3f" % (overhead * 1e3)),
        ]
        if done:
            headers.append((b"x-turnout-cost-usd", b"%.8f" % walk.spent))
        if record.outcome == "rejected":
            headers.append((b"x-turnout-rejected", b"true"))
        return headers

    def _summary(self) -> bytes:
        """What a held stream's headers could not say: the model, the attempts and the cost, as a comment."""
        assert self._walk is not None and self._record is not None
        rejected = " rejected=true" if self._record.outcome == "rejected" else ""
        return sse.comment(
            f"turnout model={self._walk.current} attempts={self._walk.tried} cost_usd={self._walk.spent:.8f}{rejected}"
        )


def _with_comment(body: bytes, comment: bytes) -> bytes:
    """`comment` before the closing [DONE], since most clients stop reading there."""
    at = max((found.start() for found in _DONE.finditer(body)), default=len(body))
    return body[:at] + comment + body[at:]


_DONE = re.compile(rb"^data: ?\[DONE\]", re.MULTILINE)
"""Line breaks inside JSON are escaped, so no text of an answer begins a line."""
