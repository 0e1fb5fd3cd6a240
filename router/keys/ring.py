"""Finds out whose a request is: keys are compared as hashes, in constant time, before any other work."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from router.errors import ConfigError, Forbidden, Unauthorized
from router.keys import file
from router.keys.grant import LOCAL, Grant, Right
from router.settings import is_loopback

LOG = logging.getLogger("turnout")
OWNERS: frozenset[Right] = frozenset(("call", "outcomes", "metrics"))
"""What keys of the environment may do. The scope `admin` has to be given by name, to a key of the file."""
_NOBODY = Grant("")
Stamp = tuple[int, int, int] | None


class Ring:
    """The keys that callers may present, of the environment and of the file. Holds their SHA-256 only."""

    def __init__(
        self,
        keys: Iterable[str] = (),
        path: Path | None = None,
        *,
        needed: bool = False,
        refused: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`refused` is told of a file that was not taken over. Raises ConfigError where at the start the file is wrong,
        or `needed` and not there."""
        self._own = tuple(_of_environment(key) for key in keys)
        self._path, self._refused, self._now = path, refused, now
        self._seen = _stamp(path)
        self._filed = self._read() if self._seen is not None or needed else None
        self._take(self._filed)

    @property
    def keyed(self) -> bool:
        """Whether a key is needed at all. A file without any key opens to nobody."""
        return bool(self._own) or self._filed is not None

    @property
    def grants(self) -> tuple[Grant, ...]:
        return tuple(self._known.values())

    def trusts(self, key_id: str) -> bool:
        """Whether what a key says of success counts without bound: it is alone, or its owner said so."""
        return len(self._known) < 2 or key_id in self._trusted

    def identify(self, headers: Mapping[str, str], scope: Right = "call") -> Grant:
        """Whose request it is. `headers` have lower-case names. Raises Unauthorized, and Forbidden without `scope`."""
        if not self.keyed:
            _only_from_here(headers)
            return LOCAL
        scheme, _, token = headers.get("authorization", "").partition(" ")
        key = token.strip(" \t") if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        if not key:
            raise Unauthorized("No API key was given. Send it as 'Authorization: Bearer KEY'.", code="missing_api_key")
        # Header values are their bytes read as Latin-1, so this is the key as it was sent.
        digest = hashlib.sha256(key.encode("latin-1", "backslashreplace")).digest()
        grant = self._known.get(digest, _NOBODY)
        if not hmac.compare_digest(digest, grant.digest):
            raise Unauthorized("The API key is wrong. Check the key that your client sends to Turnout.")
        if grant.expires <= self._now():
            raise Unauthorized("The API key has expired. Ask for a new one.", code="expired_api_key")
        if scope not in grant.scopes:
            raise Forbidden(
                f"The API key lacks the scope {scope!r}. Make one with it: turnout keys create NAME --scope {scope}.",
                code="scope_missing",
            )
        return grant

    def refresh(self) -> bool:
        """Looks at the file. True where new keys count now. A file that is wrong or gone changes nothing: it is logged
        once, and the old keys count on."""
        stamp = _stamp(self._path)
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            if stamp is None:
                raise ConfigError(str(self._path), None, "is gone")
            self._take(self._read())
        except ConfigError as error:
            LOG.error("%s (the keys read before go on)", error)
            self._refused()
            return False
        LOG.info("keys read again: %s", len(self._filed or ()) or "none is left, so no request is let in")
        return True

    async def watch(self, interval: float) -> None:
        """Looks at the file every `interval` seconds, for ever; never where it is 0."""
        while interval > 0 and self._path is not None:
            await asyncio.sleep(interval)
            self.refresh()

    def _read(self) -> tuple[Grant, ...]:
        assert self._path is not None
        return tuple(entry.grant for entry in file.read(self._path))

    def _take(self, filed: tuple[Grant, ...] | None) -> None:
        self._filed = filed
        self._known = {grant.digest: grant for grant in (*self._own, *(filed or ()))}
        self._trusted = frozenset(grant.key_id for grant in self._known.values() if grant.trusted)


def _of_environment(key: str) -> Grant:
    digest = file.digest(key)
    return Grant(digest.hex()[:16], digest=digest, scopes=OWNERS)


def _stamp(path: Path | None) -> Stamp:
    """None where there is no file. Written anew, it is another file."""
    try:
        stat = path.stat() if path is not None else None
    except OSError:
        return None
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size) if stat is not None else None


def _only_from_here(headers: Mapping[str, str]) -> None:
    """Raises Forbidden where a browser may be speaking for a page from elsewhere.

    A keyless server is bound to loopback, but a page can post to it, or reach it under a name of its own that it has
    pointed there (DNS rebinding). Such requests name another host, or another origin.
    """
    for name, value in (("host", headers.get("host")), ("origin", headers.get("origin"))):
        if value is not None and not _names_this_machine(value.rpartition("//")[2]):
            raise Forbidden(
                f"Without API keys only this machine may call, and the request's {name} is another. "
                "Call it as 127.0.0.1 or localhost, or set TURNOUT_API_KEYS.",
                code=f"{name}_not_allowed",
            )


@lru_cache(maxsize=256)
def _names_this_machine(authority: str) -> bool:
    """Whether `host` or `host:port` is loopback."""
    try:
        return is_loopback(urlsplit(f"//{authority}").hostname or "")
    except ValueError:
        return False
