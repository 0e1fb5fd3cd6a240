"""Names of failures, and the grip that a call has on its connection."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from router.upstream.connection import LINK, BrokenHTTP, Link, fault, session
from tests.faulty import Faulty

KEY = ConnectionKey("secret.example", 443, True, True, None, None, None)
CASES: list[tuple[BaseException, str]] = [
    (aiohttp.ConnectionTimeoutError("secret.example"), "connect"),
    (aiohttp.ClientConnectorError(KEY, OSError(111, "secret.example")), "connect"),
    (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "secret.example")), "connect"),
    (aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError("secret.example")), "connect"),
    (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError("secret.example")), "connect"),
    (aiohttp.InvalidURL("http://secret.example"), "connect"),
    (ValueError("secret.example"), "connect"),
    (aiohttp.SocketTimeoutError("secret.example"), "timeout"),
    (TimeoutError("secret.example"), "timeout"),
    (aiohttp.ServerDisconnectedError("secret.example"), "reset"),
    (aiohttp.ClientOSError(104, "secret.example"), "reset"),
    (ConnectionResetError("secret.example"), "reset"),
    (ssl.SSLError("secret.example"), "reset"),
    (aiohttp.ClientPayloadError("secret.example"), "truncated"),
    (BrokenHTTP(), "invalid_body"),
]


@pytest.mark.parametrize(("error", "kind"), CASES)
def test_each_failure_has_a_kind(error: BaseException, kind: str) -> None:
    """The message is ours alone: what the library says may name hosts."""
    told = fault(error)
    assert told.kind == kind
    assert "secret" not in told.message
    assert told.retryable


async def test_a_link_knows_its_connection_and_cuts_it() -> None:
    """The first use of a connection is not a second; cutting closes it at once, and cutting again does nothing."""
    async with Faulty() as server, session(pooled=True) as pooled:
        for turn, name in enumerate(("good", "hang")):
            link = Link()
            LINK.set(link)
            asking = asyncio.ensure_future(pooled.post(f"{server.url}/chat/completions", json={"model": name}))
            if name == "good":
                await (await asking).read()
            else:
                await server.until(lambda: server.requests == 2)
            assert link.reused is (turn == 1)
        link.cut()
        link.cut()
        with pytest.raises(aiohttp.ClientError):
            await asking
        await server.until(lambda: server.aborts == 1)
    Link().cut()


async def test_a_session_without_a_pool_never_uses_a_connection_twice() -> None:
    """Each call gets a new one."""
    async with Faulty() as server, session(pooled=False) as fresh:
        for _ in range(3):
            LINK.set(Link())
            async with fresh.post(f"{server.url}/chat/completions", json={"model": "good"}) as got:
                await got.read()
            assert not LINK.get().reused
        assert server.connections == 3
