"""Rotation, fsync, retention, compression, and what a full disk does, on real files."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.journal import Files, Limits, segment
from router.journal.files import SYNC_S
from tests.clock import Clock

LINE = b'{"x":"' + b"y" * 90 + b'"}\n'


@pytest.fixture
def clock() -> Clock:
    return Clock()


def names(folder: Path) -> list[str]:
    return [s.path.name for s in segment.listed(folder)]


def texts(folder: Path) -> list[bytes]:
    return [s.path.read_bytes() for s in segment.listed(folder)]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Counts fsyncs of files, those of folders left out."""
    real, calls = os.fsync, []

    def count(fd: int) -> None:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            calls.append(fd)
        real(fd)

    monkeypatch.setattr(os, "fsync", count)
    yield calls


def test_the_folder_is_made_and_is_private(tmp_path: Path) -> None:
    """And no segment before there is something to write."""
    files = Files(tmp_path / "a" / "journal", Limits())
    assert (tmp_path / "a" / "journal").stat().st_mode & 0o777 == 0o700 and names(tmp_path / "a" / "journal") == []
    files.tend()
    files.close()


def test_a_folder_that_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    """Something else is in the way, or it cannot be written."""
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/turnout")):
        with pytest.raises(OSError):
            Files(folder, Limits())


def test_segments_end_by_size(tmp_path: Path) -> None:
    """No segment is longer than the limit, unless one batch is; no line is split between two."""
    files = Files(tmp_path, Limits(segment_bytes=1_000))
    for _ in range(10):
        files.write([LINE] * 3)
    files.write([LINE] * 50)
    files.close()
    sizes = [len(t) for t in texts(tmp_path)]
    assert sum(sizes) == 80 * len(LINE) and all(t.endswith(b"\n") for t in texts(tmp_path))
    assert all(size <= 1_000 for size in sizes[:-1]) and sizes[-1] == 50 * len(LINE)
    assert [s.number for s in segment.listed(tmp_path)] == list(range(1, len(sizes) + 1))


def test_segments_end_by_age(tmp_path: Path, clock: Clock) -> None:
    """A quiet journal still gets its segments closed; one in which nothing was written stays open."""
    files = Files(tmp_path, Limits(segment_age=60), clock=clock)
    files.write([LINE])
    clock.now = 59.0
    files.tend()
    files.write([LINE])
    clock.now = 61.0
    files.tend()
    files.write([LINE])
    files.close()
    assert texts(tmp_path) == [LINE * 2, LINE]


@pytest.mark.parametrize(
    ("sync", "after_write", "after_tend", "after_close"),
    [("always", 1, 1, 1), ("interval", 0, 1, 1), ("never", 0, 0, 0)],
)
def test_when_lines_are_forced_to_disk(
    tmp_path: Path, clock: Clock, synced: list[int], sync: str, after_write: int, after_tend: int, after_close: int
) -> None:
    """After each batch, after each second, or never; with nothing new, not again."""
    files = Files(tmp_path, Limits(sync=sync), clock=clock)  # type: ignore[arg-type]
    files.write([LINE])
    assert len(synced) == after_write
    clock.now = SYNC_S + 0.01
    files.tend()
    assert len(synced) == after_tend
    clock.now = 2 * SYNC_S + 0.02
    files.tend()
    files.close()
    assert len(synced) == after_close


def test_closing_forces_what_is_left(tmp_path: Path, clock: Clock, synced: list[int]) -> None:
    """Between two intervals too."""
    files = Files(tmp_path, Limits(sync="interval"), clock=clock)
    files.write([LINE])
    files.close()
    assert len(synced) == 1


def test_the_oldest_segments_go(tmp_path: Path) -> None:
    """Once all together are over the limit, also those of processes before; the one being written stays."""
    (tmp_path / "journal-20200101T000000Z-1-000001.jsonl").write_bytes(LINE * 20)
    (tmp_path / "journal-20200101T000001Z-1-000002.jsonl.gz").write_bytes(LINE * 20)
    files = Files(tmp_path, Limits(segment_bytes=1_000, keep_bytes=3_000))
    assert names(tmp_path) == ["journal-20200101T000001Z-1-000002.jsonl.gz"]
    for _ in range(60):
        files.write([LINE])
    files.close()
    sizes = [len(t) for t in texts(tmp_path)]
    assert sum(sizes[:-1]) <= 3_000 and segment.listed(tmp_path)[-1].number == 6


