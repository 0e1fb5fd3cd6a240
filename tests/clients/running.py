"""The command as a process of its own, started and ended as a person would."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from router.simulate import children
from router.simulate.server import listen

POLICIES = Path(__file__).parents[2] / "policies"
ROOT = Path(__file__).parents[2]
KEY = "sk-of-the-tests"
PATIENCE_S = 20.0
"""Far more than anything here takes, for a machine that does much else."""


def environment(**more: str) -> dict[str, str]:
    """The person's environment but for what would change the command, with `more` in it."""
    ours = ("TURNOUT_", "OPENAI_", "LINES", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ours) and not name.endswith("_API_KEY") and not name.lower().endswith("_proxy")
    }
    return {**kept, **more}


def turnout(*arguments: str, stdin: str = "", cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end. Nobody ever sees a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "router", *arguments],
        input=stdin,
        cwd=cwd,
        env=environment(PYTHONPATH=str(ROOT), **env),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def policies(folder: Path, addresses: Mapping[str, str]) -> Path:
    """A folder with the shipped policies and a catalog whose models are served at `addresses`."""
    folder.mkdir(exist_ok=True)
    for path in POLICIES.glob("*.yaml"):
        shutil.copy(path, folder)
    scene = children.scene(POLICIES / "models.yaml", addresses)
    (folder / "models.yaml").write_bytes(children.as_yaml(scene))
    return folder


class Running:
    """A `turnout` that serves, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, url: str) -> None:
        self.process, self.url, self._log = process, url, log

    def said(self) -> str:
        """All that it has printed and logged."""
        return self._log.read_text()

    def wait_for(self, words: str) -> None:
        """Returns once it has said `words`."""
        limit = time.monotonic() + PATIENCE_S
        while words not in self.said():
            assert self.process.poll() is None and time.monotonic() < limit, self.said()
            time.sleep(0.02)

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body; status 0 where nobody listens."""
        try:
            with urlopen(self.url + path, timeout=PATIENCE_S) as got:
                return got.status, got.read()
        except HTTPError as error:
            return error.code, error.read()
        except (URLError, ConnectionError):
            return 0, b""

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and waits. The exit status."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)


def free_port() -> int:
    with contextlib.closing(listen("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def started(log: Path, *arguments: str, port: int, **env: str) -> Iterator[Running]:
    """`turnout ARGUMENTS` for as long as the block lasts; it must then leave no traceback behind."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "router", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment(**env),
            cwd=ROOT,
            start_new_session=True,
        )
    running = Running(process, log, f"http://127.0.0.1:{port}")
    try:
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError):  # one that was killed leaves its Valkey to the next server
            os.killpg(process.pid, signal.SIGKILL)
    assert "Traceback" not in running.said(), running.said()


@contextlib.contextmanager
def serving(folder: Path, log: Path, *arguments: str, **env: str) -> Iterator[Running]:
    """`turnout serve` with the policies of `folder` on a free port, ready for steps."""
    port = free_port()
    options = ("serve", "--policies", str(folder), "--port", str(port), *arguments)
    with started(log, *options, port=port, **env) as running:
        limit = time.monotonic() + PATIENCE_S
        while running.get("/readyz")[0] != 200:
            assert running.process.poll() is None and time.monotonic() < limit, running.said()
            time.sleep(0.02)
        yield running


class Ledger:
    """What reached the simulated models, as they wrote it down themselves."""

    def __init__(self, address: str) -> None:
        """`address` of any of the models up to `/v1`: they keep one ledger together."""
        self._url = address.removesuffix("/v1") + "/sim/ledger"

    def entries(self, lane: str) -> list[dict[str, Any]]:
        """The attempts of a lane, the OpenAI `user` of its requests, step by step."""
        with urlopen(f"{self._url}?lane={lane}", timeout=PATIENCE_S) as got:
            lanes = json.load(got)["lanes"]
        return [entry for entries in lanes.get(lane, {}).values() for entry in entries]

    def arms(self) -> Counter[str]:
        """How many attempts each arm has got, whoever asked."""
        with urlopen(self._url, timeout=PATIENCE_S) as got:
            lanes = json.load(got)["lanes"].values()
        return Counter(entry["arm"] for lane in lanes for entries in lane.values() for entry in entries)

    def models(self, lane: str) -> list[str]:
        """The models of a lane's attempts."""
        return [entry["arm"].partition("/")[0] for entry in self.entries(lane)]

    def wait(self, lane: str, fault: str) -> dict[str, Any]:
        """The first entry of the lane with that fault, once it is there."""
        limit = time.monotonic() + PATIENCE_S
        while True:
            for entry in self.entries(lane):
                if entry["fault"] == fault:
                    return entry
            assert time.monotonic() < limit, self.entries(lane)
            time.sleep(0.02)


class Steps:
    """What the server decided and recorded, as its journal has it."""

    def __init__(self, folder: Path) -> None:
        """`folder`: the state folder."""
        self._folder = folder / "journal"

    def of(self, run: str, count: int) -> list[dict[str, Any]]:
        """The steps of a run, in order, once there are `count`; the server may not have recorded more."""
        limit = time.monotonic() + PATIENCE_S
        while len(found := [step for step in self.all() if step["run_id"] == run]) < count:
            assert time.monotonic() < limit, found
            time.sleep(0.02)
        assert len(found) == count, [(s["step_class"], s["result"], s["error"]) for s in found]
        return found

    def all(self) -> list[dict[str, Any]]:
        """Every step so far; one that has just ended may still be on its way."""
        lines = (line for path in sorted(self._folder.glob("*.jsonl")) for line in path.read_text().splitlines())
        records = (json.loads(line) for line in lines if line.endswith("}"))
        return [r for r in records if r["kind"] == "outcome"]


def run_python(script: Path, server: Running) -> str:
    """What a script prints that is told of the server as the SDKs are: by the environment."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        env=environment(
            OPENAI_BASE_URL=f"{server.url}/v1",
            OPENAI_API_KEY=KEY,
            ANTHROPIC_BASE_URL=server.url,
            ANTHROPIC_API_KEY=KEY,
        ),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
