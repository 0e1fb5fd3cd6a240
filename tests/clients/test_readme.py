"""What the README shows runs as it is shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.clients.running import KEY, ROOT, Running, run_python, turnout

README = (ROOT / "README.md").read_text()
ADDRESS = "http://127.0.0.1:8080/v1"
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
EXPLAIN = re.findall(r"^turnout explain .*", README, re.MULTILINE)


@pytest.mark.parametrize("program", PYTHON, ids=range(len(PYTHON)))
def test_the_programs(program: str, turnout_server: Running, tmp_path: Path) -> None:
    """Each prints an answer; only the address and the key are those of the test."""
    assert ADDRESS in program and 'api_key="unused"' in program
    script = tmp_path / "program.py"
    script.write_text(program.replace(ADDRESS, f"{turnout_server.url}/v1").replace('"unused"', f'"{KEY}"'))
    assert run_python(script, turnout_server).strip()


@pytest.mark.parametrize("command", EXPLAIN)
def test_the_question_why(command: str) -> None:
    """The command prints its decision and a reason."""
    done = turnout(*shlex.split(command)[1:])
    assert done.returncode == 0
    assert "nemotron-3-super/on then qwen3.5" in done.stdout.splitlines()[0]
    assert "\nWhy: " in done.stdout
