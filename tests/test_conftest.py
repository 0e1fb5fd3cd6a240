"""The fence around the tests holds."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest


@pytest.mark.parametrize("address", [("255.255.255.255", 80), ("ff02::1", 80)])
async def test_no_test_reaches_another_machine(address: tuple[str, int]) -> None:
    """A connection anywhere but to this machine fails at once; these lead nowhere even without the fence."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as sock, pytest.raises(RuntimeError, match="a test would connect to"):
        sock.connect(address)
    with pytest.raises(RuntimeError, match="a test would connect to"):
        await asyncio.open_connection(*address)


async def test_loopback_is_open() -> None:
    """Real servers on this machine are how behaviour is tested."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


def test_the_environment_is_the_tests_own() -> None:
    """Settings and model keys of whoever runs the tests are out of sight."""
    assert not [name for name in os.environ if name.startswith("TURNOUT_") or name.endswith("_API_KEY")]
