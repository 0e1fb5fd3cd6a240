"""Snapshots on the disk: each whole under a name of its own, the newest few kept."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LOG = logging.getLogger("turnout")
KEEP = 5
"""Snapshots: one that turns out to be damaged is not the only one."""
NAME = re.compile(r"beliefs-[0-9]{17}-[0-9]+\.snapshot")


class Archive:
    """A folder that several processes may share."""

    def __init__(self, folder: Path, now: Callable[[], int] = time.time_ns) -> None:
        self._folder, self._now = folder, now

    def save(self, data: bytes) -> Path:
        """Puts `data` beside the older ones, and deletes those that are too many. Raises OSError.

        It has its name only when all of it is on the disk, so a crash or a full disk leaves no half of one.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"beliefs-{self._now() // 1_000:017d}-{os.getpid()}.snapshot"
        part = path.with_suffix(".part")
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        for old in self.paths()[KEEP:]:
            with contextlib.suppress(OSError):
                old.unlink(missing_ok=True)
        return path

    def paths(self) -> list[Path]:
        """The newest first; none where there is no folder."""
        try:
            names = [name for name in os.listdir(self._folder) if NAME.fullmatch(name)]
        except OSError:
            return []
        return [self._folder / name for name in sorted(names, reverse=True)]

    def read(self) -> Iterator[tuple[Path, bytes]]:
        """The snapshots, the newest first; one that cannot be read is told of in the log and passed over."""
        for path in self.paths():
            try:
                data = path.read_bytes()
            except OSError as error:
                LOG.warning("beliefs: %s cannot be read: %s", path, error.strerror or error)
                continue
            yield path, data
