"""`turnout compare`, against simulated models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from router.learning import trace
from router.simulate import tasks
from tests.cli.conftest import Command
from tests.clients.running import ROOT, environment
from tests.simulate.asking import prompt

JUDGE = """
import json, re, sys
asked = json.load(sys.stdin)
found = re.findall(r"^ANSWER:[ \\t]*(.+?)[ \\t]*$", asked["answer"], re.M)
sys.exit(0 if found and found[-1] == asked["expected"] else 1)
"""
ARMS = ("nemotron-3-super/off", "qwen3.5-122b/off")


def line(step_class: str, number: int, **more: Any) -> dict[str, Any]:
    task = tasks.make(step_class, number, 7)
    return {
        "id": task.id,
        "class": step_class,
        "run_id": f"r{number // 2}",
        "expected": task.answer,
        "messages": prompt(task),
        "user": "compare",
        **more,
    }


class Desk:
    """A folder with a sample and a judge, and the command over simulated models."""

    def __init__(self, command: Command, folder: Path, catalog: Path) -> None:
        self.folder, self._command, self._catalog = folder, command, catalog
        self.output = folder / "trace.jsonl"
        (folder / "judge.py").write_text(JUDGE)

    def sample(self, *lines: dict[str, Any]) -> Path:
        path = self.folder / "sample.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in lines))
        return path

    def words(self, *more: str, arms: Sequence[str] = ARMS) -> list[str]:
        named = [word for arm in arms for word in ("--arm", arm)]
        files = ["--sample", str(self.folder / "sample.jsonl"), "--output", str(self.output)]
        return ["compare", *files, "--catalog", str(self._catalog), *named, *more]

    def verify(self) -> list[str]:
        return ["--verify", f"{sys.executable} {self.folder / 'judge.py'}"]

    def run(self, *more: str, arms: Sequence[str] = ARMS) -> Any:
        return self._command(*self.words(*more, arms=arms))


@pytest.fixture
def desk(command: Command, tmp_path: Path, own: Path) -> Desk:
    return Desk(command, tmp_path, own / "models.yaml")


def test_a_sample_becomes_a_trace(desk: Desk, command: Command) -> None:
    """Every line on every arm, judged by a real program; the trace can be replayed, and the command goes on."""
    desk.sample(*(line("code", n, turnout={"accuracy": 0.8, "retries": 1}) for n in range(6)))
    done = desk.run(*desk.verify(), "--attempts", "2", "--text")
    assert done.status == 0, done.err
    steps = trace.read(desk.output)
    assert [s.step_id for s in steps] == [f"code-{n:04d}" for n in range(6)]
    assert all(set(s.arms) == set(ARMS) for s in steps)
    first = steps[0]
    assert (first.step_class, first.run_id, first.accuracy, first.retries) == ("code", "r0", 0.8, 1)
    assert first.text is not None and "code-0000" in first.text and first.input_tokens > 10
    for came in (came for s in steps for came in s.arms.values()):
        assert len(came.attempts) == 2 and came.cost_usd > 0 and came.output_tokens > 0 and came.latency_s > 0
    outcomes = {came.success for s in steps for came in s.arms.values()}
    assert outcomes == {True, False}
    assert "Ran 24 answers" in done.err and "always qwen3.5-122b/off" in done.out
    before = desk.output.read_bytes()
    again = desk.run(*desk.verify(), "--attempts", "2", "--text")
    assert "Ran 0 answers" in again.err and desk.output.read_bytes() == before
    assert command("replay", str(desk.output), "--policy", "default").status == 0


def test_pictures_go_to_those_who_see_them(desk: Desk) -> None:
    """A model that refuses them is missing in that line."""
    desk.sample(line("vision", 0), line("code", 1))
    done = desk.run("--expect", "contains")
    assert done.status == 0 and "1 were refused" in done.err
    steps = trace.read(desk.output)
    assert [set(s.arms) for s in steps] == [{ARMS[1]}, set(ARMS)]
    assert steps[0].features == {"images": 1} and steps[0].text is None


def test_money_ends_it_and_more_money_goes_on(desk: Desk) -> None:
    """Status 1 says that something is missing; the same command with more room completes it."""
    desk.sample(*(line("code", n, max_tokens=2_000) for n in range(4)))
    done = desk.run("--expect", "contains", "--max-cost", "0.006", "--concurrency", "1")
    assert done.status == 1 and "--max-cost leaves no room" in done.err
    done = desk.run("--expect", "contains")
    assert done.status == 0 and len(trace.read(desk.output)) == 4


def test_a_model_that_is_down_is_told(desk: Desk, written: Path) -> None:
    """The others run; the lines that it lacks are left out, and the last reason is named."""
    desk.sample(line("code", 0))
    done = desk.run("--expect", "contains", "--catalog", str(written / "models.yaml"), "--timeout", "5", arms=ARMS[:1])
    assert done.status == 1 and "0 of 1 lines" in done.err and "1 answers never came" in done.err
    assert not desk.output.exists()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ((), "either --verify or --expect"),
        (("--verify", "true", "--expect", "equals"), "either --verify or --expect"),
        (("--verify", "no-such-program"), "no-such-program"),
        (("--expect", "equals", "--arm", "gpt-9"), "'gpt-9' is no model or arm"),
    ],
)
def test_what_is_wrong_is_one_line(desk: Desk, more: tuple[str, ...], reason: str) -> None:
    """Before anything is sent."""
    desk.sample(line("code", 0))
    done = desk.run(*more)
    assert done.status == 2 and reason in done.err and not desk.output.exists()


def test_missing_keys_leave_deployments_out(desk: Desk, own: Path) -> None:
    """Told by name, as when serving."""
    catalog = own / "models.yaml"
    data = json.loads(catalog.read_bytes())
    data["models"]["qwen3.5-397b"]["deployments"][0]["api_key_env"] = "NOBODY_HAS_IT"
    catalog.write_text(json.dumps(data))
    desk.sample(line("code", 0))
    done = desk.run("--expect", "contains", arms=("nemotron-3-super/off", "qwen3.5-397b"))
    assert done.status == 0 and "NOBODY_HAS_IT is not set" in done.err
    assert set(trace.read(desk.output)[0].arms) == {"nemotron-3-super/off"}


def test_ctrl_c_keeps_what_is_done(desk: Desk) -> None:
    """The lines that are through stand in the trace, and the next run does only the rest."""
    desk.sample(*(line("code", n) for n in range(6)))
    (desk.folder / "judge.py").write_text(f"import time, sys, os\n{JUDGE.replace('sys.exit', 'verdict = ')}{SLOW}")
    third = desk.folder / "third"
    os.mkfifo(third)
    words = desk.words(*desk.verify(), "--concurrency", "1", arms=ARMS[:1])
    process = subprocess.Popen(
        [sys.executable, "-m", "router", *words],
        cwd=ROOT,
        env=environment(),
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    third.read_bytes()  # until the third verdict has begun
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert b"2 of 6 lines are through" in errors and b"Traceback" not in errors
    assert len(trace.read(desk.output)) == 2
    done = desk.run("--expect", "contains", arms=ARMS[:1])
    assert done.status == 0 and "Ran 4 answers" in done.err


SLOW = """
path = os.path.join(os.path.dirname(__file__), "third")
if asked["id"] == "code-0002":
    open(path, "w").close()
    time.sleep(60)
sys.exit(verdict)
"""
