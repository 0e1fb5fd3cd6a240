"""Asking simulated servers over bare sockets, where the way a connection ends can be seen."""

from __future__ import annotations

import asyncio
import json

from tests.simulate.conftest import NEMOTRON

Wire = tuple[int | None, str, bytes, str]
"""Status, content type, body, and how the connection ended: `whole`, `reset` or `silent`."""


async def post(url: str, path: str, data: object, *, patience: float = 0.5) -> Wire:
    """One request over a bare socket."""
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps(data).encode()
    writer.write(
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
        + body
    )
    got, end = b"", "whole"
    try:
        async with asyncio.timeout(patience):
            while part := await reader.read(65_536):
                got += part
    except TimeoutError:
        end = "silent"
    except ConnectionResetError:
        end = "reset"
    finally:
        writer.close()
    head, _, rest = got.partition(b"\r\n\r\n")
    if not head:
        return None, "", b"", end
    lines = head.decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers.get("content-type", ""), rest, end


def chat(*, stream: bool, user: str = "") -> dict[str, object]:
    return {"model": NEMOTRON, "messages": [{"role": "user", "content": "Hello"}], "stream": stream, "user": user}


async def ledger(url: str, lane: str) -> list[dict[str, object]]:
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /sim/ledger?lane={lane} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    got = await reader.read()
    writer.close()
    (entries,) = json.loads(got.partition(b"\r\n\r\n")[2])["lanes"][lane].values()
    found: list[dict[str, object]] = entries
    return found
