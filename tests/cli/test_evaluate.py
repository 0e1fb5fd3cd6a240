"""`turnout evaluate`: from a journal or its export to a table, a verdict and an exit status."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from benchmarks.offline import CASES, World, catalog, raw
from router import loader
from router.journal import OutcomeRecord, StepRecord, VerdictRecord, export
from router.journal.records import VERSION, encode
from tests.cli.conftest import Command

CURRENT, CANDIDATE = CASES["cheap where it is easy"]
NOW = time.time() - 3_600.0


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Models and both policies, as a person would have written them."""
    monkeypatch.setenv("TURNOUT_POLICY", "current")
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "models.yaml").write_text(yaml.safe_dump(raw()))
    for policy in (CURRENT, CANDIDATE):
        written = policy.model_dump(mode="json", by_alias=True, exclude_unset=True)
        (folder / f"{policy.name}.yaml").write_text(yaml.safe_dump(written))
    return folder


@pytest.fixture(scope="module")
def steps() -> list[StepRecord]:
    return [step for run in World(CURRENT, catalog(), 1).runs(1_500) for step in run]


@pytest.fixture
def journal(tmp_path: Path, files: Path, steps: list[StepRecord]) -> Path:
    """A folder as the server writes it, with a line that was cut off."""
    folder, version = tmp_path / "state" / "journal", digest(files / "current.yaml")
    folder.mkdir(parents=True)
    lines = []
    for number, step in enumerate(steps):
        at = NOW + number * 0.1
        fields = {name: getattr(step, name) for name in OutcomeRecord.__struct_fields__}
        lines.append(encode(OutcomeRecord(**fields | {"at": at, "policy_version": version})))
        lines += [
            encode(VerdictRecord(v=VERSION, at=at, decision_id=step.decision_id, success=v.success, source=v.source))
            for v in step.verdicts
        ]
    opened = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(NOW))
    (folder / f"journal-{opened}-7-000001.jsonl").write_bytes(b"".join(lines) + b'{"kind":')
    return folder


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:12]


def numbers(command: Command, files: Path, tmp_path: Path, *more: str) -> dict[str, object]:
    out = tmp_path / "out.json"
    done = command(
        "evaluate", "cheap-easy", "--against", "current", "--policies", str(files), *more, "--json", str(out)
    )
    assert done.status in (0, 1), done.err
    made: dict[str, object] = json.loads(out.read_text())
    return made


def test_the_journal_is_judged(command: Command, files: Path, journal: Path) -> None:
    """By default where the server writes; both policies, the change, the check, a verdict that is the exit status."""
    done = command(
        "evaluate", "cheap-easy", "--against", "current", "--policies", str(files), "--state", str(journal.parent)
    )
    assert done.status == 1 and "Passed over: 1 cut-off" in done.err
    assert "(70% judged) in 1,500 runs of current;" in done.out and "check (self-normalised)" in done.out
    assert "cheap-easy is not shown: success may be" in done.out


def test_a_table_says_the_same(command: Command, files: Path, journal: Path, tmp_path: Path) -> None:
    """The folder, the JSON lines and the Parquet file that it is exported to come to the same numbers."""
    lines, parquet = tmp_path / "steps.jsonl", tmp_path / "steps.parquet"
    export.jsonl(export.steps(journal), lines)
    export.parquet(export.steps(journal), parquet, loader.duckdb())
    found = [numbers(command, files, tmp_path, "--journal", str(path)) for path in (journal, lines, parquet)]
    assert found[0] == found[1] == found[2] and found[0]["refusals"] == []
    since, until = (datetime.fromtimestamp(NOW + seconds, UTC).isoformat() for seconds in (60, 120))
    part = numbers(command, files, tmp_path, "--journal", str(lines), "--since", since, "--until", until)
    assert 0 < int(str(part["steps"])) < int(str(found[0]["steps"]))


def test_a_policy_that_changed_since(command: Command, files: Path, journal: Path) -> None:
    """What another version of the file logged is not this policy's; the old file can be named."""
    old = files.parent / "old" / "current.yaml"
    old.parent.mkdir()
    old.write_bytes((files / "current.yaml").read_bytes())
    with (files / "current.yaml").open("a") as file:
        file.write("description: changed\n")
    common = ("evaluate", "cheap-easy", "--policies", str(files), "--journal", str(journal), "--against")
    done = command(*common, "current")
    assert done.status == 1 and f"versions {digest(old)} (" in done.out and "No estimate for cheap-easy" in done.out
    assert "change " in command(*common, str(old)).out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("gone",), "none of cheap-easy, current"),
        (("cheap-easy", "--against", "gone"), "--against"),
        (("gone.yaml",), "gone.yaml"),
        (("cheap-easy", "--against", "current", "--journal", "/nowhere"), "neither a folder"),
        (("cheap-easy", "--against", "current", "--since", "soon"), "--since"),
        (("cheap-easy", "--json", "/nowhere/out.json"), "no such folder"),
    ],
)
def test_what_is_wrong_is_told(command: Command, files: Path, arguments: tuple[str, ...], word: str) -> None:
    """One line that names it."""
    done = command("evaluate", *arguments, "--policies", str(files))
    assert done.status == 2 and word in done.err and len(done.err.splitlines()) == 1


def test_files_that_are_no_tables(command: Command, files: Path, tmp_path: Path, steps: list[StepRecord]) -> None:
    """A Parquet file that is none is an error; lines that are no steps, or of another version, are counted."""
    broken, lines = tmp_path / "steps.parquet", tmp_path / "steps.jsonl"
    broken.write_text("no")
    common = ("evaluate", "cheap-easy", "--against", "current", "--policies", str(files), "--journal")
    done = command(*common, str(broken))
    assert done.status == 2 and "cannot be read" in done.err
    export.jsonl(iter([replace(steps[0], v=99)]), lines)
    with lines.open("a") as file:
        file.write("nonsense\n")
    done = command(*common, str(lines))
    assert done.status == 1 and "2 unreadable lines" in done.err and "No step of the policy current" in done.out


def test_an_empty_journal(command: Command, files: Path, tmp_path: Path) -> None:
    """Is no evidence, and no error."""
    done = command(
        "evaluate", "cheap-easy", "--against", "current", "--policies", str(files), "--state", str(tmp_path / "none")
    )
    assert done.status == 1 and "No step of the policy current is in the journal, of 0" in done.out
