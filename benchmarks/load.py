"""A closed-loop load generator: so many connections, each with one request at a time. Prints one JSON line.

python benchmarks/load.py URL BODY_FILE CONNECTIONS SECONDS
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from urllib.parse import urlsplit

import uvloop

WARM_UP_S = 0.7


class Tally:
    """What the connections saw after the warm-up."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.bad = 0
        self.events = 0
        self.all_events = 0
        self.all = 0
        self.counting = False


class Client(asyncio.Protocol):
    def __init__(self, request: bytes, tally: Tally) -> None:
        self._request, self._tally = request, tally
        self._left = -1
        self._tail = b""
        self._head = bytearray()
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._head.clear()
        self._left, self._tail, self._chunked = -1, b"", False
        self._began = time.perf_counter()
        self._transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if self._left < 0 and not self._chunked:
            self._head += data
            head, mark, data_ = self._head.partition(b"\r\n\r\n")
            if not mark:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self._tally.bad += 1
            self._chunked = b"chunked" in head.lower()
            length = re.search(rb"content-length: *(\d+)", bytes(head), re.IGNORECASE)
            self._left = int(length[1]) if length else 0
            data = bytes(data_)
        if self._chunked:
            events = data.count(b"data: {")
            self._tally.all_events += events
            if self._tally.counting:
                self._tally.events += events
            self._tail = (self._tail + data)[-5:]
            if self._tail == b"0\r\n\r\n":
                self._done()
            return
        self._left -= len(data)
        if self._left == 0:
            self._done()

    def _done(self) -> None:
        self._tally.all += 1
        if self._tally.counting:
            self._tally.latencies.append(time.perf_counter() - self._began)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.bad += 1


async def run(url: str, body: bytes, connections: int, seconds: float) -> dict[str, float]:
    parts = urlsplit(url)
    request = (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer bench-key\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    tally, loop = Tally(), asyncio.get_running_loop()
    links = [
        (await loop.create_connection(lambda: Client(request, tally), parts.hostname, parts.port))[0]
        for _ in range(connections)
    ]
    await asyncio.sleep(WARM_UP_S)
    tally.counting = True
    await asyncio.sleep(seconds)
    tally.counting = False
    bad = tally.bad
    for link in links:
        link.abort()
    found = sorted(tally.latencies) or [0.0]
    return {
        "requests": len(tally.latencies),
        "all": tally.all,
        "rps": len(tally.latencies) / seconds,
        "events_s": tally.events / seconds,
        "all_events": tally.all_events,
        "p50_ms": found[len(found) // 2] * 1e3,
        "p99_ms": found[int(len(found) * 0.99)] * 1e3,
        "bad": bad,
    }


if __name__ == "__main__":
    result = uvloop.run(run(sys.argv[1], open(sys.argv[2], "rb").read(), int(sys.argv[3]), float(sys.argv[4])))
    print(json.dumps(result))
