"""A model that costs nothing: answers every chat completion at once, in the number of events that its name says.

python benchmarks/upstream.py PORT       models: mock, mock-n200 (200 events at once), mock-n200-d10 (one each 10 ms)
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

import uvloop

USAGE = {"prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _whole() -> bytes:
    message = {
        "role": "assistant",
        "content": "A fixed reply, about as long as a short answer of a chat tends to be. " * 3,
    }
    body = json.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1,
            "model": "mock",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
        }
    ).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def _event(delta: dict[str, str] | None, finish: str | None = None) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk: dict[str, object] = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "mock",
    }
    chunk["choices"] = choices
    if delta is None:
        chunk["usage"] = USAGE
    data = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


WHOLE = _whole()
ROLE = _event({"role": "assistant", "content": ""})
TOKENS = [_event({"content": f" tok{i:02d}"}) for i in range(64)]
END = _event({}, "stop") + _event(None) + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


class Model(asyncio.Protocol):
    def __init__(self) -> None:
        self._data = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass of asyncio's

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, mark, body = self._data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if not mark or length is None or len(body) < int(length[1]):
            return
        self._data.clear()
        name = re.search(rb'"model": ?"[a-z]+(?:-n(\d+))?(?:-d(\d+))?"', body)
        if name is None or re.search(rb'"stream": ?true', body) is None:
            self._transport.write(WHOLE)
            return
        count, delay = int(name[1] or 1), int(name[2] or 0) / 1000
        if not delay:
            self._transport.write(HEAD + ROLE + b"".join(TOKENS[i % 64] for i in range(1, count)) + END)
            return
        self._transport.write(HEAD + ROLE)
        self._step(1, count, delay)

    def _step(self, number: int, count: int, delay: float) -> None:
        if self._transport.is_closing():
            return
        if number == count:
            self._transport.write(END)
            return
        self._transport.write(TOKENS[number % 64])
        asyncio.get_running_loop().call_later(delay, self._step, number + 1, count, delay)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Model, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
