"""Judges."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from router.compare.judge import Command, expecting
from router.compare.sample import Task
from router.errors import ConfigError
from tests.compare.made import CALL, answer, body, tasks

PYTHON = sys.executable


def task(folder: Path, **more: object) -> Task:
    return tasks(folder / "s", {"id": "q1", "class": "code", "expected": "42", **body(), **more})[0]


def program(folder: Path, text: str) -> str:
    (folder / "judge.py").write_text(text)
    return f"{PYTHON} '{folder / 'judge.py'}'"


async def test_a_program_is_told_all_and_its_status_counts(tmp_path: Path) -> None:
    """The request, the answer, its tool calls and what was expected, as JSON; 0 means right."""
    line = program(
        tmp_path,
        "import json, sys\n"
        "asked = json.load(sys.stdin)\n"
        f"open({str(tmp_path / 'told')!r}, 'w').write(json.dumps(asked))\n"
        "print('x' * 1_000_000)\n"
        "sys.exit(asked['answer'] != asked['expected'])\n",
    )
    judge, one = Command(line, 20.0), task(tmp_path)
    assert await judge(one, answer("42", tool_calls=(CALL,)))
    told = json.loads((tmp_path / "told").read_text())
    assert told == {
        "id": "q1",
        "class": "code",
        "request": {"model": "auto", **body()},
        "answer": "42",
        "tool_calls": [{"name": "lookup", "arguments": '{"key": "KX-042"}'}],
        "expected": "42",
    }
    assert not await judge(one, answer("41")) and judge.late == 0


async def test_it_need_not_read_what_it_is_told(tmp_path: Path) -> None:
    """A program that ends at once has judged all the same."""
    big = task(tmp_path, messages=[{"role": "user", "content": "x" * 500_000}])
    assert await Command("true", 20.0)(big, answer())
    assert not await Command("false", 20.0)(big, answer())


async def test_one_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    """After its time the answer counts as wrong, and nothing runs on."""
    line = program(
        tmp_path,
        "import subprocess, time\n"
        f"child = subprocess.Popen(['sleep', '60'])\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)\n",
    )
    judge = Command(line, 1.0)
    assert not await judge(task(tmp_path), answer()) and judge.late == 1
    pid = int((tmp_path / "pid").read_text())
    for _ in range(200):
        if not alive(pid):
            break
        await asyncio.sleep(0.02)
    assert not alive(pid)


def alive(pid: int) -> bool:
    """Whether it runs; what ended and waits to be collected does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("line", ["", "no-such-program-here x", "'open quote"])
def test_a_program_that_cannot_be_run_is_told_beforehand(line: str) -> None:
    """Before anything is spent on answers."""
    with pytest.raises(ConfigError, match="--verify"):
        Command(line, 1.0)


async def test_a_program_that_the_system_refuses_is_told(tmp_path: Path) -> None:
    """An executable file that is none, once it is met."""
    path = tmp_path / "judge"
    path.write_text("no shebang, no program")
    path.chmod(0o755)
    with pytest.raises(ConfigError, match="cannot be run"):
        await Command(str(path), 5.0)(task(tmp_path), answer())
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize(
    ("match", "expected", "text", "right"),
    [
        ("equals", "42", " 42\n", True),
        ("equals", "42", "It is 42", False),
        ("contains", "42", "It is 42", True),
        ("contains", "42", "It is 41", False),
        ("equals", 42, "42", True),
        ("equals", {"a": 1}, '{"a":1}', True),
    ],
)
async def test_comparing(match: str, expected: object, text: str, right: bool, tmp_path: Path) -> None:
    """White space at the ends aside; what is no text is compared as JSON."""
    assert await expecting(match)(task(tmp_path, expected=expected), answer(text)) == right  # type: ignore[arg-type]
