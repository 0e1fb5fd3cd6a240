"""How fast the whole pipeline is: a free model and a load generator on one core, Turnout on the other.

    make bench        or        python benchmarks/run.py [--seconds 3] [--rounds 3]

Capacity per core is 1 / (CPU seconds of Turnout per request or event): it holds on a busy machine, wall-clock columns
do not.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
PORT, UPSTREAM = 18080, 18081
KEY = "bench-key"
CATALOG = """
models:
  mock: &none
    family: mock
    maker: bench
    license: {{name: none, permits: [use]}}
    context: {{native: 4000000}}
    speed: {{tokens_per_s: 100}}
    thinking: {{"off": {{}}}}
    deployments:
      - {{name: here, model: {served}, base_url: "http://127.0.0.1:{port}/v1", prices: {{input: 0.1, output: 0.4}}}}
"""
SCENARIOS = (
    ("1 KB, 64 connections", "1k", 64),
    ("100 KB, 64 connections", "100k", 64),
    ("1 MB, 8 connections", "1m", 8),
    ("1 KB, 1 connection", "1k", 1),
    ("SSE bursts of 200, 32 streams", "burst", 32),
    ("SSE at 10 ms pace, 32 streams", "paced", 32),
)


def body(model: str, size: int, stream: bool) -> bytes:
    """A chat request of about `size` bytes: a system prompt and turns of prose with code in it."""
    text = 'Refactor the "parser" module so that:\n\t- errors carry line numbers\n\t- paths with an é work;\n' * 40
    messages = [{"role": "system", "content": "You are a careful assistant. Answer in one short paragraph."}]
    data: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": 256}
    if stream:
        data |= {"stream": True, "stream_options": {"include_usage": True}}
    while (left := size - len(json.dumps(data))) > 100:
        messages.append({"role": ("assistant", "user")[len(messages) % 2], "content": text[: left - 60]})
    return json.dumps(data).encode()


def catalog() -> str:
    """Every model of the free upstream, in one file."""
    head, block = CATALOG.split("  mock: &none\n")
    names = ("mock", "mock-n200", "mock-n200-d10")
    return head + "".join(f"  {n}:\n" + block.format(served=n, port=UPSTREAM) for n in names)


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and all its threads so far (Linux)."""
    return sum(int((t / "schedstat").read_text().split()[0]) for t in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9


def memory_mb(pid: int) -> float:
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def pinned(core: int, *command: object) -> list[str]:
    return ["taskset", "-c", str(core), *map(str, command)]


def start(folder: pathlib.Path) -> tuple[subprocess.Popen[bytes], float]:
    """Turnout on core 0, and the seconds until its first answer through the upstream."""
    (folder / "models.yaml").write_text(catalog())
    policies = HERE.parent / "policies"
    (folder / "default.yaml").write_text((policies / "default.yaml").read_text())
    command = pinned(
        0, sys.executable, "-m", "router", "serve", "--port", PORT, "--policies", folder, "--log-level", "warning"
    )
    began = time.perf_counter()
    server = subprocess.Popen(
        command, env={"TURNOUT_STATE_DIR": f"{folder}/state", **os.environ, "TURNOUT_API_KEYS": KEY}
    )
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    url = f"http://127.0.0.1:{PORT}/v1/chat/completions"
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(url, body("mock", 1000, False), headers), timeout=5).read()
            return server, time.perf_counter() - began
        except OSError:
            if server.poll() is not None or time.perf_counter() - began > 30:
                server.terminate()
                raise SystemExit("Turnout did not start") from None
            time.sleep(0.02)


def measure(
    server: subprocess.Popen[bytes], folder: pathlib.Path, name: str, connections: int, seconds: float
) -> dict[str, float]:
    url = f"http://127.0.0.1:{PORT}/v1/chat/completions"
    before = cpu_s(server.pid)
    command = pinned(1, sys.executable, HERE / "load.py", url, folder / f"{name}.json", connections, seconds)
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    found["cpu_us"] = (cpu_s(server.pid) - before) / (found["all_events"] or found["all"]) * 1e6
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=3.0)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for label, model, size in (("1k", "mock", 1_000), ("100k", "mock", 100_000), ("1m", "mock", 1_000_000)):
            (folder / f"{label}.json").write_bytes(body(model, size, False))
        for label, model in (("burst", "mock-n200"), ("paced", "mock-n200-d10")):
            (folder / f"{label}.json").write_bytes(body(model, 1_000, True))
        upstream = subprocess.Popen(pinned(1, sys.executable, HERE / "upstream.py", UPSTREAM))
        try:
            time.sleep(0.5)
            server, ready = start(folder)
            try:
                report(server, folder, ready, asked.rounds, asked.seconds)
            finally:
                server.terminate()
                server.wait(40)
        finally:
            upstream.terminate()
            upstream.wait(10)


def report(server: subprocess.Popen[bytes], folder: pathlib.Path, ready: float, rounds: int, seconds: float) -> None:
    print(f"{'':32}{'CPU us each':>12}{'per core/s':>12}{'seen/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'bad':>5}")
    for title, name, connections in SCENARIOS:
        rows = [measure(server, folder, name, connections, seconds) for _ in range(rounds)]
        cpu = statistics.median(r["cpu_us"] for r in rows)
        seen = statistics.median(r["events_s"] or r["rps"] for r in rows)
        p50, p99 = (statistics.median(r[k] for r in rows) for k in ("p50_ms", "p99_ms"))
        bad = sum(r["bad"] for r in rows)
        print(f"{title:32}{cpu:12.1f}{1e6 / cpu:12,.0f}{seen:10,.0f}{p50:9.2f}{p99:9.2f}{bad:5.0f}", flush=True)
    print(f"\nready after {ready:.2f} s; memory {memory_mb(server.pid):.0f} MB")


if __name__ == "__main__":
    main()
