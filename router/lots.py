"""The draw of each run: a hash of who it is and of a secret, so that all its steps, on all replicas, get the same."""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from pathlib import Path

SECRET_BYTES = 32
NAME = "exploration.key"
BITS = 53
"""Of a double's fraction: what a uniform number can have."""


class Lots:
    """Draws lots. Who does not know the secret can neither foretell nor choose what a run gets."""

    def __init__(self, given: str | None, folder: Path | None) -> None:
        """`given`: the secret; None: the one that is kept in `folder`, looked for when the first lot is drawn."""
        self._given, self._folder = given, folder

    def of(self, key_id: str, run: str) -> tuple[float, float]:
        """Two independent numbers, uniform in [0, 1), always the same for a caller's run."""
        who = f"{len(key_id)}:{key_id}{run}".encode("utf-8", "replace")
        digest = hashlib.blake2b(who, digest_size=16, key=self._key).digest()
        return _uniform(digest[:8]), _uniform(digest[8:])

    @cached_property
    def _key(self) -> bytes:
        return hashlib.sha256(self._given.encode() if self._given else kept(self._folder)).digest()


def _uniform(raw: bytes) -> float:
    return (int.from_bytes(raw, "big") >> (64 - BITS)) / (1 << BITS)


def kept(folder: Path | None) -> bytes:
    """The secret in `folder`, made on first use, readable by its owner alone.

    Without a folder that can be written it lasts as long as the process: a restart draws anew for runs under way.
    """
    fresh = os.urandom(SECRET_BYTES)
    if folder is None:
        return fresh
    path, beside = folder / NAME, folder / f".{NAME}.{fresh[:6].hex()}"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(fresh)
            _first(beside, path)
        return path.read_bytes() or fresh
    except OSError:
        return fresh


def _first(beside: Path, path: Path) -> None:
    """Puts the file at `path`, whole, unless another process was there before."""
    try:
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink()
