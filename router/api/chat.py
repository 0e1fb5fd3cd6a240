"""`POST /v1/chat/completions`, the hot route, as raw ASGI: FastAPI's own route costs more than all the rest."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from router.api.asgi import (
    UNFORESEEN,
    Gone,
    Receive,
    ResponseSink,
    Scope,
    Send,
    header_map,
    method_not_allowed,
    read_body,
    request_id,
    send_error,
)
from router.api.leaving import Watch
from router.errors import TurnoutError, Unavailable
from router.limits import Keys
from router.pipeline import Pipeline
from router.record import Incoming
from router.settings import Settings

LOG = logging.getLogger("turnout")


class ChatRoute:
    """Checks the key, reads the body, and runs the pipeline until it ends or the caller leaves."""

    def __init__(self, pipeline: Pipeline, keys: Keys, settings: Settings) -> None:
        self._pipeline, self._keys, self._settings = pipeline, keys, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = header_map(scope)
        request = request_id(headers)
        if scope["method"] != "POST":
            await send_error(send, method_not_allowed(scope["path"], scope["method"]), request, [(b"allow", b"POST")])
            return
        try:
            key_id = self._keys.identify(headers)  # before any other work
            body = await read_body(receive, headers, self._settings.max_body_bytes)
        except TurnoutError as error:
            await send_error(send, error, request)
            return
        except Gone:
            return
        sink = ResponseSink(send, request, self._settings.keepalive_interval)
        try:
            await _until_left(receive, sink, self._pipeline.run(Incoming(body, headers, key_id, request), sink))
        except Exception:  # a fault of our own: the caller still gets an answer it can read
            LOG.exception("unforeseen failure")
            await sink.fail(TurnoutError(UNFORESEEN))


async def _until_left(receive: Receive, sink: ResponseSink, work: Any) -> None:
    """Awaits `work`, and cancels it as soon as the caller leaves, in whatever phase it is.

    Cancelled from outside, since the server ends and will not wait, it tells the caller so.
    """
    task = asyncio.current_task()
    assert task is not None
    left = False

    def leave() -> None:
        nonlocal left
        if not sink.ended:
            left = True
            task.cancel()

    watch = Watch(receive, leave)
    try:
        await work
    except asyncio.CancelledError:
        task.uncancel()
        if not left:
            await sink.fail(Unavailable("The server is being stopped.", code="server_stopping", retry_after=1.0))
    finally:
        watch.stop()
