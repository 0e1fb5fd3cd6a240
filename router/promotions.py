"""Which version of each policy serves: a file that a person wrote, or one that was promoted in its place.

`learned/history.jsonl` beside the policies has one line for each promotion and rollback, and is all there is: what
serves follows from it, so that history cannot differ from what is true. What was promoted is kept as it was then.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from router.errors import ConfigError

FOLDER = "learned"
"""Beside the policies that a person wrote."""
HISTORY, KEPT = "history.jsonl", "kept"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the history."""

    at: float
    """Unix time."""
    action: Literal["promote", "rollback"]
    policy: str
    version: str
    """Digest of the file that was promoted, or taken back."""
    base: str
    """Digest of the policy's own file at that time; where it has changed since, the person's edit serves."""
    source: str
    """The file that was promoted."""
    who: str
    why: str
    gate: str
    """What the evaluation said."""


def digest(raw: bytes) -> str:
    """The version of a file: 12 hexadecimal digits."""
    return sha256(raw).hexdigest()[:12]


def path(policies: Path) -> Path:
    """The history's file."""
    return policies / FOLDER / HISTORY


def kept(policies: Path, version: str) -> Path:
    """The file of a promoted version."""
    return policies / FOLDER / KEPT / f"{version}.yaml"


def history(policies: Path) -> list[Entry]:
    """All entries, the oldest first; a last line without an end is being written. Raises ConfigError."""
    file = path(policies)
    try:
        raw = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(str(file), None, error.strerror or "cannot be read") from None
    found = []
    for number, line in enumerate(raw.rpartition(b"\n")[0].splitlines(), 1):
        try:
            found.append(msgspec.json.decode(line, type=Entry))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(str(file), number, f"is no entry of a history: {error}") from None
    return found


def stacks(entries: list[Entry]) -> Mapping[str, list[Entry]]:
    """Policy → its promotions that were not taken back, the last one last."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        stack = found.setdefault(entry.policy, [])
        if entry.action == "promote":
            stack.append(entry)
        elif stack:
            stack.pop()
    return found


def serving(policies: Path) -> Mapping[str, Entry]:
    """Policy → the promotion that stands in its place, if its own file is still what it was. Raises ConfigError."""
    return {name: stack[-1] for name, stack in stacks(history(policies)).items() if stack}


def read(policies: Path, entry: Entry) -> bytes:
    """What was promoted. Raises ConfigError where it is gone or has been changed."""
    file = kept(policies, entry.version)
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigError(str(file), None, f"{_told(entry)}: {error.strerror or error}") from None
    if digest(raw) != entry.version:
        raise ConfigError(str(file), None, f"{_told(entry)}, and has been changed since")
    return raw


def _told(entry: Entry) -> str:
    return f"serves as {entry.policy} (turnout rollback {entry.policy} takes it back)"


def promote(policies: Path, entry: Entry, raw: bytes) -> None:
    """Keeps `raw`, then lets it serve by one line of history. Raises ConfigError, with nothing changed."""
    file = kept(policies, entry.version)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(raw)
        os.replace(part, file)  # the same bytes where it was there before
    except OSError as error:
        raise ConfigError(str(file), None, f"cannot be written: {error.strerror or error}") from None
    add(policies, entry)


def add(policies: Path, entry: Entry) -> None:
    """Appends one entry, in one write, in place of what a process that died left half-written. Raises ConfigError."""
    file = path(policies)
    try:
        with file.open("ab+") as out:
            fcntl.flock(out, fcntl.LOCK_EX)
            end = out.seek(0, os.SEEK_END)
            out.seek(max(0, end - 1))
            if out.read(1) not in (b"", b"\n"):
                whole = file.read_bytes().rpartition(b"\n")
                out.truncate(len(whole[0]) + len(whole[1]))
            out.write(msgspec.json.encode(entry) + b"\n")
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise ConfigError(str(file), None, f"cannot be written: {error.strerror or error}") from None
