"""`turnout promote`, `rollback`, `history`: the gate, the way back, and who, when, why."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from benchmarks.offline import CASES, World, catalog, raw
from router import promotions
from router.journal import export
from tests.cli.conftest import Command

CURRENT, CANDIDATE = CASES["cheap where it is easy"]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Models and both policies; the candidate's file is no policy of the folder."""
    monkeypatch.setenv("TURNOUT_POLICY", "current")
    folder = tmp_path / "policies"
    (folder / "learned").mkdir(parents=True)
    (folder / "models.yaml").write_text(yaml.safe_dump(raw()))
    for policy, path in ((CURRENT, "current.yaml"), (CANDIDATE, "learned/cheap-easy.yaml")):
        written = policy.model_dump(mode="json", by_alias=True, exclude_unset=True)
        (folder / path).write_text(yaml.safe_dump(written))
    return folder


def log(files: Path, runs: int) -> str:
    version = promotions.digest((files / "current.yaml").read_bytes())
    path = files.parent / "steps.jsonl"
    steps = (step for run in World(CURRENT, catalog(), 1).runs(runs) for step in run)
    export.jsonl((replace(step, policy_version=version) for step in steps), path)
    return str(path)


def test_once_around(command: Command, files: Path) -> None:
    """A better policy is promoted, serves as the current one, is taken back; history tells it all."""
    candidate, common = str(files / "learned" / "cheap-easy.yaml"), ("--policies", str(files))
    done = command("promote", candidate, *common, "--journal", log(files, 12_000), "--who", "ada", "--why", "cheaper")
    assert done.status == 0, done.out + done.err
    version = promotions.digest(Path(candidate).read_bytes())
    assert f"cheap-easy.yaml ({version}) serves as current." in done.out
    assert command("check", *common).status == 0
    shown = command("history", *common).out
    assert "ada" in shown and "cheaper" in shown and f"current: cheap-easy.yaml ({version}) serves." in shown
    done = command("rollback", *common, "--why", "complaints")
    assert done.status == 0 and "the file current.yaml serves as current" in done.out
    shown = command("history", "current", *common).out
    assert "complaints" in shown and "rollback" in shown and "serves." not in shown
    again = command("rollback", "current", *common)
    assert again.status == 2 and "nothing is promoted in the place of 'current'" in again.err


def test_the_gate(command: Command, files: Path) -> None:
    """Not shown to be better: nothing changes, unless it is overridden, with the reason kept."""
    candidate, common = str(files / "learned" / "cheap-easy.yaml"), ("--policies", str(files))
    path = log(files, 200)
    done = command("promote", candidate, *common, "--journal", path)
    assert done.status == 1 and "Not promoted; current serves on." in done.out
    assert "Nothing was ever promoted." in command("history", *common).out
    done = command("promote", candidate, *common, "--journal", path, "--policy", "current", "--override", "asked for")
    assert done.status == 0 and "No estimate" in done.out
    assert "(override: asked for)" in command("history", *common).out
    done = command("promote", candidate, *common, "--journal", path, "--override", "twice")
    assert "cheap-easy.yaml (" in command("rollback", *common).out.partition(";")[2]
    with (files / "current.yaml").open("a") as file:
        file.write("description: edited\n")
    assert "current: its own file, which was edited since serves." in command("history", *common).out


def test_a_file_that_is_none(command: Command, files: Path) -> None:
    """Is named, and nothing changes."""
    done = command("promote", str(files / "gone.yaml"), "--policies", str(files))
    assert done.status == 2 and "gone.yaml" in done.err and not promotions.path(files).exists()
