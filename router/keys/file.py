"""The file of keys: JSON, hashes only, written whole or not at all, and by its owner alone."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from router.errors import ConfigError
from router.keys.grant import Grant, Right
from router.policy import POLICY_NAME

PREFIX = "sk-turnout-"
"""So that people and secret scanners know one when they see it."""
MOST_BYTES = 16_000_000
Name = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")]
Money = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One key as the file has it. What is left out is not limited."""

    name: Name
    sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    scopes: tuple[Right, ...] = ("call", "outcomes")
    expires: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    per_minute: Count | None = None
    concurrency: Count | None = None
    usd_per_day: Money | None = None
    usd_per_month: Money | None = None
    policies: tuple[Annotated[str, msgspec.Meta(pattern=POLICY_NAME.pattern)], ...] = ()
    models: tuple[Word, ...] = ()
    license: tuple[Word, ...] = ()
    max_cost: Money | None = None
    trusted: bool = False

    @property
    def key_id(self) -> str:
        return self.sha256[:16]

    @property
    def grant(self) -> Grant:
        return Grant(
            key_id=self.key_id,
            name=self.name,
            digest=bytes.fromhex(self.sha256),
            scopes=frozenset(self.scopes),
            **({} if self.expires is None else {"expires": self.expires.timestamp()}),
            per_minute=self.per_minute,
            concurrency=self.concurrency,
            usd_per_day=self.usd_per_day,
            usd_per_month=self.usd_per_month,
            policies=frozenset(self.policies),
            models=frozenset(self.models) or None,
            license=frozenset(self.license) or None,
            max_cost=self.max_cost,
            trusted=self.trusted,
        )


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    keys: tuple[Entry, ...] = ()


_DECODE = msgspec.json.Decoder(_File).decode


def made(name: str, now: datetime, **rights: object) -> tuple[str, Entry]:
    """A new key of 256 random bits, and its entry; a right that is None is as the file has it where it is left out.

    Raises ConfigError naming the right that is out of bounds.
    """
    key = PREFIX + secrets.token_urlsafe(32)
    said = {right: value for right, value in rights.items() if value is not None}
    entry = {"name": name, "sha256": digest(key).hex(), "created": now, **said}
    try:
        return key, msgspec.convert(entry, Entry, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError("keys create", None, str(error)) from None


def digest(key: str) -> bytes:
    """SHA-256 needs no salt and no slowness here: nobody guesses 256 random bits."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def read(path: Path) -> tuple[Entry, ...]:
    """The entries. Raises ConfigError on a file that is wrong, or that others may write."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(str(path), None, f"cannot be read: {error.strerror}") from None
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(str(path), None, f"may be written by others; run: chmod 600 {path}")
    if len(text) > MOST_BYTES:
        raise ConfigError(str(path), None, f"is larger than {MOST_BYTES:,} bytes")
    try:
        entries = _DECODE(text).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(str(path), None, f"is no file of keys: {error}") from None
    for field in ("name", "sha256"):
        times = Counter(getattr(entry, field) for entry in entries)
        if twice := next((value for value, count in times.items() if count > 1), None):
            raise ConfigError(str(path), None, f"has two keys of {field} {twice}")
    return entries


def change(path: Path, how: Callable[[tuple[Entry, ...]], tuple[Entry, ...]]) -> None:
    """Replaces the entries by `how` of them: one writer at a time, the file whole at any moment, readable by its owner.

    Raises ConfigError; then the file is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(path):
            entries = read(path) if path.exists() else ()
            text = msgspec.json.format(msgspec.json.encode(_File(keys=how(entries))), indent=2) + b"\n"
            _replace(path, text)
    except OSError as error:
        raise ConfigError(str(path), None, f"cannot be written: {error.strerror}") from None


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While another changes the file, this waits."""
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _replace(path: Path, text: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(file, "wb") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
