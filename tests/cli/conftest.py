"""The command in this process, which saves its start, and policies whose models are simulated."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from router.cli import main
from tests.clients.conftest import addresses as addresses
from tests.clients.running import policies


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command in this process, which saves its start: `command("check", stdin="", TURNOUT_PORT="1")`."""

    def run(*arguments: str, stdin: str = "", **env: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["turnout", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as end:
            main()
        return Done(int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def own(tmp_path: Path, addresses: dict[str, str]) -> Path:
    """A folder of policies that a test may change, over simulated models."""
    return policies(tmp_path / "policies", addresses)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The same over models that nobody serves, for commands that call none."""
    names = ("nemotron-3-super", "qwen3.5-122b", "qwen3.5-397b")
    return policies(tmp_path / "policies", {name: "http://127.0.0.1:1/v1" for name in names})
