"""A real Prometheus that scrapes a real Turnout, which agents keep busy on simulated models."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from router.simulate.live import Traffic
from scripts import live
from tests.clients.running import free_port

PATIENCE_S = 60.0
FAULTS = b'{"429": 0.03, "503": 0.02}'
UNPACKED = live.ROOT / ".tools" / "prometheus"


def binary(name: str) -> str:
    """A program of Debian's package `prometheus`, unpacked below .tools where it is not installed."""
    if (found := live.program(name)) is None and shutil.which("apt-get"):
        UNPACKED.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "prometheus"], cwd=UNPACKED, capture_output=True, timeout=50)
        for package in UNPACKED.glob("prometheus_*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(UNPACKED)], check=True, timeout=50)
        found = live.program(name)
    if found is None:
        pytest.skip(f"{name} is neither on PATH nor to be had from apt")
    return found


@pytest.fixture(scope="session")
def promtool() -> str:
    return binary("promtool")


Ask = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def ask() -> Iterator[Ask]:
    """Asks Prometheus, once it has seen a while of traffic."""
    port, other = free_port(), free_port()
    with (
        live.stage(port, 7, 400.0) as (address, models, _),
        live.prometheus(binary("prometheus"), port, other, 1) as where,
    ):
        _until(lambda: _get(f"{address}/models") is not None)
        root = models.removesuffix("/v1")
        urlopen(Request(f"{root}/sim/faults", FAULTS, {"content-type": "application/json"}), timeout=10).close()
        with _working(address, models):

            def query(expression: str) -> list[dict[str, Any]]:
                got = _get(f"{where}/api/v1/query?{urlencode({'query': expression})}")
                assert got is not None, expression
                found: list[dict[str, Any]] = got["data"]["result"]
                return found

            _until(lambda: _get(f"{where}/-/ready", text=True) is not None)
            # What comes last is a model's verdicts and a class's check, both seen twice.
            _until(
                lambda: (
                    len(query("turnout:calibration_gap:ratio6h")) > 1 and len(query("turnout:steps:increase1h > 5")) > 5
                )
            )
            yield query


class _working:
    """Agents at work in a thread of their own."""

    def __init__(self, address: str, models: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._told = (address, models)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self._task = self._loop.create_task(Traffic(*self._told, pace=3.0).play())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(PATIENCE_S)


def _get(url: str, *, text: bool = False) -> Any:
    try:
        with urlopen(url, timeout=10) as got:
            return got.read() if text else json.loads(got.read())
    except (URLError, ConnectionError):
        return None


def _until(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < limit, "it did not come about"
        time.sleep(0.3)


def rules() -> list[Path]:
    return sorted((live.ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
