"""`turnout tune`: a new file, never over another, and nothing where there is nothing to say."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from benchmarks.offline import raw
from router import policy as policies
from router.journal import export
from router.yaml_file import dump
from tests.cli.conftest import Command
from tests.learning.test_tune import believing, steps

AT = 1_780_000_000.0


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Models, and a policy that takes answers for longer than they are."""
    monkeypatch.setenv("TURNOUT_POLICY", "current")
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "models.yaml").write_text(yaml.safe_dump(raw()))
    written = believing(q50=900, q90=4_000).model_dump(mode="json", by_alias=True, exclude_unset=True)
    (folder / "current.yaml").write_text(dump(written))
    return folder


def log(tmp_path: Path, runs: int) -> Path:
    path = tmp_path / "steps.jsonl"
    export.jsonl((replace(step, at=AT) for step in steps(runs)), path)
    return path


def test_a_file_beside_the_others(command: Command, files: Path, tmp_path: Path) -> None:
    """It is a policy, says in words what changed, is never overwritten, and the one that serves is untouched."""
    before, path = (files / "current.yaml").read_bytes(), log(tmp_path, 500)
    day = time.strftime("%Y-%m-%d", time.localtime(AT))
    for name in (f"current-{day}", f"current-{day}-2"):
        done = command("tune", "--policies", str(files), "--journal", str(path))
        assert done.status == 0, done.err
        out = files / "learned" / f"{name}.yaml"
        assert f"Written: {out}" in done.out and f"turnout evaluate {out} --against current" in done.out
        made = policies.load(out)
        assert made.by_name["easy"].output.q50 == pytest.approx(300, rel=0.15)
        assert "# easy: output.q50 down from 900 to" in out.read_text()
    assert sorted(p.name for p in (files / "learned").iterdir()) == [f"current-{day}-2.yaml", f"current-{day}.yaml"]
    assert (files / "current.yaml").read_bytes() == before
    assert command("check", "--policies", str(files)).status == 0


def test_nothing_to_change(command: Command, files: Path, tmp_path: Path) -> None:
    """Is said, and no file is written."""
    done = command("tune", "current", "--policies", str(files), "--journal", str(log(tmp_path, 20)))
    assert done.status == 0 and "Nothing was written" in done.out and not (files / "learned").exists()


def test_what_is_wrong_is_told(command: Command, files: Path, tmp_path: Path) -> None:
    """A policy that is none, and a place that cannot be written."""
    assert "none of current" in command("tune", "gone", "--policies", str(files)).err
    (files / "learned").write_text("a file")
    done = command("tune", "--policies", str(files), "--journal", str(log(tmp_path, 300)))
    assert done.status == 2 and "learned: cannot be written" in done.err
