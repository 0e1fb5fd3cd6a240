"""What holds for every test: nothing leaves this machine, and the environment of whoever runs them does not matter."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.store.valkey import Valkey, valkey

# A shell that runs the tests in the background has SIGINT ignored, and what they start would ignore it too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A shared machine is no clock, and a failure in CI must be there again at home.
settings.register_profile("turnout", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("turnout")


def stay_here(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: raises RuntimeError on a connection to another machine, so that no test reaches a real model."""
    if event != "socket.connect":
        return
    sock, address = arguments
    if not isinstance(sock, socket.socket) or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = str(address[0]) if isinstance(address, tuple) else ""
    try:
        local = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        raise RuntimeError(f"a test would connect to {host}")


def pytest_configure(config: pytest.Config) -> None:
    sys.addaudithook(stay_here)
    state = tempfile.TemporaryDirectory(prefix="turnout-tests-")  # servers keep their journals here, not in a home
    os.environ["XDG_STATE_HOME"] = state.name
    config.add_cleanup(state.cleanup)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting, model key or proxy of the person who runs the tests reaches them."""
    for name in os.environ:
        if name.startswith("TURNOUT_") or name.endswith("_API_KEY") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: a socket's path has about a hundred bytes."""
    with tempfile.TemporaryDirectory(prefix="tv-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def server(short: Path) -> Iterator[Valkey]:
    """A real Valkey."""
    with valkey(short / "v") as running:
        yield running
