"""Segments: the files that a journal consists of, each written by one process alone, and never again once closed."""

from __future__ import annotations

import fcntl
import gzip
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

NAME = re.compile(r"journal-(\d{8}T\d{6}Z)-(\d+)-(\d{6,})\.jsonl(\.gz)?")
"""UTC time of opening, process id of the writer, number of the segment; `.gz` once it is closed and compressed."""
OPENED = "%Y%m%dT%H%M%S%z"


class Segment(NamedTuple):
    """One segment on disk, by its name. They sort by the time of their opening."""

    opened: float
    """Unix time, whole seconds."""
    number: int
    writer: str
    path: Path


def listed(folder: Path) -> list[Segment]:
    """The segments of a folder, the oldest first; one that is there both plain and compressed is listed plain."""
    try:
        names = sorted(os.listdir(folder))  # `x.jsonl` comes before `x.jsonl.gz`
    except FileNotFoundError:
        return []
    found: dict[tuple[float, int, str], Segment] = {}
    for name in names:
        match = NAME.fullmatch(name)
        if match is None:
            continue
        try:
            opened = datetime.strptime(match[1], OPENED).timestamp()
        except ValueError:
            continue  # the 31st of February: no name of ours
        key = (opened, int(match[3]), match[2])
        found.setdefault(key, Segment(*key, folder / name))
    return [found[key] for key in sorted(found)]


def create(folder: Path, now: float, number: int) -> tuple[int, Path, int]:
    """A new segment of this process: its descriptor, locked, its path, and its number, `number` or a later one.

    The lock is how other processes see that it is being written. Raises OSError.
    """
    opened = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    while True:
        path = folder / f"journal-{opened}-{os.getpid()}-{number:06d}.jsonl"
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except FileExistsError:  # in another container, a process of the same id
            number += 1
            continue
        if _lock(fd) is not False and os.fstat(fd).st_nlink:
            return fd, path, number
        os.close(fd)  # somebody who tidies up came between: it is about to go, or gone
        number += 1


def _lock(fd: int) -> bool | None:
    """Whether the lock is this process's now; None on a file system that has no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextmanager
def at_rest(path: Path) -> Iterator[IO[bytes] | None]:
    """The segment, open to read and kept from others meanwhile; None where it is gone or somebody has it in hand.

    Where there are no locks nobody can tell, so no segment is ever at rest.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        yield file if _lock(file.fileno()) and path.exists() else None


def torn(file: IO[bytes]) -> bool:
    """Whether its last record was cut off in the middle."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def compress(path: Path) -> None:
    """Puts `path`.gz in the place of a segment that nobody writes. Raises OSError; the segment then stays as it was."""
    with at_rest(path) as file:
        if file is None:
            return
        stat = os.fstat(file.fileno())
        if not stat.st_size:
            path.unlink()
            return
        part = path.with_name(f"{path.name}.gz.part")
        try:
            with gzip.open(part, "wb", compresslevel=6) as out:
                shutil.copyfileobj(file, out, 1 << 20)
            os.utime(part, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # readers tell by it how young the records are
            part.rename(part.with_suffix(""))
        except OSError:
            part.unlink(missing_ok=True)
            raise
        path.unlink()
