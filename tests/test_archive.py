"""Snapshots on the disk are whole or not there, and only the newest few are kept."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from router.archive import KEEP, Archive


def archive(folder: Path) -> Archive:
    ticks = itertools.count(1_800_000_000_000_000_000, 1_000_000)
    return Archive(folder, now=lambda: next(ticks))


def test_the_newest_come_first_and_the_oldest_go(tmp_path: Path) -> None:
    """A bounded number is kept, readable by their owner alone."""
    kept = archive(tmp_path / "beliefs")
    for number in range(KEEP + 3):
        path = kept.save(b"%d" % number)
    assert [data for _, data in kept.read()] == [b"%d" % n for n in range(KEEP + 2, 2, -1)]
    assert path == kept.paths()[0] and path.stat().st_mode & 0o077 == 0
    assert len(list((tmp_path / "beliefs").iterdir())) == KEEP


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """What could not be written whole has no name, and what was there before stays."""
    kept = archive(tmp_path)
    kept.save(b"before")
    blocked = tmp_path / f"beliefs-{1_800_000_000_001_000:017d}-{os.getpid()}.snapshot"
    blocked.mkdir()
    with pytest.raises(OSError):
        kept.save(b"lost")
    blocked.rmdir()
    assert [data for _, data in kept.read()] == [b"before"] and len(list(tmp_path.iterdir())) == 1


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """Neither a half-written file nor somebody's own is read; a folder that is not there has none."""
    (tmp_path / "beliefs-1.part").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    assert list(archive(tmp_path).read()) == [] == list(archive(tmp_path / "nowhere").read())


def test_one_that_cannot_be_read_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log says which and why, and the one before it is there."""
    kept = archive(tmp_path)
    kept.save(b"good")
    os.symlink(tmp_path / "gone", tmp_path / "beliefs-99999999999999999-1.snapshot")
    assert [data for _, data in kept.read()] == [b"good"]
    assert "cannot be read" in caplog.text
