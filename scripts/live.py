"""Agent traffic through simulated models that never stops, with Prometheus if it is on PATH or in .tools: `make live`.

What `docker compose --profile simulated up` shows, without Docker and without Grafana.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from router.errors import ConfigError
from router.settings import shipped_dir
from router.simulate import children
from router.simulate.children import Child
from router.simulate.live import PACE, Traffic
from router.simulate.server import Options, listen

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "deploy" / "prometheus" / "rules"
WATCH_S = 0.5
"""Seconds between two looks whether the servers live."""
CONFIG = """\
global: {{scrape_interval: {every}s, evaluation_interval: {every}s}}
rule_files: ["{rules}/*.yml"]
scrape_configs:
  - job_name: turnout
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def program(name: str) -> str | None:
    """A program on PATH, or unpacked below .tools."""
    unpacked = ROOT / ".tools" / "prometheus" / "usr" / "bin" / name
    return shutil.which(name) or (str(unpacked) if unpacked.is_file() else None)


def spare(port: int) -> int:
    """The port, or a free one where it is taken: Debian's package starts a Prometheus of its own at 9090."""
    try:
        sock = listen("127.0.0.1", port)
    except ConfigError:
        sock = listen("127.0.0.1", 0)
    with sock:
        found: int = sock.getsockname()[1]
    return found


@contextlib.contextmanager
def prometheus(binary: str, scraped: int, port: int, every: int = 2) -> Iterator[str]:
    """A Prometheus on `port` of loopback that scrapes the Turnout at `scraped` each `every` seconds; its address."""
    with tempfile.TemporaryDirectory(prefix="turnout-prometheus-") as folder:
        config = Path(folder) / "prometheus.yml"
        config.write_text(CONFIG.format(every=every, rules=RULES, port=scraped))
        options = (
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
        )
        process = subprocess.Popen([binary, *options], start_new_session=True)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


@contextlib.contextmanager
def stage(port: int, seed: int, speed: float) -> Iterator[tuple[str, str, Sequence[Child]]]:
    """Simulated models and a Turnout that learns, on `port` of loopback; its base URL, that of a model, and the
    processes. Raises ConfigError where the port is taken."""
    listen("127.0.0.1", port).close()
    policies = shipped_dir()
    catalog = policies / "models.yaml"
    with contextlib.ExitStack() as stack:
        options = Options(seed=seed, speed=speed)
        models, addresses = stack.enter_context(children.models(catalog, options, os.environ))
        scene = children.scene(catalog, addresses)
        turnout = stack.enter_context(children.router(scene, policies, port, os.environ, learns=True))
        yield f"http://127.0.0.1:{port}/v1", next(iter(addresses.values())), (models, turnout)


async def work(traffic: Traffic, servers: Sequence[Child]) -> None:
    """Never returns. Raises ConfigError where a server has ended."""
    playing = asyncio.create_task(traffic.play())
    while not playing.done():
        await asyncio.wait([playing], timeout=WATCH_S)
        children.check(servers, "make live")
    await playing


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started ends with it, as at Ctrl-C
    try:
        run(arguments())
    except ConfigError as error:
        sys.exit(str(error))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--prometheus-port", type=int, default=9090)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--speed", type=float, default=50.0, help="simulated seconds in a real one")
    parser.add_argument("--pace", type=float, default=PACE, help="agent runs that begin in a second")
    return parser.parse_args()


def run(told: argparse.Namespace) -> None:
    with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
        address, models, servers = stack.enter_context(stage(told.port, told.seed, told.speed))
        print(f"Turnout      {address.removesuffix('/v1')}/ui\nmetrics      {address.removesuffix('/v1')}/metrics")
        binary = program("prometheus")
        if binary is None:
            print("Prometheus   is not on PATH: install it, and alerts and queries come with it.")
        else:
            where = stack.enter_context(prometheus(binary, told.port, spare(told.prometheus_port)))
            print(f"Prometheus   {where}/alerts")
        print("Agents are at work. Ctrl-C ends all of it.", flush=True)
        asyncio.run(work(Traffic(address, models, seed=told.seed, pace=told.pace), servers))


if __name__ == "__main__":
    main()
