"""Hours in minutes: a server under a mix of steps, faults and impatient callers; its memory must stay flat.

    python benchmarks/soak.py [--seconds 1800] [--rate 30]

The models are simulated, in a process of their own, and fail as real ones do. Every sort of request a server sees is
in the mix, the policy file is rewritten while it serves, and steps are remembered for 20 seconds only, so that what is
kept on purpose is soon as large as it gets. Prints one JSON object; memory is resident, in MB, of the server alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp

from router.simulate import children
from router.simulate.server import Options, listen

ROOT = Path(__file__).resolve().parent.parent
POLICIES = ROOT / "policies"
FAULTS = {
    "429": 0.01, "500": 0.01, "503": 0.005, "reset": 0.005, "cut": 0.005, "garbage": 0.005, "html": 0.005,
    "error": 0.005, "empty": 0.01, "stall": 0.001, "hang": 0.001,
}  # fmt: skip
REMEMBER_S = 20
SAMPLE_S = 1.0
FINE = {"whole": {200}, "streamed": {200}, "held": {200}, "repeated": {200}, "wrong": {400}, "leaving": {200}}
"""What is asked → statuses that are as they should be; beside them only 429, 502, 503 and 504 of the faults."""
TOLD = {429, 502, 503, 504}


class Soak:
    """The load, and what was seen."""

    def __init__(self, url: str, pid: int, rate: float) -> None:
        self._url, self._pid, self._rate = url, pid, rate
        self._draw = random.Random(7)
        self.statuses: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.memory: list[float] = []
        self.files: list[int] = []

    async def run(self, seconds: float, policy: Path) -> None:
        end = time.monotonic() + seconds
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
            watching = asyncio.create_task(self._watch(policy))
            under_way: set[asyncio.Task[None]] = set()
            while time.monotonic() < end:
                task = asyncio.create_task(self._one(session))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                await asyncio.sleep(self._draw.expovariate(self._rate))
            await asyncio.gather(*under_way)
            watching.cancel()

    async def _watch(self, policy: Path) -> None:
        """Samples memory and open files, and now and then touches the policy, which the server then reads again."""
        while True:
            await asyncio.sleep(SAMPLE_S)
            self._sample(policy)

    def _sample(self, policy: Path) -> None:
        status = Path(f"/proc/{self._pid}/status").read_text()
        self.memory.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
        self.files.append(len(os.listdir(f"/proc/{self._pid}/fd")))
        if len(self.memory) % 10 == 0:
            policy.write_bytes(policy.read_bytes())

    async def _one(self, session: aiohttp.ClientSession) -> None:
        kind = self._draw.choices(list(FINE), (40, 30, 10, 10, 5, 5))[0]
        try:
            async with session.post(f"{self._url}/v1/chat/completions", json=self._body(kind)) as got:
                if kind == "leaving":
                    await got.content.readany()
                    got.close()
                else:
                    await got.read()
                self.statuses[f"{kind} {got.status}"] += 1
                if got.status not in FINE[kind] | TOLD:
                    self.wrong[f"{kind} {got.status}"] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            self.wrong[f"{kind} {type(error).__name__}"] += 1

    def _body(self, kind: str) -> dict[str, Any]:
        number = self._draw.randrange(1_000_000)
        hints: dict[str, Any] = {
            "deadline": 20,
            "accuracy": 0.8,
            "retries": 1,
            "run_id": f"run-{self.statuses.total() // 50}-{number % 5}",
        }
        if kind == "held":
            hints["hold"] = True
        if kind == "repeated":
            hints |= {"step_id": f"step-{number % 500}"}
        if kind == "wrong":
            hints["accuracy"] = 7
        text = f"Task extract-{number:06d}\n" + "Read this. " * self._draw.randrange(1, 400)
        stream = kind in ("streamed", "held", "leaving")
        return {"model": "auto", "stream": stream, "messages": [{"role": "user", "content": text}], "turnout": hints}

    def report(self, seconds: float) -> dict[str, Any]:
        """Memory in the second and the last quarter: the first is a server that still warms up."""
        quarter = max(1, len(self.memory) // 4)
        early, late = self.memory[quarter : 2 * quarter], self.memory[-quarter:]
        return {
            "seconds": round(seconds),
            "requests": self.statuses.total(),
            "statuses": dict(sorted(self.statuses.items())),
            "wrong": dict(self.wrong),
            "memory_mb": [round(self.memory[i * len(self.memory) // 10], 1) for i in range(10)] + [round(late[-1], 1)],
            "growth_mb": round(statistics.median(late) - statistics.median(early), 1),
            "open_files": [self.files[0], max(self.files), self.files[-1]],
        }


def soak(seconds: float, rate: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="turnout-soak-") as name:
        folder = Path(name)
        for path in POLICIES.glob("*.yaml"):
            shutil.copy(path, folder)
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        with children.models(POLICIES / "models.yaml", Options(speed=200.0, faults=FAULTS), environment) as (_, found):
            scene = children.scene(POLICIES / "models.yaml", found)
            (folder / "models.yaml").write_bytes(children.as_yaml(scene))
            return _served(folder, seconds, rate, environment)


def _served(folder: Path, seconds: float, rate: float, environment: dict[str, str]) -> dict[str, Any]:
    own = {"TURNOUT_STATE_DIR": str(folder / "state"), "TURNOUT_STEP_TTL": str(REMEMBER_S)}
    port = free_port()
    arguments = ("serve", "--policies", str(folder), "--port", str(port), "--log-level", "error")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "router", *arguments], cwd=ROOT, stdout=log, stderr=log, env=environment | own
        )
    try:
        return asyncio.run(_soaked(f"http://127.0.0.1:{port}", process.pid, folder, seconds, rate))
    finally:
        process.terminate()
        process.wait(40)


async def _soaked(url: str, pid: int, folder: Path, seconds: float, rate: float) -> dict[str, Any]:
    await _ready(url)
    run = Soak(url, pid, rate)
    began = time.monotonic()
    await run.run(seconds, folder / "default.yaml")
    return run.report(time.monotonic() - began)


async def _ready(url: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        while True:
            try:
                async with session.get(f"{url}/readyz") as got:
                    if got.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


def free_port() -> int:
    with closing(listen("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--rate", type=float, default=30.0, help="requests a second")
    given = parser.parse_args()
    print(json.dumps(soak(given.seconds, given.rate), indent=2))


if __name__ == "__main__":
    main()
