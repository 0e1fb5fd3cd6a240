"""Two servers, each a process of its own, over one Valkey: they agree, and one goes on where the other was killed."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.clients.running import PATIENCE_S, Running, serving
from tests.store.valkey import Valkey

HELLO = {"model": "auto", "messages": [{"role": "user", "content": "Mend the test."}]}


def post(server: Running, path: str, **body: Any) -> tuple[dict[str, Any], dict[str, str]]:
    request = Request(server.url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urlopen(request, timeout=PATIENCE_S) as got:
        return json.load(got), dict(got.headers)


def metric(server: Running, name: str) -> float:
    lines = server.get("/metrics")[1].decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name + " "))


def wait(condition: Any) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.1)


def steps(server: Running, count: int, judge: Running) -> None:
    """Steps at one server, each judged at another."""
    for _ in range(count):
        _, headers = post(server, "/v1/chat/completions", **HELLO)
        post(judge, "/v1/outcomes", decision_id=headers["x-turnout-decision-id"], success=False)


def test_the_holder_is_killed(own: Path, tmp_path: Path, server: Valkey) -> None:
    """Both serve from the same version; after kill -9 of the one that learns, the other learns for all that comes."""
    options = {"TURNOUT_STORE": server.url, "TURNOUT_LEARN": "on"}
    with serving(own, tmp_path / "a.log", **options, TURNOUT_STATE_DIR=str(tmp_path / "a")) as first:
        wait(lambda: metric(first, "turnout_beliefs_holder") == 1)
        with serving(own, tmp_path / "b.log", **options, TURNOUT_STATE_DIR=str(tmp_path / "b")) as second:
            steps(first, 3, judge=second)
            steps(second, 3, judge=first)
            name = "turnout_beliefs_version"
            wait(lambda: metric(first, name) == metric(second, name) >= 12)
            common = metric(second, name)
            assert metric(second, "turnout_beliefs_holder") == 0
            first.process.send_signal(signal.SIGKILL)
            first.process.wait(PATIENCE_S)
            steps(second, 2, judge=second)
            wait(lambda: metric(second, "turnout_beliefs_holder") == 1)
            wait(lambda: metric(second, name) >= common + 4)
            assert metric(second, "turnout_store_lost_total") == 0
