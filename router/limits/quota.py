"""So many a minute for each key, by the generic cell rate algorithm (ITU-T I.371, annex A): one number for each key."""

from __future__ import annotations

from collections.abc import Callable

from router.errors import RateLimited


class Quota:
    """A minute's worth may come at once; after that, one each 60 / so many seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        """Key → the theoretical arrival time of its next. Keys are few: only known ones get here."""

    def take(self, key_id: str, per_minute: int, what: str = "requests") -> None:
        """Uses one. Raises RateLimited with the seconds until there is one again."""
        now, gap = self._clock(), 60.0 / per_minute
        due = max(now, self._due.get(key_id, now))
        wait = due - now - (60.0 - gap)
        if wait > gap * 1e-6:
            raise RateLimited(
                f"The key may send {per_minute:,} {what} a minute. Wait, or send fewer.", retry_after=wait
            )
        self._due[key_id] = due + gap
