"""Reads a journal: every whole record, in order of time, over all segments and all processes that wrote them."""

from __future__ import annotations

import gzip
import heapq
import math
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from router.journal import records, segment
from router.journal.records import OutcomeRecord, Record
from router.journal.segment import Segment

R = TypeVar("R")
SLACK_S = 60.0
"""A record may have been made so long before its segment was opened, and still comes in its place."""


class Tally(msgspec.Struct):
    """What was read, and what was passed over."""

    records: int = 0
    torn: int = 0
    """Lines without an end: cut off by a crash, or just being written."""
    invalid: int = 0
    """Lines that are no record, or of a kind or version not known here."""

    def read(self, line: bytes, decode: Callable[[bytes], R]) -> R | None:
        """What `decode` makes of a line, counted; None where it raises."""
        try:
            record = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.invalid += 1
            return None
        self.records += 1
        return record


def read(
    folder: Path,
    *,
    since: float | None = None,
    until: float | None = None,
    kinds: frozenset[str] | None = None,
    holding: bytes | None = None,
    tally: Tally | None = None,
) -> Iterator[Record]:
    """The records of a folder, the oldest first. None means all.

    `since` and `until` are Unix times of the records, the first inclusive, the second not; `holding` passes over lines
    without these bytes before they are looked at. Segments of processes that ran side by side are merged; a record
    that waited for a full disk may come late. Raises OSError where a segment cannot be read.
    """
    tally = tally if tally is not None else Tally()
    for record in _merged(_segments(folder, since, until), holding, tally):
        if (since is None or record.at >= since) and (until is None or record.at < until):
            if kinds is None or record.__struct_config__.tag in kinds:
                yield record


def last(folder: Path, count: int, tally: Tally | None = None) -> list[Record]:
    """The last `count` outcomes and every verdict on them, in order of time, read from the end."""
    tally = tally if tally is not None else Tally()
    found: list[Record] = []
    ends: list[float] = []
    for each in reversed(segment.listed(folder)):
        # Of processes side by side, one may have an older segment with newer records.
        if len(ends) >= count and _written(each.path) < ends[-count]:
            continue
        here = list(_records(each.path, None, tally))
        found += here
        ends = sorted(ends + [r.at for r in here if isinstance(r, OutcomeRecord)])[-count:]
    found.sort(key=lambda r: r.at)
    shown = {r.decision_id for r in [r for r in found if isinstance(r, OutcomeRecord)][-count:]}
    return [r for r in found if r.decision_id in shown]


class Copy:
    """Lines from elsewhere as a segment of a folder of their own, for all that reads folders."""

    def __init__(self, folder: Path) -> None:
        fd, self._path, _ = segment.create(folder, 0.0, 1)  # opened before any of its records was made
        os.close(fd)

    def add(self, lines: Iterable[bytes]) -> None:
        with self._path.open("ab") as file:
            file.writelines(lines)


class Tail:
    """What is added to a journal from now on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = {s.path: s.path.stat().st_size for s in self._plain()}

    def _plain(self) -> list[Segment]:
        return [s for s in segment.listed(self._folder) if s.path.suffix == ".jsonl"]

    def more(self, tally: Tally | None = None) -> list[Record]:
        """Whole records that came since the last call."""
        tally = tally if tally is not None else Tally()
        found: list[Record] = []
        for each in self._plain():
            start = self._read.get(each.path, 0)
            try:
                with each.path.open("rb") as file:
                    file.seek(start)
                    whole, end, _ = file.read().rpartition(b"\n")
            except FileNotFoundError:
                continue
            self._read[each.path] = start + len(whole) + len(end)
            found += (r for line in whole.splitlines() if (r := tally.read(line, records.decode)) is not None)
        return sorted(found, key=lambda r: r.at)


def _segments(folder: Path, since: float | None, until: float | None) -> Iterator[Segment]:
    """Those that may hold records of the time."""
    for each in segment.listed(folder):
        if until is not None and each.opened - SLACK_S > until:
            return
        if since is None or _written(each.path) >= since:
            yield each


def _written(path: Path) -> float:
    """Unix time at which a segment was last written: none of its records is younger."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf  # just compressed: `_lines` finds it


def _merged(segments: Iterator[Segment], holding: bytes | None, tally: Tally) -> Iterator[Record]:
    """Opens a segment only when its time has come, so that a thousand of them are not open at once."""
    heads: list[tuple[float, int, Record, Iterator[Record]]] = []
    coming, order = next(segments, None), 0
    while heads or coming is not None:
        if coming is not None and (not heads or coming.opened - SLACK_S <= heads[0][0]):
            order += 1
            records_of = _records(coming.path, holding, tally)
            if (first := next(records_of, None)) is not None:
                heapq.heappush(heads, (first.at, order, first, records_of))
            coming = next(segments, None)
            continue
        _, number, record, rest = heads[0]
        yield record
        if (following := next(rest, None)) is not None:
            heapq.heapreplace(heads, (following.at, number, following, rest))
        else:
            heapq.heappop(heads)


def _records(path: Path, holding: bytes | None, tally: Tally) -> Iterator[Record]:
    for line in _lines(path, tally):
        if holding is None or holding in line:
            if (record := tally.read(line, records.decode)) is not None:
                yield record


def _lines(path: Path, tally: Tally) -> Iterator[bytes]:
    """The whole lines of a segment, which may be compressed or deleted meanwhile."""
    zipped = path if path.suffix == ".gz" else path.with_name(f"{path.name}.gz")
    try:
        file = path.open("rb") if path != zipped else gzip.open(path, "rb")
    except FileNotFoundError:
        if path == zipped:
            return
        yield from _lines(zipped, tally)
        return
    with file:
        try:
            for line in file:
                if line.endswith(b"\n"):
                    yield line
                else:
                    tally.torn += 1
        except (EOFError, gzip.BadGzipFile, zlib.error):
            tally.torn += 1
