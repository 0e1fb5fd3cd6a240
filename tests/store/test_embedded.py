"""A Valkey of one's own lives and ends with its block, in a folder that keeps what it knows."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from router import loader
from router.errors import ConfigError
from router.store.embedded import _started, embedded

ROOT = Path(__file__).parents[2]
KILLED = """
import os, pathlib, signal, sys
from router.store.embedded import embedded
with embedded(pathlib.Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def at(url: str) -> redis.Redis:
    return redis.Redis(unix_socket_path=url.removeprefix("unix://"), socket_timeout=5)


def test_it_keeps_what_it_knows(short: Path) -> None:
    """What was written in one block is there in the next; nobody else may open its socket; no port is open."""
    with embedded(short) as url, at(url) as client:
        client.set("a", "1")
        socket = Path(url.removeprefix("unix://"))
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700 and stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert client.config_get("port") == {b"port": b"0"} or client.config_get("port") == {"port": "0"}
        assert client.info("memory")["maxmemory"] == 512 << 20
    with pytest.raises(redis.ConnectionError), at(url) as client:
        client.ping()
    with embedded(short) as url, at(url) as client:
        assert client.get("a") == b"1"


def test_two_share_one(short: Path) -> None:
    """A second process of the same folder uses the server that is there, and does not end it."""
    with embedded(short) as url, at(url) as client:
        with embedded(short) as again:
            assert again == url
        assert client.ping()


def test_one_that_was_left_behind_is_taken_over(short: Path) -> None:
    """Its process was killed: the server is still there with all it knows, and ends with the next."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(short)], cwd=ROOT, timeout=50)
    assert done.returncode == -signal.SIGKILL
    with at(f"unix://{short}/valkey/socket") as left:
        left.set("a", "1")
        pid = int(left.info("server")["process_id"])
    with embedded(short) as url, at(url) as client:
        assert client.get("a") == b"1" and int(client.info("server")["process_id"]) == pid
    with pytest.raises(redis.ConnectionError), at(url) as client:
        client.ping()


def test_one_that_is_just_starting_is_waited_for(short: Path) -> None:
    """Of two processes that begin at once, one starts it and both use it: two servers would overwrite each other."""
    home = short / "valkey"
    home.mkdir(mode=0o700)

    def used() -> int:
        with embedded(short) as url, at(url) as client:
            return int(client.info("server")["process_id"])

    with ThreadPoolExecutor(1) as pool, (home / "owner").open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        second = pool.submit(used)
        with pytest.raises(TimeoutError):
            second.result(0.3)
        first = _started(home, home / "socket", kept=False)
        try:
            assert second.result(20) == int(at(f"unix://{home / 'socket'}").info("server")["process_id"])
        finally:
            first.stop()


def test_without_a_folder_nothing_is_left() -> None:
    """As for a server that keeps no state at all."""
    with embedded(None) as url, at(url) as client:
        assert client.ping()
        home = Path(url.removeprefix("unix://")).parent
    assert not home.exists()


def test_ctrl_c_does_not_reach_it(short: Path) -> None:
    """A terminal sends it to all; the server ends when those that use it have ended."""
    with embedded(short) as url, at(url) as client:
        os.kill(int(client.info("server")["process_id"]), signal.SIGINT)
        assert client.ping()


def test_what_cannot_start_is_one_sentence(short: Path) -> None:
    """A path that is too long for a socket, and a server that does not come up."""
    with pytest.raises(ConfigError, match="too long for a socket"), embedded(short / ("x" * 120)):
        pass
    (short / "valkey").mkdir()
    (short / "valkey" / "dump.rdb").write_bytes(b"no dump at all")
    with pytest.raises(ConfigError, match="valkey://embedded did not start"), embedded(short):
        pass


def test_the_loader_loads_it(short: Path) -> None:
    """By the name that the settings have for it."""
    with loader.embedded_store(short) as url:
        assert url.startswith("unix://")
