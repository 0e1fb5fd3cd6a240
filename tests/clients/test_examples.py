"""Every framework as it is, by its file in examples/: a tool loop through `auto` against simulated models, with hints.

Each has an environment of its own (`environments`). Most run with all tests; those that are large or slow to start run
with `make clients`.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clients import environments
from tests.clients.running import KEY, PATIENCE_S, ROOT, Ledger, Running, Steps, environment

EXAMPLES = ROOT / "examples"
SAID = re.compile(r"^run (\S+): (.+)", re.MULTILINE)
NEMOTRON = "nemotron-3-super"


class Client(NamedTuple):
    name: str
    """Of its environment."""
    example: str
    steps: int = 2
    step: str = "tool_use"
    stream: bool = False
    results: int = 1
    """Tool results that its last step has, as tool results: some frameworks tell of them in other ways."""


ALWAYS = (
    Client("langgraph", "langgraph_agent.py"),
    Client("pydantic_ai", "pydantic_ai_agent.py"),
    Client("openai_node", "openai_node.mjs", stream=True),
    Client("vercel_ai", "vercel_ai.mjs", stream=True),
    Client("smolagents", "smolagents_agent.py", results=0),
    Client("instructor", "instructor_extract.py", step="structured", results=0),
    Client("autogen", "autogen_agent.py"),
)
ON_DEMAND = (
    Client("llama_index", "llama_index_agent.py", stream=True),
    Client("dspy", "dspy_agent.py", results=0),
    Client("crewai", "crewai_agent.py"),
)


def run(client: Client, server: Running, script: str) -> str:
    """What an example prints, told of the server by the environment as its users would."""
    folder = environments.made(client.name)
    path = folder / client.example  # beside the packages, where Node looks for them
    path.write_text(script)
    program = environments.node() if path.suffix == ".mjs" else environments.python(client.name)
    done = subprocess.run(
        [program, path],
        env=environment(
            OPENAI_BASE_URL=f"{server.url}/v1",
            OPENAI_API_KEY=KEY,
            HOME=str(folder),
            CREWAI_DISABLE_TELEMETRY="true",
            OTEL_SDK_DISABLED="true",
            LANGSMITH_TRACING="false",
            LITELLM_LOCAL_MODEL_COST_MAP="True",
        ),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 4,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "client", [*ALWAYS, *(pytest.param(c, marks=pytest.mark.clients) for c in ON_DEMAND)], ids=lambda c: c.name
)
@pytest.mark.timeout(400)
def test_an_agent_takes_its_steps(client: Client, turnout_server: Running, ledger: Ledger, steps: Steps) -> None:
    """The run ends in an answer; each step was decided with the hints of the file; what answered is what was chosen."""
    before = ledger.arms()
    said = SAID.findall(run(client, turnout_server, (EXAMPLES / client.example).read_text()))
    assert said and all(text for _, text in said)
    taken = steps.of(said[0][0], client.steps)
    assert [s["result"] for s in taken] == ["returned" if client.stream else "accepted"] * client.steps
    assert all(s["hints"]["accuracy"] == 0.8 and s["step_class"] == client.step for s in taken)
    assert {s["stream"] for s in taken} == {client.stream}
    assert taken[-1]["facts"]["tool_results"] == client.results
    assert ledger.arms() - before == Counter(a["arm"] for s in taken for a in s["attempts"])
    assert all(a["fault"] is None for s in taken for a in s["attempts"])


@pytest.mark.parametrize("client", [c for c in ALWAYS if c.name in ("langgraph", "openai_node")], ids=lambda c: c.name)
@pytest.mark.timeout(400)
def test_other_hints_reach_another_model(client: Client, turnout_server: Running, steps: Steps) -> None:
    """The same file with one hint changed: what was Nemotron's goes to Qwen, every step of it."""
    script = (EXAMPLES / client.example).read_text()
    for hints, nemotron in (("step=tool_use&prefer=cost", True), ("step=hard&prefer=accuracy", False)):
        ((name, _),) = SAID.findall(run(client, turnout_server, script.replace("step=tool_use&accuracy=0.8", hints)))
        models = {a["model"] for s in steps.of(name, client.steps) for a in s["attempts"]}
        assert (models == {NEMOTRON}) is nemotron, models


def test_every_example_is_run() -> None:
    """None is left to rot: each is named where the tests of real clients run it."""
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert all(f'"{path.name}"' in tests for path in EXAMPLES.iterdir() if path.is_file())


def test_the_docs_name_the_versions_that_were_run() -> None:
    """docs/clients.md has every client's version from its environment's list, and every example's name."""
    page = (ROOT / "docs" / "clients.md").read_text()
    named = set(re.findall(r"([@\w/.-]+) (\d+\.\d+\.\d+)", page))
    for folder in environments.ENVS.iterdir():
        missing = {(name, version) for name, version in environments.pinned(folder.name) if name in page} - named
        assert not missing, missing
        assert folder.name in ("node", "schemathesis") or any(
            name in page for name, _ in environments.pinned(folder.name)
        ), folder
    assert all(f"`{path.name}`" in page for path in EXAMPLES.iterdir() if path.is_file())
