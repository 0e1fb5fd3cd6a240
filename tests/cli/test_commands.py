"""Commands as a newcomer meets them: each mistake is one clear sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from router import __version__
from tests.cli.conftest import Command
from tests.clients.running import POLICIES, turnout

HELLO = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Hello."}]})


def test_version_and_help() -> None:
    """The version alone on a line; every command with its purpose."""
    assert turnout("--version").stdout == f"{__version__}\n"
    for question in ("--help", "-h"):
        said = turnout(question).stdout
        assert all(name in said for name in ("serve", "demo", "simulate", "explain", "check", "models", "init"))


MISTAKES: list[tuple[list[str], dict[str, str], str]] = [
    (["serve", "--host", "0.0.0.0"], {}, "--host: 0.0.0.0 can be reached by others and no key is set."),
    (["serve"], {"TURNOUT_HOST": "0.0.0.0"}, "TURNOUT_HOST: 0.0.0.0 can be reached by others and no key is set."),
    (["serve", "--policies", "/nowhere"], {}, "/nowhere/models.yaml: No such file or directory"),
    (["serve", "--policy", "../etc"], {}, "has no policy '../etc'; there are: "),
    (["serve"], {"TURNOUT_COLOUR": "red"}, "TURNOUT_COLOUR: is not a setting. Settings are: "),
    (["serve"], {"TURNOUT_PORT": "http"}, "TURNOUT_PORT: must be a whole number, not 'http'"),
    (["check", "--catalog", "/nowhere.yaml"], {}, "/nowhere.yaml: No such file or directory"),
    (["explain"], {}, "explain: give either a text or --file"),
    (["explain", "hi", "--hint", "accuracy"], {}, "--hint: 'accuracy' is not name=value"),
    (["explain", "hi", "--hint", "accuracy=2"], {}, "turnout.accuracy must be a number between 0 and 1."),
    (["explain", "hi", "--hint", "speed=2"], {}, "Unknown hint turnout.speed. Hints are: "),
    (["explain", "hi", "--model", "gtp-5"], {}, "The model 'gtp-5' does not exist. Models are: auto, "),
    (["explain", "--file", "/nowhere.json"], {}, "/nowhere.json: No such file or directory"),
    (["models", "list", "--catalog", "/nowhere"], {}, "/nowhere: No such file or directory"),
    (["simulate", "--host", "0.0.0.0"], {}, "--host: simulated models answer anybody"),
    (["simulate", "--fault", "flood:1"], {}, "fault 'flood' is unknown: "),
    (["init", "--output", "/dev/null/x"], {}, "--provider: is needed: one of openrouter, vllm"),
    (["init", "--provider", "aol", "--output", "/dev/null/x"], {}, "provider: 'aol' is not one of openrouter, vllm"),
    (["init", "--provider", "other", "--output", "/dev/null/x"], {}, "base_url: is needed"),
    (["init", "--provider", "vllm", "--model", "x", "--output", "/dev/null/x"], {}, "is not catalog model=id there"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "env", "sentence"), MISTAKES, ids=lambda v: " ".join(v) if v else "")
def test_a_mistake_is_one_sentence(command: Command, arguments: list[str], env: dict[str, str], sentence: str) -> None:
    """On standard error, on one line, whatever the width of the screen; status 2."""
    done = command(*arguments, **env, COLUMNS="40")
    assert (done.status, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert line.startswith("turnout: ") and sentence in line


@pytest.mark.parametrize("arguments", [["serve", "--port", "70000"], ["serve", "--log-level", "loud"], ["sevre"]])
def test_a_wrong_option_says_which(command: Command, arguments: list[str]) -> None:
    """Status 2, and the option or command is named."""
    done = command(*arguments)
    assert done.status == 2
    assert arguments[-2 if len(arguments) > 1 else -1] in done.err


BROKEN: list[tuple[str, str, str, str]] = [
    ("default.yaml", "retries: 1", "retries: many", "retries: "),
    ("default.yaml", "verify: [schema,", "verify: [scheme,", "verify"),
    ("cost-first.yaml", "version: 1", "version: [", ""),
]


@pytest.mark.parametrize(("name", "old", "new", "about"), BROKEN)
def test_a_bad_policy_is_named_with_its_line(
    command: Command, written: Path, name: str, old: str, new: str, about: str
) -> None:
    """`serve` and `check` say file:line: reason."""
    path = written / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    for name_of_it in ("serve", "check"):
        done = command(name_of_it, "--policies", str(written))
        assert done.status == 2
        where, line, reason = done.err.removeprefix("turnout: ").split(":", 2)
        assert where == str(path) and about in reason
        assert abs(int(line) - (text[: text.index(old)].count("\n") + 1)) <= 2


def test_check_says_what_is_right(command: Command, written: Path) -> None:
    """How many models and policies, each policy with its purpose, and which deployments lack their key."""
    done = command("check", "--policies", str(written))
    assert done.status == 0
    assert "All right: 3 models, 5 policies." in done.out and "apache-only" in done.out
    shipped = command("check", "--policies", str(POLICIES))
    assert "nemotron-3-super:nebius will be left out: NEBIUS_API_KEY is not set." in shipped.out
    assert "NEBIUS" not in command("check", "--policies", str(POLICIES), NEBIUS_API_KEY="x").out


def test_explain_in_words_and_in_numbers(command: Command, written: Path) -> None:
    """A text, a body from standard input, a model name; as a table and as what /v1/route answers."""
    table = command("explain", "Fix it", "--hint", "step=code", "--policies", str(written))
    assert "class code, policy default" in table.out and "\nWhy: " in table.out
    for row in ("nemotron-3-super/low", "qwen3.5-397b/on", "Plans on the cost-success frontier"):
        assert row in table.out
    body = command("explain", "--file", "-", "--json", "--policies", str(written), stdin=HELLO)
    decision = json.loads(body.out)
    assert decision["step_class"] == "chat" and decision["chosen"]["arms"]
    pinned = command(
        "explain", "--file", "-", "--json", "--model", "qwen3.5-122b", "--policies", str(written), stdin=HELLO
    )
    assert json.loads(pinned.out)["chosen"]["arms"][0].startswith("qwen3.5-122b/")
    said = json.dumps(json.loads(HELLO) | {"turnout": {"accuracy": 0.9, "retries": 0}})
    hints = ("--hint", "retries=2", "--hint", "failure-cost=0.5", "--hint", "verify=schema,tools")
    hinted = command("explain", "--file", "-", "--json", *hints, "--policies", str(written), stdin=said)
    terms = json.loads(hinted.out)["terms"]
    assert (terms["accuracy"], terms["max_attempts"], terms["failure_cost"]) == (0.9, 3, 0.5)
    wrong = command("explain", "--file", "-", stdin="{")
    assert (wrong.status, wrong.err) == (2, "turnout: The body is not valid JSON: it ends too early.\n")


def test_explain_tells_of_exploration(command: Command, written: Path) -> None:
    """Where a policy explores: what the run's draw was, how likely, and the same for the same run."""
    path = written / "default.yaml"
    path.write_text(path.read_text() + "exploration: {share: 1, regret: 100}\n")
    said = [
        command(
            *("explain", "Hi", "--hint", "run_id=r1", "--policies", str(written)),
            TURNOUT_EXPLORATION_SECRET="of a test",
        ).out
        for _ in range(2)
    ]
    assert said[0] == said[1] and "\nExplores: the run's draw begins with " in said[0]


def test_closed_gates_are_listed(command: Command, written: Path) -> None:
    """One line for each, below what it means."""
    done = command("explain", "Hi", "--hint", "license=GPL-3.0-only", "--policies", str(written))
    first, *gates = done.err.splitlines()
    assert (done.status, first) == (2, "turnout: No model can take this step:")
    assert len(gates) == 3 and all(gate.startswith("  ") and ": license: " in gate for gate in gates)
