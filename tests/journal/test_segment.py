"""Names, locks, torn tails and compression of segments, on real files."""

from __future__ import annotations

import fcntl
import gzip
import os
from pathlib import Path

import pytest

from router.journal import segment

AT = 1_800_000_000.0


def made(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"{}\n")


def test_a_name_says_when_who_and_which(tmp_path: Path) -> None:
    """UTC to the second, process, number; readable by its owner alone."""
    fd, path, number = segment.create(tmp_path, AT, 1)
    os.close(fd)
    assert (path.name, number) == (f"journal-20270115T080000Z-{os.getpid()}-000001.jsonl", 1)
    assert path.stat().st_mode & 0o777 == 0o600
    (found,) = segment.listed(tmp_path)
    assert found == (AT, 1, str(os.getpid()), path)


def test_no_two_writers_share_a_segment(tmp_path: Path) -> None:
    """Where the name is taken (process ids repeat across containers), the next number is."""
    first, path, _ = segment.create(tmp_path, AT, 1)
    second, other, number = segment.create(tmp_path, AT, 1)
    assert path != other and number == 2
    os.close(first)
    os.close(second)


def test_segments_sort_by_time(tmp_path: Path) -> None:
    """The oldest first, then by number; plain goes before compressed; whatever else lies there is passed over."""
    names = [
        "journal-20270115T080000Z-9-000001.jsonl.gz",
        "journal-20270115T080000Z-9-000002.jsonl",
        "journal-20270115T080001Z-1-000001.jsonl",
    ]
    strangers = ["notes.jsonl", "journal-20270231T080000Z-1-000001.jsonl", f"{names[0]}.part", f"{names[2]}.swp"]
    made(tmp_path, *reversed(names), *strangers, f"{names[1]}.gz")
    assert [s.path.name for s in segment.listed(tmp_path)] == names
    assert segment.listed(tmp_path / "none") == []


def test_a_segment_in_use_is_not_at_rest(tmp_path: Path) -> None:
    """Whoever writes it holds its lock, until it closes or dies; a missing one is nobody's."""
    fd, path, _ = segment.create(tmp_path, AT, 1)
    with segment.at_rest(path) as file:
        assert file is None
    os.close(fd)
    with segment.at_rest(path) as file:
        assert file is not None
        with segment.at_rest(path) as again:
            assert again is None
    with segment.at_rest(tmp_path / "gone.jsonl") as file:
        assert file is None


def test_a_segment_that_is_being_tidied_away_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock that comes too late means another number."""
    real, calls = fcntl.flock, []

    def late(fd: int, how: int) -> None:
        calls.append(fd)
        if len(calls) == 1:
            raise BlockingIOError
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    fd, _, number = segment.create(tmp_path, AT, 1)
    os.close(fd)
    assert number == 2


def test_a_segment_that_was_tidied_away_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock on a file that is gone is worth nothing: what went there would be lost."""
    real, calls = fcntl.flock, []

    def late(fd: int, how: int) -> None:
        calls.append(fd)
        if len(calls) == 1:
            (found,) = segment.listed(tmp_path)
            segment.compress(found.path)
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    fd, path, number = segment.create(tmp_path, AT, 1)
    os.close(fd)
    assert number == 2 and [s.path for s in segment.listed(tmp_path)] == [path]


def test_without_locks_nothing_is_at_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments are written there all the same, but nobody dares to compress or delete one."""

    def none(fd: int, how: int) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    fd, path, _ = segment.create(tmp_path, AT, 1)
    os.close(fd)
    with segment.at_rest(path) as file:
        assert file is None


@pytest.mark.parametrize(("text", "cut"), [(b"", False), (b"{}\n", False), (b"{}\n{", True), (b"{", True)])
def test_a_torn_tail_is_seen(tmp_path: Path, text: bytes, cut: bool) -> None:
    """A last line without its end."""
    (tmp_path / "x").write_bytes(text)
    with (tmp_path / "x").open("rb") as file:
        assert segment.torn(file) is cut


def test_compressing_replaces_the_segment(tmp_path: Path) -> None:
    """The same bytes under the name with `.gz`; one in use stays as it is."""
    fd, path, _ = segment.create(tmp_path, AT, 1)
    os.write(fd, b'{"a":1}\n' * 1_000)
    segment.compress(path)
    assert path.exists()
    os.close(fd)
    os.utime(path, (AT, AT))
    segment.compress(path)
    (found,) = segment.listed(tmp_path)
    assert found.path.name == f"{path.name}.gz" and [*tmp_path.iterdir()] == [found.path]
    assert found.path.stat().st_mtime == AT
    assert gzip.decompress(found.path.read_bytes()) == b'{"a":1}\n' * 1_000


def test_a_failure_to_compress_leaves_the_segment(tmp_path: Path) -> None:
    """Whole, and without half a copy beside it."""
    fd, path, _ = segment.create(tmp_path, AT, 1)
    os.write(fd, b"{}\n")
    os.close(fd)
    path.with_name(f"{path.name}.gz").mkdir()
    with pytest.raises(OSError):
        segment.compress(path)
    assert path.read_bytes() == b"{}\n" and not [*tmp_path.glob("*.part")]
