"""Batches of lines into segments: rotation by size and age, fsync, retention, compression."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from router.journal import segment

LOG = logging.getLogger("turnout")
Sync = Literal["always", "interval", "never"]
SYNC_S = 1.0
"""Seconds between two fsyncs with `interval`."""


class Limits(msgspec.Struct, frozen=True):
    """How segments are cut, kept and made safe."""

    segment_bytes: int = 64_000_000
    segment_age: float = 3_600.0
    """Seconds."""
    keep_bytes: int = 4_000_000_000
    """Of all segments together; beyond, the oldest go. 0 keeps all."""
    sync: Sync = "interval"
    compress: bool = False


class Files:
    """A folder of segments, as one process writes it: one thread at a time, no other process in the same segment."""

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Creates the folder. Raises OSError where it cannot be had or written."""
        self._folder, self._limits, self._now, self._clock = folder, limits, now, clock
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"{folder} cannot be written")
        self._fd = -1
        self._path = folder
        self._number = 0
        self._size = 0
        self._opened = self._tended = clock()
        self._dirty = False
        self._compressor: threading.Thread | None = None
        self._first()

    def _first(self) -> None:
        """What a process before this one left: a torn tail is told of and never written on; the rest is tidied."""
        for last in segment.listed(self._folder)[-1:]:
            with segment.at_rest(last.path) as file:
                if file is not None and last.path.suffix == ".jsonl" and segment.torn(file):
                    LOG.warning("journal: the last record of %s was cut off; readers skip it", last.path.name)
        self._tidy()

    def write(self, lines: Sequence[bytes]) -> None:
        """Appends whole lines. Raises OSError, and then has written none of them."""
        data = b"".join(lines)
        if self._fd >= 0 and self._size and self._size + len(data) > self._limits.segment_bytes:
            self._end()
            self._tidy()
        if self._fd < 0:
            self._begin()
        try:
            self._append(data)
        except OSError:
            self._undo()
            raise
        self._size += len(data)

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self._dirty = True
        if self._limits.sync == "always":
            self._sync()

    def _undo(self) -> None:
        """Cuts off what a failed write left. Whatever was wrong with this segment, the next write begins another."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._size)
        if self._size:
            with contextlib.suppress(OSError):  # what was whole before is on its way to the disk all the same
                self._end()

    def _begin(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd, self._path, self._number = segment.create(self._folder, self._now(), self._number + 1)
        self._size, self._opened = 0, self._clock()
        if self._limits.sync != "never":
            _sync_folder(self._folder)

    def _end(self) -> None:
        """Closes the segment; an empty one goes. Raises OSError where it cannot be made safe, but has closed it."""
        fd, self._fd = self._fd, -1
        try:
            if self._dirty and self._limits.sync != "never":
                os.fsync(fd)
        finally:
            self._dirty = False
            if not self._size:
                self._path.unlink(missing_ok=True)
            os.close(fd)

    def _sync(self) -> None:
        os.fsync(self._fd)
        self._dirty = False

    def tend(self) -> None:
        """What is due by the clock: fsync, rotation by age. Cheap when called often. Raises OSError."""
        now = self._clock()
        if self._fd < 0 or now - self._tended < SYNC_S:
            return
        self._tended = now
        if self._dirty and self._limits.sync == "interval":
            self._sync()
        removed = os.fstat(self._fd).st_nlink == 0
        if removed or (self._size and now - self._opened > self._limits.segment_age):
            self._end()
            self._tidy()

    def close(self) -> None:
        """Ends the segment. Raises OSError where it cannot be made safe."""
        if self._fd >= 0:
            self._end()

    def _tidy(self) -> None:
        """Deletes the oldest segments beyond the limit, and starts compressing those at rest."""
        if self._limits.keep_bytes:
            self._retain(self._limits.keep_bytes)
        if self._limits.compress and (self._compressor is None or not self._compressor.is_alive()):
            # A thread of its own: a large segment takes seconds, in which batches must go on.
            self._compressor = threading.Thread(
                target=_compress_all, args=(self._folder,), name="journal-gzip", daemon=True
            )
            self._compressor.start()

    def _retain(self, most: int) -> None:
        sizes = []
        for each in segment.listed(self._folder):
            with contextlib.suppress(FileNotFoundError):
                sizes.append((each.path, each.path.stat().st_size))
        total = sum(size for _, size in sizes)
        for path, size in sizes:
            if total <= most:
                return
            with segment.at_rest(path) as file:
                if file is not None:
                    path.unlink(missing_ok=True)
                    total -= size


def _sync_folder(folder: Path) -> None:
    """Makes the names in it outlive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _compress_all(folder: Path) -> None:
    for each in segment.listed(folder):
        if each.path.suffix == ".jsonl":
            try:
                segment.compress(each.path)
            except OSError as error:
                LOG.warning("journal: %s stays uncompressed: %s", each.path.name, error)
                return
