"""Plays one answer or one fault over a connection, at the simulated pace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice

import msgspec

from router.simulate import asgi, render
from router.simulate.asgi import Receive, Scope, Send
from router.simulate.asked import Asked
from router.simulate.render import Head
from router.simulate.speech import Said
from router.simulate.world import Pace

FIRST_EVENTS = 4
"""Events that are sent before a stream stalls or is cut."""
TICK_S = 0.002
"""Events closer together than this go out at once."""


async def whole(send: Send, head: Head, asked: Asked, choices: list[Said], wait_s: float) -> None:
    """The answer as one body, after `wait_s` real seconds."""
    await asyncio.sleep(wait_s)
    await asgi.respond(send, 200, render.body(head, asked, choices))


async def stream(send: Send, head: Head, asked: Asked, choices: list[Said], pace: Pace, speed: float) -> None:
    """The answer as events, each when its tokens are written; `speed` simulated seconds are one real one."""
    loop = asyncio.get_running_loop()
    began, waiting = loop.time(), b""
    await asgi.start(send, 200, asgi.EVENTS)
    for tokens, event in render.chunks(head, asked, choices):
        delay = began + (pace.seconds(tokens) / speed if tokens else 0.0) - loop.time()
        if delay > TICK_S:
            if waiting:
                await asgi.write(send, waiting)
                waiting = b""
            await asyncio.sleep(delay)
        waiting += event
    await asgi.write(send, waiting, more=False)


def error_body(kind: str, code: int) -> bytes:
    """An error in vLLM's shape that says which fault was played."""
    message = f"Simulated fault ({kind})."
    return msgspec.json.encode(
        {"error": {"message": message, "type": "InternalServerError", "param": None, "code": code}}
    )


async def fault(
    kind: str, scope: Scope, receive: Receive, send: Send, head: Head, asked: Asked, choices: list[Said]
) -> None:
    """Plays one of `faults.KINDS`, or a status."""
    streamed = bool(asked.wire.stream)
    if kind.isdigit():
        more = [(b"retry-after", b"1")] if kind == "429" else []
        await asgi.respond(send, int(kind), error_body(kind, int(kind)), asgi.JSON, *more)
    elif kind == "hang":
        await asgi.left(receive)
    elif kind == "reset":
        asgi.reset(scope)
    elif kind in ("stall", "cut"):
        await _begin(send, streamed, head, asked, choices)
        if kind == "stall":
            await asgi.left(receive)
        else:
            asgi.reset(scope)
    else:
        await asgi.respond(send, 200, *_odd(kind, streamed))


def _odd(kind: str, streamed: bool) -> tuple[bytes, bytes]:
    """A whole body that is no answer, and its content type."""
    body = {
        "garbage": b'data: {"id": \n\n' if streamed else b'{"id": "chatcmpl-',
        "html": b"<!doctype html><title>502</title><h1>Bad gateway</h1>",
        "error": (b"data: %s\n\n" if streamed else b"%s") % error_body("error", 500),
        "empty": b"",
    }[kind]
    return body, asgi.HTML if kind == "html" else asgi.EVENTS if streamed else asgi.JSON


async def _begin(send: Send, streamed: bool, head: Head, asked: Asked, choices: list[Said]) -> None:
    """The first part of an answer, handed to the network before whatever comes next."""
    if streamed:
        await asgi.start(send, 200, asgi.EVENTS)
        await asgi.write(send, b"".join(_first(head, asked, choices)))
    else:
        data = render.body(head, asked, choices)
        await asgi.start(send, 200, asgi.JSON, (b"content-length", str(len(data)).encode()))
        await asgi.write(send, data[: len(data) // 2])
    await asyncio.sleep(0.02)  # a reset right away would overtake the bytes


def _first(head: Head, asked: Asked, choices: list[Said]) -> Iterator[bytes]:
    return (event for _, event in islice(render.chunks(head, asked, choices), FIRST_EVENTS))
