"""Who may ask, and how often: keys, compared as hashes in constant time before any other work, and quotas."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from router.errors import Forbidden, RateLimited, Unauthorized
from router.settings import is_loopback

ANONYMOUS = "local"
"""The id of every caller where no keys are set (then only loopback is bound)."""


class Keys:
    """The keys that callers may present. Holds their SHA-256 only."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._known = {hashlib.sha256(k.encode("utf-8", "surrogateescape")).digest() for k in keys}

    def identify(self, headers: Mapping[str, str]) -> str:
        """The caller's id, a short hash of the key. `headers` have lower-case names. Raises Unauthorized."""
        if not self._known:
            _only_from_here(headers)
            return ANONYMOUS
        scheme, _, token = headers.get("authorization", "").partition(" ")
        key = token.strip(" \t") if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        if not key:
            raise Unauthorized("No API key was given. Send it as 'Authorization: Bearer KEY'.", code="missing_api_key")
        # Header values are their bytes read as Latin-1, so this is the key as it was sent.
        digest = hashlib.sha256(key.encode("latin-1", "backslashreplace")).digest()
        if not any([hmac.compare_digest(digest, known) for known in self._known]):
            raise Unauthorized("The API key is wrong. Check the key that your client sends to Turnout.")
        return digest.hex()[:16]


class Quota:
    """So many a minute for each key, and a minute's worth at once."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._most, self._clock = float(per_minute), clock
        self._left: dict[str, tuple[float, float]] = {}
        """Key → what was left of its quota, and when. Keys are few: only known ones get here."""

    def take(self, key_id: str) -> None:
        """Uses one. Raises RateLimited with the seconds until there is one again."""
        now = self._clock()
        left, at = self._left.get(key_id, (self._most, now))
        left = min(self._most, left + (now - at) * self._most / 60.0)
        if left < 1.0:
            self._left[key_id] = (left, now)
            raise RateLimited(
                f"The key may send {self._most:g} of these a minute. Wait, or send fewer.",
                retry_after=(1.0 - left) * 60.0 / self._most,
            )
        self._left[key_id] = (left - 1.0, now)


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
