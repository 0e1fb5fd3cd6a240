"""The routes that take steps, as raw ASGI: FastAPI's own route costs more than all the rest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

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
from router.api.dialect import Asked, Dialect, Speech
from router.api.leaving import Watch
from router.api.spoken import SpokenSink
from router.errors import TurnoutError, Unavailable
from router.limits import Guard
from router.pipeline import Pipeline
from router.record import Incoming
from router.settings import Settings

LOG = logging.getLogger("turnout")


class Ending(Protocol):
    """What renders the answer."""

    ended: bool
    """Whether the response is complete."""

    async def fail(self, error: TurnoutError) -> None: ...


class Route:
    """Checks the key, lets the request in, and reads its body: what is the same for all that costs money."""

    def __init__(self, dialect: Speech, guard: Guard, settings: Settings) -> None:
        self._dialect, self._settings = dialect, settings
        self._ring, self._admission = guard.ring, guard.admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = header_map(scope)
        request = request_id(headers)
        try:
            grant = self._ring.identify(headers)  # before any other work
            if scope["method"] != "POST":
                raise method_not_allowed(scope["path"], scope["method"])
            left = self._admission.enter(grant)
        except TurnoutError as fault:
            allow = [(b"allow", b"POST")] if fault.status == 405 else None
            await send_error(send, fault, request, self._dialect, allow)
            return
        try:
            await self._read(Incoming(b"", headers, grant.key_id, request, grant=grant, left=left), receive, send)
        finally:
            self._admission.leave(grant)

    async def _read(self, incoming: Incoming, receive: Receive, send: Send) -> None:
        """`incoming`: all but its body, which is still to be read."""
        try:
            body = await read_body(receive, incoming.headers, self._settings.max_body_bytes)
        except TurnoutError as fault:
            await send_error(send, fault, incoming.request_id, self._dialect)
            return
        except Gone:
            return
        await self._answer(msgspec.structs.replace(incoming, body=body), receive, send)

    async def _answer(self, incoming: Incoming, receive: Receive, send: Send) -> None:
        raise NotImplementedError


class StepRoute(Route):
    """Runs the pipeline until it ends or the caller leaves."""

    def __init__(self, dialect: Dialect, pipeline: Pipeline, guard: Guard, settings: Settings) -> None:
        super().__init__(dialect, guard, settings)
        self._spoken, self._pipeline = dialect, pipeline

    async def _answer(self, incoming: Incoming, receive: Receive, send: Send) -> None:
        request, wait = incoming.request_id, self._settings.keepalive_interval
        sink = ResponseSink(send, request, wait, self._spoken)

        async def work() -> None:
            nonlocal sink
            asked, voice = await self._asked(incoming)
            if voice is not None:
                sink = SpokenSink(send, request, wait, self._spoken, voice)
            await self._pipeline.run(asked, sink)

        await until_left(receive, lambda: sink, work())

    async def _asked(self, incoming: Incoming) -> Asked:
        """The request in chat completions' terms. What is wrong with it goes on too, and that the caller left, for its
        outcome to be recorded."""
        began = self._pipeline.clock()
        try:
            asked, voice = await self._spoken.ask(incoming)
        except (TurnoutError, asyncio.CancelledError) as fault:
            return Asked(msgspec.structs.replace(incoming, fault=fault, began=began), None)
        return Asked(asked if asked is incoming else msgspec.structs.replace(asked, began=began), voice)


async def until_left(receive: Receive, sink: Callable[[], Ending], work: Awaitable[None]) -> None:
    """Awaits `work`, and cancels it as soon as the caller leaves, in whatever phase it is.

    Cancelled from outside, since the server ends and will not wait, it tells the caller so. Of a fault of our own, too,
    the caller gets an answer that it can read.
    """
    task = asyncio.current_task()
    assert task is not None
    left = False

    def leave() -> None:
        nonlocal left
        if not sink().ended:
            left = True
            task.cancel()

    watch = Watch(receive, leave)
    try:
        await work
    except asyncio.CancelledError:
        task.uncancel()
        if not left:
            await sink().fail(Unavailable("The server is being stopped.", code="server_stopping", retry_after=1.0))
    except Exception:
        LOG.exception("unforeseen failure")
        await sink().fail(TurnoutError(UNFORESEEN))
    finally:
        watch.stop()
