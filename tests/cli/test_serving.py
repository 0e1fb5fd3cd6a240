"""Servers as processes: taken ports, edits while they serve, and clean ends."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from openai import APIError, OpenAI
from prometheus_client.parser import text_string_to_metric_families

from router.simulate.server import listen
from tests.clients.running import PATIENCE_S, Running, free_port, serving, started, turnout
from tests.clients.test_openai_sdk import LARGE, lasting

ENDS = {how: {0, -how, 128 + how} for how in (signal.SIGINT, signal.SIGTERM)}
"""Statuses of a clean end: of its own, or as shells and supervisors know one by that signal."""


@pytest.mark.parametrize("server", ["serve", "simulate"])
def test_a_taken_port(own: Path, server: str) -> None:
    """One sentence that names it and says what to do."""
    with closing(listen("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        files = ["--policies", str(own)] if server == "serve" else []
        done = turnout(server, "--port", str(port), *files)
    assert done.returncode == 2
    expected = f"turnout: 127.0.0.1:{port}: cannot be bound: Address already in use. Choose another with --port.\n"
    assert done.stderr == expected


def test_simulate_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    """It prints an address for each model, and ends by SIGINT without a word of complaint."""
    port = free_port()
    with started(tmp_path / "log", "simulate", "--port", str(port), "--speed", "500", port=port) as running:
        running.wait_for("Ctrl-C ends.")
        assert f"nemotron-3-super  http://127.0.0.1:{port}/v1\n" in running.said()
        assert running.get("/health")[0] == 200
        assert running.end(signal.SIGINT) in ENDS[signal.SIGINT]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_idle_server_ends_at_once(own: Path, tmp_path: Path, how: signal.Signals) -> None:
    """By ctrl-C or SIGTERM, without a word of complaint."""
    with serving(own, tmp_path / "log") as server:
        before = server.said()
        assert server.end(how) in ENDS[how]
        assert server.said() == before
        assert "bound to this machine alone" in before


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_server_with_a_stream_under_way_lets_it_end(own: Path, tmp_path: Path, how: signal.Signals) -> None:
    """The stream comes to its own end, no new request is taken, and then the server ends."""
    with serving(own, tmp_path / "log") as server, OpenAI(base_url=f"{server.url}/v1", api_key="unused") as client:
        stream = streamed(client, 20_000)
        server.process.send_signal(how)
        reasons = [c.choices[0].finish_reason for c in stream]
        assert reasons[-1] == "stop"
        assert server.process.wait(PATIENCE_S) in ENDS[how]


def test_a_second_ctrl_c_does_not_wait(own: Path, tmp_path: Path) -> None:
    """Whoever presses it twice means it: a stream is cut off, and its reader told why."""
    with serving(own, tmp_path / "log") as server, OpenAI(base_url=f"{server.url}/v1", api_key="unused") as client:
        stream = streamed(client, 60_000)
        server.process.send_signal(signal.SIGINT)
        until(lambda: server.get("/healthz")[0] == 0)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(PATIENCE_S) in ENDS[signal.SIGINT]
        with pytest.raises(APIError, match="being stopped"):
            list(stream)


def streamed(client: OpenAI, tokens: int) -> Any:
    """A stream under way, of about that length."""
    stream = client.chat.completions.create(model=LARGE, messages=lasting(tokens), stream=True)  # type: ignore[call-overload]
    next(iter(stream))
    return stream


def until(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.02)


def chosen(server: Running) -> list[str]:
    """The arms that the server would now try."""
    body = json.dumps({"model": "auto?step=code&verify=caller", "messages": [{"role": "user", "content": "Fix it."}]})
    request = Request(f"{server.url}/v1/route", body.encode(), {"content-type": "application/json"})
    with urlopen(request, timeout=PATIENCE_S) as got:
        arms: list[str] = json.load(got)["chosen"]["arms"]
        return arms


def test_an_edited_policy_decides_the_next_step(own: Path, tmp_path: Path) -> None:
    """A good edit is taken up by itself; a bad one is refused with its line in the log, once, and changes nothing."""
    path = own / "default.yaml"
    text = path.read_text()
    with serving(own, tmp_path / "log", TURNOUT_RELOAD_INTERVAL="0.1") as server:
        assert len(chosen(server)) == 2
        path.write_text(text.replace("\nretries: 1", "\nretries: 0", 1))
        until(lambda: len(chosen(server)) == 1)
        path.write_text(text.replace("\nretries: 1", "\nretries: many", 1))
        server.wait_for("(the files read before keep serving)")
        line = text[: text.index("\nretries: 1")].count("\n") + 2
        (complaint,) = (each for each in server.said().splitlines() if "keep serving" in each)
        assert f" ERROR {path}:{line}: retries: " in complaint
        assert len(chosen(server)) == 1
        path.write_text(text)
        until(lambda: len(chosen(server)) == 2)
        assert server.said().count("keep serving") == 1


def test_metrics_can_be_read_by_prometheus(own: Path, tmp_path: Path) -> None:
    """The exposition parses, and counts what went through."""
    with serving(own, tmp_path / "log") as server, OpenAI(base_url=f"{server.url}/v1", api_key="unused") as client:
        for _ in range(3):
            client.chat.completions.create(model="qwen3.5-122b/off", messages=[{"role": "user", "content": "Hello"}])
        families = {f.name: f for f in text_string_to_metric_families(server.get("/metrics")[1].decode())}
    made = [s for s in families["turnout_decisions"].samples if s.name == "turnout_decisions_total"]
    assert sum(s.value for s in made) == sum(s.value for s in made if s.labels["model"] == "qwen3.5-122b") == 3
