"""Notices that a caller leaves, without a task for each request.

ASGI tells it only to one who waits on `receive()`. A task that does nothing else costs a tenth of the whole request,
so the coroutine is stepped by hand: once now, and again from the callback of whatever it waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from router.api.asgi import Receive


class Watch:
    """Calls `left` once when the caller leaves; until `stop`."""

    __slots__ = ("_coroutine", "_left", "_receive", "_stopped", "_task")

    def __init__(self, receive: Receive, left: Callable[[], None]) -> None:
        self._receive, self._left = receive, left
        self._coroutine: Coroutine[Any, Any, Any] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._step()

    def stop(self) -> None:
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
        elif self._coroutine is not None:
            self._coroutine.close()

    def _step(self, _: object = None) -> None:
        while not self._stopped:
            if self._coroutine is None:
                waiting = self._receive()
                if not asyncio.iscoroutine(waiting):
                    self._task = asyncio.ensure_future(self._wait())  # a server of another kind
                    return
                self._coroutine = waiting
            try:
                future = self._coroutine.send(None)
            except StopIteration as end:
                self._coroutine = None
                if end.value["type"] == "http.disconnect":
                    self._stopped = True
                    self._left()
                continue
            # What asyncio's own tasks do with the future that a coroutine waits for.
            future._asyncio_future_blocking = False
            future.add_done_callback(self._step)
            return

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left()
