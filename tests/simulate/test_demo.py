"""The demo as a whole: real processes, the real SDK, one table."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from router.errors import ConfigError
from router.simulate import demo, practice, report
from router.simulate.server import listen
from router.simulate.workload import jobs
from tests.simulate.conftest import CATALOG
from tests.simulate.test_practice import MODELS, POLICY

POLICIES = CATALOG.parent


def free_port() -> int:
    with listen("127.0.0.1", 0) as sock:
        port: int = sock.getsockname()[1]
    return port


class Paper:
    """A terminal that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.decisions: list[Mapping[str, Any]] = []
        self.bars: Counter[str] = Counter()

    def say(self, text: str, *, quietly: bool = False) -> None:
        self.lines.append(text)

    @contextlib.contextmanager
    def progress(self, titles: Sequence[str], total: int) -> Iterator[Callable[[str], None]]:
        yield lambda title: self.bars.update([title])
        assert self.bars == dict.fromkeys(titles, total)

    def table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.lines += [title, "  ".join(head), *("  ".join(row) for row in rows)]

    def decision(self, title: str, decision: Mapping[str, Any]) -> None:
        self.lines.append(title)
        self.decisions.append(decision)


def played(**more: Any) -> tuple[str, list[Mapping[str, Any]]]:
    """What the demo printed, and the decisions it showed."""
    screen = Paper()
    demo.run(
        catalog=CATALOG,
        policies=more.pop("policies", POLICIES),
        screen=screen,
        environment=os.environ,
        exit=True,
        speed=2_000.0,
        outcomes=more.pop("outcomes", 60),
        port=more.pop("port", None) or free_port(),
        **more,
    )
    return "\n".join(screen.lines), screen.decisions


def test_the_same_seed_gives_the_same_table() -> None:
    """Two runs print the same, byte for byte: five lanes, the comparison, three decisions, the second act."""
    first, decisions = played(steps=24)
    second, again = played(steps=24)
    assert first == second
    for lane in demo.lanes():
        assert lane.title in first
    assert first.count("Against ") == 5
    assert "Second act: 120 steps" in first and "Turnout, after 60 outcomes" in first
    assert [d["chosen"]["arms"] for d in decisions] == [d["chosen"]["arms"] for d in again]
    assert [d["step_class"] for d in decisions] == ["code", "reasoning", "vision"]
    lines = {line.split("  ")[0]: line.split() for line in first.splitlines()}
    assert lines["Turnout: auto"][-1] == "0"  # no request was refused
    assert lines["always Nemotron 3 Super"][-1] != "0"  # pictures were


def test_without_sockets_the_lane_is_the_same() -> None:
    """What the second act plays in one process is what the servers of the first one do."""
    printed, _ = played(steps=36, outcomes=12)
    served = next(line for line in printed.splitlines() if line.startswith("Turnout: auto"))
    row = report.row("Turnout: auto", practice.played(MODELS, POLICY, 7, jobs(36, 7), None), 7)
    assert served == "  ".join(report.cells(row))


def test_a_taken_port_is_said_before_anything_starts() -> None:
    """One sentence that names the port."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}: cannot be bound"):
            played(steps=6, port=port)


def test_a_router_that_does_not_start_is_explained(tmp_path: Path) -> None:
    """Its last words, and nothing is left running."""
    (tmp_path / "default.yaml").write_text("version: 1\nname: default\nclasses: []\n")
    with pytest.raises(ConfigError, match=r"Turnout ended with status 2: .*default\.yaml"):
        played(steps=6, policies=tmp_path)


DRIVER = """
import os, sys
from pathlib import Path
from rich.console import Console
from router.cli.screen import Screen
from router.simulate import demo
demo.run(catalog=Path(sys.argv[1]), policies=Path(sys.argv[1]).parent, screen=Screen(Console(), Console(stderr=True)),
         environment=os.environ, steps=6, port=int(sys.argv[2]), speed=2_000.0)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_before_the_table_is_no_success(number: signal.Signals) -> None:
    """Status 130, so that a script does not go on; no table, no traceback, nothing left running."""
    port = free_port()
    arguments = [sys.executable, "-m", "router", "demo", "--exit", "--port", str(port), "--catalog", str(CATALOG)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            limit = time.monotonic() + 20
            while not _answers(port):  # it is at work
                assert time.monotonic() < limit
                time.sleep(0.05)
            process.send_signal(number)
            out, err = process.communicate(timeout=15)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "USD per success" not in out and "Traceback" not in out + err
    listen("127.0.0.1", port).close()  # nobody holds it any more


def _answers(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_keeps_serving_until_it_is_told_to_end(number: signal.Signals) -> None:
    """After the table the address answers; a signal ends all processes, with status 0 and without a traceback."""
    port = free_port()
    arguments = [sys.executable, "-c", DRIVER, str(CATALOG), str(port)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            printed = ""
            while "Ctrl-C" not in printed:
                line = process.stdout.readline()
                assert line, process.stderr.read()
                printed += line
            with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, timeout=20) as client:
                answer = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "Hello"}])
                assert answer.choices[0].message.content
            assert f"http://127.0.0.1:{port}/metrics" in printed and "/v1/route" in printed
            began = time.monotonic()
            process.send_signal(number)
            assert process.wait(timeout=15) == 0
            assert time.monotonic() - began < 8
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()
    listen("127.0.0.1", port).close()  # nobody holds it any more
