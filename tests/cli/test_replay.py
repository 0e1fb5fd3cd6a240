"""`turnout replay`."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from router.learning import trace
from tests.cli.conftest import Command
from tests.learning.made import FOLDER, world


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "trace.jsonl"
    trace.write(path, world(60))
    return path


def test_policies_and_baselines_side_by_side(command: Command, recorded: Path, tmp_path: Path) -> None:
    """A table for people, and files for programs: all numbers, all predictions, a picture."""
    files = {name: tmp_path / name for name in ("out.json", "scores.csv", "out.png")}
    done = command(
        "replay",
        str(recorded),
        *("--policy", "default", "--policy", str(FOLDER / "cost-first.yaml"), "--policies", str(FOLDER)),
        *("--learn", "full", "--verify-tpr", "0.9", "--verify-fpr", "0.1", "--seeds", "2"),
        *("--json", str(files["out.json"]), "--scores", str(files["scores.csv"]), "--plot", str(files["out.png"])),
    )
    assert done.status == 0, done.err
    made = json.loads(files["out.json"].read_text())
    names = ["default", "cost-first", "always strong", "always weak", "random", "weak then strong", "oracle"]
    assert [row["name"] for row in made["results"]] == names
    assert all(name in done.out for name in names) and "60 steps in 12 units" in done.out
    assert (made["learn"], made["verify_tpr"], made["verify_fpr"], made["seeds"]) == ("full", 0.9, 0.1, 2)
    rows = list(csv.DictReader(files["scores.csv"].read_text().splitlines()))
    assert len(rows) == 120 and rows[0]["step_id"] == "s0"
    assert files["out.png"].read_bytes().startswith(b"\x89PNG")


def test_every_policy_of_the_folder_is_replayed(command: Command, recorded: Path) -> None:
    """Where none is named; one whose licence gate closes on everything has nothing to show."""
    done = command("replay", str(recorded), "--policies", str(FOLDER), "--learn", "off")
    shown = {line.split("  ")[0]: line for line in done.out.splitlines()}
    assert {"default", "cost-first", "accuracy-first", "latency-first", "apache-only"} <= shown.keys()
    assert shown["apache-only"].split()[-1] == "60" and " - " in shown["apache-only"]


def test_the_same_command_says_the_same(command: Command, recorded: Path, tmp_path: Path) -> None:
    """Byte for byte."""
    paths = [tmp_path / "1.json", tmp_path / "2.json"]
    for path in paths:
        command("replay", str(recorded), "--policy", "default", "--json", str(path), "--seeds", "2")
    assert paths[0].read_bytes() == paths[1].read_bytes()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no trace": ({"trace": "none.jsonl"}, "none.jsonl: No such file"),
    "a bad line": ({"trace": "bad.jsonl"}, "bad.jsonl:1: "),
    "no such policy": ({"--policy": "none"}, "--policy: 'none' is none of accuracy-first"),
    "no such policy file": ({"--policy": "none.yaml"}, "none.yaml"),
    "nowhere to write": ({"--json": "none/out.json"}, "none/out.json: there is no such folder"),
    "nowhere to draw": ({"--plot": "none/out.png"}, "none/out.png: there is no such folder"),
    "an odd share": ({"--verify-fpr": "2"}, "--verify-fpr"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line(
    name: str, command: Command, recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 2 and a reason, never a traceback."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.jsonl").write_text("{}\n")
    given, reason = WRONG[name]
    options = [word for option, value in given.items() if option != "trace" for word in (option, value)]
    done = command("replay", given.get("trace", str(recorded)), "--policies", str(FOLDER), *options)
    assert done.status == 2 and reason in done.err and "Traceback" not in done.err


def test_a_plot_without_matplotlib_is_one_line(
    command: Command, recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what to install, before anything is replayed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = command("replay", str(recorded), "--plot", str(tmp_path / "out.png"))
    assert done.status == 2 and "turnout[plot]" in done.err


def test_many_cascades_are_cut_in_the_table(command: Command, tmp_path: Path) -> None:
    """The table shows those that cost least per success and says how many more the JSON has."""
    arms = {f"m{i}": {"success": i > 2, "cost_usd": 1.0 + i} for i in range(6)}
    path = tmp_path / "t.jsonl"
    path.write_text(
        "".join(json.dumps({"step_id": f"s{n}", "input_tokens": 5, "arms": arms}) + "\n" for n in range(60))
    )
    done = command("replay", str(path), "--policy", "default")
    assert done.out.count(" then ") == 6 and "9 more cascades in the JSON" in done.out
