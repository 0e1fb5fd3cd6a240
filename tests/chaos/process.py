"""The server as a process of its own, over upstreams that live in the test."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.clients.running import PATIENCE_S, Running, free_port, started
from tests.proxy.yard import Behaviours, write_files


class Served:
    """A server that runs."""

    def __init__(self, running: Running, state: Path) -> None:
        self._running, self.url = running, running.url
        self.journal = state / "journal"

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        return self._running.process.pid

    def signal(self, how: signal.Signals) -> None:
        self._running.process.send_signal(how)

    async def ended(self) -> int:
        """The exit status, once there is one."""
        return await asyncio.to_thread(self._running.process.wait, PATIENCE_S * 2)

    def said(self) -> str:
        return self._running.said()

    def memory(self) -> float:
        """Resident memory in MB."""
        return self._status("VmRSS")

    def peak(self) -> float:
        """The most that it ever was, in MB."""
        return self._status("VmHWM")

    def _status(self, name: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split(f"{name}:")[1].split()[0]) / 1024


@asynccontextmanager
async def process(
    folder: Path, url: str, models: Behaviours, *, policy: dict[str, Any] | None = None, **env: str
) -> AsyncIterator[Served]:
    """`turnout serve` over `models`, whose deployments are at `url`, ready for requests."""
    files, state, port = folder / "policies", folder / "state", free_port()
    files.mkdir()
    write_files(files, url, models, {"default": policy or {}}, {})
    env = {"TURNOUT_STATE_DIR": str(state), **env}
    with started(folder / "log", "serve", "--port", str(port), "--policies", str(files), port=port, **env) as running:
        async with asyncio.timeout(PATIENCE_S):
            while (await asyncio.to_thread(running.get, "/readyz"))[0] != 200:  # noqa: ASYNC110 (told by asking)
                await asyncio.sleep(0.05)
        yield Served(running, state)
