"""Our own client's pool and heads. What it shares with the aiohttp client is in test_openai*.py, for both."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from router.errors import UpstreamFault
from router.upstream import NativeUpstream, native
from router.upstream.native import Route, lines
from tests.faulty import Faulty
from tests.upstream.calls import MB, call, deployed


async def several(client: NativeUpstream, url: str, count: int) -> None:
    replies = await asyncio.gather(*(client.send(call(url, "good")) for _ in range(count)))
    for reply in replies:
        await reply.read(MB)
        await reply.close()


async def test_idle_connections_are_let_go(server: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that a burst needed and nobody has used for a while are closed when the next call ends."""
    client = NativeUpstream({})
    await several(client, server.url, 5)
    assert server.open == 5
    monkeypatch.setattr(native, "KEEPALIVE_S", -1.0)
    await several(client, server.url, 1)
    await server.until(lambda: server.open == 1)
    await client.close()
    await server.until(lambda: server.open == 0)


async def test_connections_outlive_a_catalog_that_is_read_again(server: Faulty) -> None:
    """Deployments of the same address share them, and what is prepared for each stays bounded."""
    client = NativeUpstream({})
    await several(client, server.url, 1)
    for _ in range(native.MAX_ROUTES):
        client._route(deployed(server.url))
    await several(client, server.url, 1)
    assert server.connections == 1
    assert len(client._routes) < 4
    await client.close()


@pytest.mark.parametrize(
    ("url", "host", "port", "start"),
    [
        ("http://gpu1/v1", "gpu1", 80, b"POST /v1/chat/completions HTTP/1.1\r\nhost: gpu1\r\n"),
        ("https://gpu1:444/a/v1/", "gpu1", 444, b"POST /a/v1/chat/completions HTTP/1.1\r\nhost: gpu1:444\r\n"),
        ("http://[::1]:8000/v1?v=1", "::1", 8000, b"POST /v1/chat/completions?v=1 HTTP/1.1\r\nhost: [::1]:8000\r\n"),
    ],
)
def test_a_head_names_path_and_host(url: str, host: str, port: int, start: bytes) -> None:
    """Ports that are the scheme's own are not named; a query stays behind the path."""
    route = Route(deployed(url), {}, {("", 0, False): deque()})
    assert (route.host, route.port) == (host, port)
    assert route.head.startswith(start)


@pytest.mark.parametrize("header", [{"x\r\ny": "1"}, {"x y": "1"}, {"": "1"}, {"x": "a\nb"}, {"x": "a\0b"}])
def test_headers_stay_one_line(header: dict[str, str]) -> None:
    """Nothing that a catalog says can forge a second header."""
    with pytest.raises(UpstreamFault) as caught:
        lines(header)
    assert caught.value.kind == "connect"
