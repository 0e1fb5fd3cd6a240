"""The caller's leaving is noticed whatever kind of `receive` the server has, once, and not after the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from router.api.leaving import Watch

BODY, LEFT = {"type": "http.request"}, {"type": "http.disconnect"}


def stepped(queue: asyncio.Queue[dict[str, Any]]) -> Callable[[], Awaitable[dict[str, Any]]]:
    """A coroutine function, as uvicorn's is."""

    async def receive() -> dict[str, Any]:
        return await queue.get()

    return receive


def awaited(queue: asyncio.Queue[dict[str, Any]]) -> Callable[[], Awaitable[dict[str, Any]]]:
    """A function that returns something to await which is no coroutine."""
    return lambda: asyncio.ensure_future(queue.get())


@pytest.mark.parametrize("kind", [stepped, awaited])
async def test_leaving_is_told_once(kind: Callable[[Any], Any]) -> None:
    """After any number of other messages."""
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    told: list[int] = []
    Watch(kind(queue), lambda: told.append(1))
    queue.put_nowait(BODY)
    await asyncio.sleep(0.01)
    assert told == []
    queue.put_nowait(BODY)
    queue.put_nowait(LEFT)
    await asyncio.sleep(0.01)
    assert told == [1]
    queue.put_nowait(LEFT)
    await asyncio.sleep(0.01)
    assert told == [1]


@pytest.mark.parametrize("kind", [stepped, awaited])
async def test_nothing_is_told_after_the_end(kind: Callable[[Any], Any]) -> None:
    """A watch that is stopped lets go of what it waits for."""
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    told: list[int] = []
    watch = Watch(kind(queue), lambda: told.append(1))
    await asyncio.sleep(0)
    watch.stop()
    queue.put_nowait(LEFT)
    await asyncio.sleep(0.01)
    assert told == []


async def test_a_caller_that_has_left_already() -> None:
    """Is told at once, before anything is begun for it."""
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    queue.put_nowait(LEFT)
    told: list[int] = []
    Watch(stepped(queue), lambda: told.append(1)).stop()
    assert told == [1]
