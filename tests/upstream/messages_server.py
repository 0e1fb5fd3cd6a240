"""A loopback server that speaks Anthropic's Messages dialect; the model's name chooses what it says or how it fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from aiohttp import web

USAGE = {"input_tokens": 9, "output_tokens": 12}
THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
TEXT = {"type": "text", "text": "All is well 👩‍🚀."}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "the track", "far": 2}}
CONTENT: dict[str, tuple[list[dict[str, Any]], str]] = {
    "text": ([TEXT], "end_turn"),
    "long": ([TEXT], "max_tokens"),
    "tools": ([TEXT, TOOL, TOOL | {"id": "toolu_2", "input": {"at": "the sky"}}], "tool_use"),
    "thinking": ([THINKING, TEXT], "end_turn"),
}
"""Model → content blocks and stop reason."""
ERRORS: dict[str, tuple[int, str, str]] = {
    "too-long": (400, "invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum"),
    "wrong": (400, "invalid_request_error", "temperature: range: 0..1"),
    "unauthorized": (401, "authentication_error", "invalid x-api-key"),
    "limited": (429, "rate_limit_error", "slow down"),
    "broken": (500, "api_error", "Internal server error"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
}
"""Model → status, type and message."""


class MessagesServer:
    def __init__(self) -> None:
        self.url = ""
        self.seen: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.aborts = 0
        self.aborted = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.seen.append((dict(request.headers), body))
        try:
            return await self._answer(request, body["model"], body.get("stream", False))
        except (asyncio.CancelledError, ConnectionError):
            self.aborts += 1
            self.aborted.set()
            raise

    async def _answer(self, request: web.Request, model: str, stream: bool) -> web.StreamResponse:
        if model in ERRORS:
            status, kind, message = ERRORS[model]
            error = {"type": "error", "error": {"type": kind, "message": message}}
            return web.json_response(error, status=status, headers={"retry-after": "7"} if status == 429 else None)
        if model == "hang":
            await asyncio.Event().wait()
        if model == "html":
            return web.Response(text="<html>Welcome</html>", content_type="text/html")
        if model == "redirect":
            return web.Response(status=307, headers={"location": f"{self.url}/v1/elsewhere"})
        if model == "reset":
            assert request.transport is not None
            request.transport.abort()
        blocks, reason = CONTENT.get(model, ([TEXT], "end_turn"))
        if stream:
            return await self._stream(request, model, blocks, reason)
        return web.json_response(_message(model) | {"content": blocks, "stop_reason": reason, "usage": USAGE})

    async def _stream(
        self, request: web.Request, model: str, blocks: list[dict[str, Any]], reason: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)

        async def send(kind: str, **fields: Any) -> None:
            data = json.dumps({"type": kind} | fields, ensure_ascii=False)
            await response.write(f"event: {kind}\ndata: {data}\n\n".encode())

        await send("message_start", message=_message(model) | {"usage": {"input_tokens": 9, "output_tokens": 1}})
        await send("ping")
        for index, block in enumerate(blocks):
            await send("content_block_start", index=index, content_block=_empty(block))
            for delta in _deltas(block):
                await send("content_block_delta", index=index, delta=delta)
            if model == "cut":
                return response
            if model == "cut-off":
                assert request.transport is not None
                await asyncio.sleep(0.05)
                request.transport.abort()
                return response
            if model == "error-mid":
                await send("error", error={"type": "overloaded_error", "message": "Overloaded"})
                return response
            if model == "silent":
                await asyncio.Event().wait()
            for number in count() if model == "endless" else ():
                await send("content_block_delta", index=index, delta={"type": "text_delta", "text": f"{number} " * 200})
            await send("content_block_stop", index=index)
        await send("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 12})
        await send("message_stop")
        return response


def _message(model: str) -> dict[str, Any]:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": []}
    return head | {"stop_reason": None, "stop_sequence": None}


def _empty(block: dict[str, Any]) -> dict[str, Any]:
    empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}
    return block | empty[block["type"]]


def _deltas(block: dict[str, Any]) -> list[dict[str, Any]]:
    if block["type"] == "text":
        half = len(block["text"]) // 2
        return [{"type": "text_delta", "text": text} for text in (block["text"][:half], block["text"][half:])]
    if block["type"] == "thinking":
        thought = {"type": "thinking_delta", "thinking": block["thinking"]}
        return [thought, {"type": "signature_delta", "signature": block["signature"]}]
    text = json.dumps(block["input"])
    parts = (text[:7], text[7:])
    return [{"type": "input_json_delta", "partial_json": part} for part in parts]


@asynccontextmanager
async def serving() -> AsyncIterator[MessagesServer]:
    server = MessagesServer()
    app = web.Application()
    app.router.add_post("/v1/messages", server.answer)
    app.router.add_post("/v1/elsewhere", server.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()
