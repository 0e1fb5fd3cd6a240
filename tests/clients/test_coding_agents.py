"""Coding agents as they are, headless, by their base URL: a tool call, its result, and an answer, through `auto`.

They run with `make clients`. Each has a home of its own, so that nobody's settings or keys are read.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.clients import environments
from tests.clients.running import KEY, PATIENCE_S, Ledger, Running, Steps

pytestmark = [pytest.mark.clients, pytest.mark.timeout(400)]

MODEL = "auto?step=tool_use&accuracy=0.8"
QUESTION = "How many bolts have we?"


class Agent(NamedTuple):
    """How one is started: its arguments and environment for a server's address, and what is to be seen of it."""

    name: str
    program: str
    arguments: tuple[str, ...]
    tell: Callable[[str, Path], Mapping[str, str]]
    """Tells it of the server, by files in its home or by the environment that it returns."""
    run: bool = True
    """Whether it names its session, so that its steps are a run."""
    tools: bool = True


def _claude(url: str, home: Path) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_MODEL": MODEL,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def _codex(url: str, home: Path) -> dict[str, str]:
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(
        f'model = "{MODEL}"\nmodel_provider = "turnout"\n[model_providers.turnout]\nname = "Turnout"\n'
        f'base_url = "{url}/v1"\nenv_key = "TURNOUT_KEY"\nwire_api = "responses"\n'
    )
    return {"TURNOUT_KEY": KEY}


def _qwen(url: str, home: Path) -> dict[str, str]:
    return {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": KEY, "OPENAI_MODEL": MODEL}


def _opencode(url: str, home: Path) -> dict[str, str]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
        "models": {MODEL: {"name": "auto", "tool_call": True, "limit": {"context": 200_000, "output": 8_000}}},
    }
    chosen = {"model": f"turnout/{MODEL}", "small_model": f"turnout/{MODEL}"}
    (home / "opencode.json").write_text(json.dumps({"provider": {"turnout": provider}, **chosen}))
    return {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"}


def _aider(url: str, home: Path) -> dict[str, str]:
    return {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


AGENTS = (
    Agent("claude_code", "claude", ("-p", QUESTION), _claude),
    Agent("codex", "codex", ("exec", "--skip-git-repo-check", QUESTION), _codex),
    Agent("qwen_code", "qwen", ("--auth-type", "openai", "-y", "-p", QUESTION), _qwen, run=False),
    Agent("opencode", "opencode", ("run", QUESTION), _opencode),
    Agent(
        "aider",
        "aider",
        ("--model", f"openai/{MODEL}", "--no-check-update", "--no-show-model-warnings", "--analytics-disable",
         "--yes-always", "--no-git", "--message", QUESTION),
        _aider,
        run=False,
        tools=False,
    ),
)  # fmt: skip


def program(agent: Agent) -> Path:
    folder = environments.made(agent.name)
    beside = folder / "node_modules" / ".bin" / agent.program
    return beside if beside.exists() else folder / "bin" / agent.program


@pytest.mark.parametrize("agent", AGENTS, ids=lambda a: a.name)
def test_a_coding_agent_calls_a_tool_and_answers(
    agent: Agent, turnout_server: Running, ledger: Ledger, steps: Steps, tmp_path: Path
) -> None:
    """Every step comes through with the hints of the model's name; those of one session are one run."""
    before, known = ledger.arms(), len(steps.all())
    path = os.pathsep.join((str(environments.node().parent), "/usr/bin", "/bin"))
    done = subprocess.run(
        [program(agent), *agent.arguments],
        env={"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8", **agent.tell(turnout_server.url, tmp_path)},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 5,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "First the inputs, then the steps in order" in " ".join(done.stdout.split())
    taken = settled(steps, known, 2 if agent.tools else 1)
    assert [(s["result"], s["status"], s["stream"]) for s in taken] == [("returned", 200, True)] * len(taken)
    assert all(s["hints"] == {"accuracy": 0.8, "step": "tool_use"} for s in taken)
    if agent.tools:
        assert taken[-1]["facts"]["tool_results"] >= 1 and taken[-1]["facts"]["turn"] >= 1
    runs = {s["run_id"] for s in taken}
    assert (len(runs) == 1 and None not in runs) if agent.run else runs == {None}
    assert ledger.arms() - before == Counter(a["arm"] for s in taken for a in s["attempts"])


def settled(steps: Steps, known: int, least: int) -> list[dict[str, Any]]:
    """The steps behind the first `known`, once there are at least so many."""
    limit = time.monotonic() + PATIENCE_S
    while len(found := steps.all()[known:]) < least:
        assert time.monotonic() < limit, found
        time.sleep(0.05)
    return found
