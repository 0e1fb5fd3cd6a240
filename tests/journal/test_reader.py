"""Reading back: order over segments and writers, filters, torn and strange lines, following."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from router.journal import Tail, Tally, last, read
from tests.journal.made import line, said

AT = 1_003.0
"""When the outcome of number 0 ends."""


def put(folder: Path, opened: float, *lines: bytes, writer: int = 1, number: int = 1, zipped: bool = False) -> Path:
    """A segment opened at Unix time `opened`."""
    when = datetime.fromtimestamp(opened, UTC).strftime("%Y%m%dT%H%M%SZ")
    path = folder / f"journal-{when}-{writer}-{number:06d}.jsonl{'.gz' * zipped}"
    text = b"".join(lines)
    path.write_bytes(gzip.compress(text) if zipped else text)
    return path


def ids(folder: Path, **filters: Any) -> list[str]:
    return [r.decision_id for r in read(folder, **filters)]


def test_nothing_is_read_from_nowhere(tmp_path: Path) -> None:
    """A folder that is empty or not there has no records."""
    assert ids(tmp_path) == ids(tmp_path / "none") == []
    assert last(tmp_path / "none", 5) == [] and Tail(tmp_path / "none").more() == []


def test_segments_are_read_in_order(tmp_path: Path) -> None:
    """Plain and compressed ones."""
    put(tmp_path, AT + 10, line(10), line(11))
    put(tmp_path, AT, line(0), line(1), zipped=True)
    put(tmp_path, AT + 10, line(12), number=2)
    assert ids(tmp_path) == ["dec_0", "dec_1", "dec_10", "dec_11", "dec_12"]


def test_writers_side_by_side_are_merged(tmp_path: Path) -> None:
    """By the time of the records, not by the names of the files."""
    put(tmp_path, AT, *(line(i) for i in range(0, 300, 2)), writer=2)
    put(tmp_path, AT + 1, *(line(i) for i in range(1, 300, 2)), writer=1)
    put(tmp_path, AT + 300, line(300), writer=3)
    assert ids(tmp_path) == [f"dec_{i}" for i in range(301)]


def test_a_thousand_segments_are_not_open_at_once(tmp_path: Path) -> None:
    """Only those whose times overlap are."""
    for i in range(50):
        put(tmp_path, AT + 1_000 * i, line(1_000 * i), line(1_000 * i + 1), writer=i)
    rows = read(tmp_path)
    assert next(rows).decision_id == "dec_0"
    assert len([f for f in os.listdir("/proc/self/fd") if "journal-" in _target(f)]) <= 2
    assert len([*rows]) == 99


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


def test_filters(tmp_path: Path) -> None:
    """By time, by kind, and by bytes that the line must hold."""
    first = put(tmp_path, AT, line(0), line(1), said(0, at=AT + 5))
    put(tmp_path, AT + 100, line(100), said(1, at=AT + 101))
    assert ids(tmp_path, since=AT + 1) == ["dec_1", "dec_0", "dec_100", "dec_1"]
    assert ids(tmp_path, until=AT + 1) == ["dec_0"]
    assert ids(tmp_path, since=AT + 5, until=AT + 101) == ["dec_0", "dec_100"]
    assert ids(tmp_path, kinds=frozenset({"verdict"})) == ["dec_0", "dec_1"]
    assert ids(tmp_path, holding=b'"dec_1"') == ["dec_1", "dec_1"]
    assert ids(tmp_path, until=AT - 100) == []
    os.utime(first, (AT + 6, AT + 6))
    assert ids(tmp_path, since=AT + 7) == ["dec_100", "dec_1"]


def test_torn_and_strange_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    """Wherever they stand; whole records around them are read."""
    put(tmp_path, AT, line(0), line(1)[:50])
    put(
        tmp_path, AT, line(2), b"\x00" * 512 + b"\n", line(3), b'{"v":1,"kind":"later"}\n', b"\xff\n", line(4), number=2
    )
    put(tmp_path, AT + 9, line(9)[:-1], number=3)
    tally = Tally()
    assert ids(tmp_path, tally=tally) == ["dec_0", "dec_2", "dec_3", "dec_4"]
    assert (tally.records, tally.torn, tally.invalid) == (4, 2, 3)


def test_a_damaged_compressed_segment_gives_what_it_can(tmp_path: Path) -> None:
    """Cut off, or with bytes that are no gzip; the segments after it are read."""
    path = put(tmp_path, AT, *(line(i, text=os.urandom(200).hex()) for i in range(400)), zipped=True)
    path.write_bytes(path.read_bytes()[:-2_000])
    put(tmp_path, AT + 500, line(500))
    broken = put(tmp_path, AT + 501, line(501), number=2)
    broken.rename(f"{broken}.gz")
    tally = Tally()
    found = ids(tmp_path, tally=tally)
    assert found[:-1] == [f"dec_{i}" for i in range(len(found) - 1)] and 100 < len(found) < 400
    assert found[-1] == "dec_500" and tally.torn == 2


def test_a_segment_may_be_compressed_or_deleted_while_others_are_read(tmp_path: Path) -> None:
    """The writer does not wait for readers."""
    put(tmp_path, AT, line(0))
    second = put(tmp_path, AT + 1_000, line(1_000))
    third = put(tmp_path, AT + 2_000, line(2_000))
    rows = read(tmp_path)
    assert next(rows).decision_id == "dec_0"
    second.with_name(f"{second.name}.gz").write_bytes(gzip.compress(second.read_bytes()))
    second.unlink()
    third.unlink()
    assert [r.decision_id for r in rows] == ["dec_1000"]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 50])
def test_the_last_steps_come_with_what_was_said_of_them(tmp_path: Path, count: int) -> None:
    """So many outcomes, from the end, each with every verdict on it, and none on others."""
    put(tmp_path, AT, line(0), line(1), said(0, at=AT + 1.5))
    put(tmp_path, AT + 2, line(2), said(1, at=AT + 2.5), line(3), number=2)
    put(tmp_path, AT + 4, said(3, at=AT + 4), number=3)
    wanted = {f"dec_{i}" for i in range(4)[-count:]}
    whole = [(r.decision_id, r.at) for r in read(tmp_path) if r.decision_id in wanted]
    assert [(r.decision_id, r.at) for r in last(tmp_path, count)] == whole


def test_the_last_steps_may_stand_in_an_older_segment(tmp_path: Path) -> None:
    """Where processes write side by side; older ones, by their time of writing, are not even opened."""
    oldest = put(tmp_path, AT - 1_000, b"nonsense\n")
    put(tmp_path, AT, line(0), line(50), writer=1)
    put(tmp_path, AT + 10, line(10), line(20), line(30), writer=2)
    os.utime(oldest, (AT - 900, AT - 900))
    tally = Tally()
    assert [r.decision_id for r in last(tmp_path, 2, tally)] == ["dec_30", "dec_50"] and tally.invalid == 0


def test_following_gives_what_comes(tmp_path: Path) -> None:
    """Whole lines only, each once, in old segments and new ones; compressed ones have been seen."""
    path = put(tmp_path, AT, line(0))
    tail = Tail(tmp_path)
    assert tail.more() == []
    with path.open("ab") as file:
        file.write(line(1) + line(2)[:20])
        file.flush()
        assert [r.decision_id for r in tail.more()] == ["dec_1"]
        assert tail.more() == []
        file.write(line(2)[20:] + b"nonsense\n")
    put(tmp_path, AT + 3, line(3), number=2)
    put(tmp_path, AT - 90, line(0), zipped=True)
    tally = Tally()
    assert [r.decision_id for r in tail.more(tally)] == ["dec_2", "dec_3"]
    assert tally.invalid == 1 and tail.more() == []
