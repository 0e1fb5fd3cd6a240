"""Promotions: one line of history lets a version serve, another takes it back; what is broken changes nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router import config, promotions
from router.errors import ConfigError
from router.library import Library
from router.promotions import Entry
from router.settings import Settings, shipped_dir

BASE = "version: 1\nname: default\nclasses:\n  - name: rest\n"
BETTER = "version: 1\nname: default-x\ndescription: better\nclasses:\n  - name: rest\n    retries: 2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(shipped_dir() / "models.yaml", tmp_path)
    (tmp_path / "default.yaml").write_text(BASE)
    return tmp_path


def entry(folder: Path, raw: str = BETTER, **changes: Any) -> Entry:
    known = Entry(
        at=1.0,
        action="promote",
        policy="default",
        version=promotions.digest(raw.encode()),
        base=promotions.digest((folder / "default.yaml").read_bytes()),
        source="default-x.yaml",
        who="ada",
        why="",
        gate="better",
    )
    return msgspec.structs.replace(known, **changes)


def promote(folder: Path, raw: str = BETTER, **changes: Any) -> Entry:
    made = entry(folder, raw, **changes)
    promotions.promote(folder, made, raw.encode())
    return made


def served(folder: Path) -> tuple[str, str]:
    """Description and version of what `default` means."""
    found = config.load(Settings(policies=folder), without_keys=True)
    assert list(found.policies) == ["default"] and found.policies["default"].name == "default"
    return found.policies["default"].description, found.versions["default"]


def test_promoted_and_taken_back(folder: Path) -> None:
    """The last promotion that was not taken back serves, under the name of the policy whose place it has."""
    before = served(folder)
    first = promote(folder)
    assert served(folder) == ("better", first.version) != before
    best = BETTER.replace("better", "best")
    second = promote(folder, best)
    assert served(folder) == ("best", second.version)
    for left in (("better", first.version), before):
        promotions.add(folder, entry(folder, action="rollback"))
        assert served(folder) == left
    promotions.add(folder, entry(folder, action="rollback"))  # one too many says nothing
    assert served(folder) == before
    assert [e.action for e in promotions.history(folder)] == ["promote"] * 2 + ["rollback"] * 3


def test_an_edit_by_hand_comes_first(folder: Path) -> None:
    """Once the policy's own file is another, what was promoted in its place no longer serves; undone, it does."""
    promote(folder)
    (folder / "default.yaml").write_text(BASE.replace("rest", "other"))
    assert served(folder)[0] == ""
    (folder / "default.yaml").write_text(BASE)
    assert served(folder)[0] == "better"


def test_a_running_server_takes_it(folder: Path) -> None:
    """With the next look at the files; a history that cannot be read, or a kept file that is gone, keeps it serving."""
    refused: list[int] = []
    library = Library(Settings(policies=folder), loaded=lambda _: None, refused=lambda: refused.append(1))
    made = promote(folder)
    assert library.refresh() and library.get().versions["default"] == made.version
    kept = promotions.kept(folder, made.version)
    raw = kept.read_bytes()
    kept.unlink()
    os.utime(promotions.path(folder), ns=(1, 1))
    assert not library.refresh() and refused == [1] and library.get().versions["default"] == made.version
    kept.write_bytes(raw + b"# more\n")
    os.utime(promotions.path(folder), ns=(2, 2))
    assert not library.refresh() and refused == [1, 1]
    kept.write_bytes(raw)
    with promotions.path(folder).open("a") as file:
        file.write("nonsense\n")
    assert not library.refresh() and len(refused) == 3 and library.get().versions["default"] == made.version


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda f, v: promotions.kept(f, v).unlink(), "turnout rollback default takes it back"),
        (lambda f, v: promotions.kept(f, v).write_text(BASE), "has been changed since"),
        (lambda f, v: promotions.path(f).write_bytes(b"\xff\n"), "history.jsonl:1: is no entry"),
        (lambda f, v: (promotions.path(f).unlink(), promotions.path(f).mkdir()), "history.jsonl"),
    ],
)
def test_what_is_broken_is_named(folder: Path, change: Any, word: str) -> None:
    """A version that no longer exists, one that was edited, a line that is none."""
    made = promote(folder)
    change(folder, made.version)
    with pytest.raises(ConfigError, match=word):
        served(folder)


def test_a_half_written_line(folder: Path) -> None:
    """Is not read, and makes place for the next one."""
    promote(folder)
    with promotions.path(folder).open("a") as file:
        file.write('{"at": 1')
    assert served(folder)[0] == "better"
    promotions.add(folder, entry(folder, action="rollback"))
    assert served(folder)[0] == "" and len(promotions.history(folder)) == 2


def test_where_nothing_can_be_written(folder: Path) -> None:
    """The place is named, and what serves is what served."""
    before = served(folder)
    (folder / "learned").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be written"):
        promote(folder)
    (folder / "learned").unlink()
    assert served(folder) == before
    promotions.path(folder).mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be written"):
        promotions.add(folder, entry(folder))
