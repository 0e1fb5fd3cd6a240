"""What callers asked to be kept for their next request, such as the responses that a later one builds on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

OVERHEAD = 256
"""Bytes that an entry counts for beside its data, so that many small ones are bounded too."""


class _Entry(NamedTuple):
    at: float
    """When it was last put or read."""
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data) + OVERHEAD


class Shelf:
    """Named data of each key, at most `capacity` bytes in all, each gone `ttl` seconds after it was last asked for.

    Where room is needed, whoever holds most of it loses what it has not used for the longest time: nobody can push out
    what others keep by storing much.
    """

    def __init__(self, capacity: int, ttl: float) -> None:
        self._capacity, self._ttl = capacity, ttl
        self._tables: dict[str, OrderedDict[str, _Entry]] = {}
        self._sizes: dict[str, int] = {}

    def put(self, key_id: str, name: str, data: bytes, now: float) -> None:
        """Keeps `data`, unless it alone is over the capacity."""
        self.drop(key_id, name)
        entry = _Entry(now, data)
        if entry.size > self._capacity:
            return
        self._tables.setdefault(key_id, OrderedDict())[name] = entry
        self._sizes[key_id] = self._sizes.get(key_id, 0) + entry.size
        for holder in list(self._tables):
            self._expire(holder, now)
        while sum(self._sizes.values()) > self._capacity:
            holder = max(self._sizes, key=self._sizes.__getitem__)
            self.drop(holder, next(iter(self._tables[holder])))

    def get(self, key_id: str, names: Sequence[str], now: float) -> list[bytes | None]:
        """The data of each name, None where there is none. What is read together stays together: all is young again."""
        self._expire(key_id, now)
        table = self._tables.get(key_id, OrderedDict())
        for name in names:
            if name in table:
                table[name] = table[name]._replace(at=now)
                table.move_to_end(name)
        return [entry.data if (entry := table.get(name)) else None for name in names]

    def drop(self, key_id: str, name: str) -> bool:
        """Whether there was anything to drop."""
        table = self._tables.get(key_id)
        entry = table.pop(name, None) if table else None
        if table is None or entry is None:
            return False
        self._sizes[key_id] -= entry.size
        if not table:
            del self._tables[key_id], self._sizes[key_id]
        return True

    def clear(self) -> None:
        self._tables.clear()
        self._sizes.clear()

    def _expire(self, key_id: str, now: float) -> None:
        while table := self._tables.get(key_id):
            name, oldest = next(iter(table.items()))
            if now - oldest.at <= self._ttl:
                return
            self.drop(key_id, name)