def test_nothing_goes_where_all_is_kept(tmp_path: Path) -> None:
    """0 keeps everything."""
    files = Files(tmp_path, Limits(segment_bytes=200, keep_bytes=0))
    for _ in range(20):
        files.write([LINE])
    files.close()
    assert len(names(tmp_path)) == 10


def test_what_another_process_writes_stays(tmp_path: Path) -> None:
    """However old and large it is: its lock says that it is alive."""
    fd, path, _ = segment.create(tmp_path, 1_000_000_000.0, 1)
    os.write(fd, LINE * 100)
    files = Files(tmp_path, Limits(keep_bytes=1_000, compress=True))
    files.write([LINE])
    files.close()
    assert path.exists() and len(names(tmp_path)) == 2
    os.close(fd)
    Files(tmp_path, Limits(keep_bytes=1_000))
    assert not path.exists()


def test_closed_segments_are_compressed(tmp_path: Path) -> None:
    """In the background, those that a process before left too; the open one stays plain."""
    (tmp_path / "journal-20200101T000000Z-1-000001.jsonl").write_bytes(LINE * 20)
    files = Files(tmp_path, Limits(segment_bytes=1_000, compress=True))
    for _ in range(15):
        files.write([LINE])
    until = time.monotonic() + 10
    while len([n for n in names(tmp_path) if n.endswith(".gz")]) < 2 and time.monotonic() < until:
        time.sleep(0.01)
        files._tidy()
    assert [n.endswith(".gz") for n in names(tmp_path)] == [True, True, False]
    files.close()


def test_a_torn_tail_is_told_and_never_written_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What a crash left stays as it is; new records go to a segment of their own."""
    torn = tmp_path / "journal-20200101T000000Z-1-000001.jsonl"
    torn.write_bytes(LINE + LINE[:40])
    files = Files(tmp_path, Limits())
    assert "the last record of journal-20200101T000000Z-1-000001.jsonl was cut off" in caplog.text
    files.write([LINE])
    files.close()
    assert texts(tmp_path) == [LINE + LINE[:40], LINE]


def test_a_journal_that_is_deleted_begins_anew(tmp_path: Path, clock: Clock) -> None:
    """A person who clears the folder does not silence it."""
    folder = tmp_path / "journal"
    files = Files(folder, Limits(), clock=clock)
    files.write([LINE])
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    clock.now = 2.0
    files.tend()
    files.write([LINE])
    files.close()
    assert texts(folder) == [LINE]


FULL = """
import json, resource, signal, sys
from pathlib import Path
from router.journal import Files, Limits

folder, line = Path(sys.argv[1]), b'{"x":"' + b"y" * 90 + b'"}\\n'
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
limit = lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

def tried(count):
    try:
        files.write([line] * count)
    except OSError as error:
        return error.errno
    return 0

files = Files(folder, Limits(sync=sys.argv[2]))
found = [tried(3)]
limit(450)
found += [tried(2), tried(2)]
limit(0)
found += [tried(1), tried(1)]
limit(hard)
found += [tried(4)]
files.close()
print(json.dumps(found))
"""


@pytest.mark.parametrize("sync", ["always", "interval"])
def test_a_write_that_fails_leaves_nothing(tmp_path: Path, sync: str) -> None:
    """The system takes part of a batch and then no more, as a full disk does: the part is cut off again, what was
    whole stays, and when there is room the journal goes on."""
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path, sync], capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    first, second, third, *full, last = json.loads(done.stdout)
    assert (first, last) == (0, 0) and all(full) and second and not third
    text = b"".join(texts(tmp_path))
    assert text == LINE * (3 + 2 + 4)
