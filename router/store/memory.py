"""State of one process, bounded in number and time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from router.outcome import Outcome, Recall
from router.store.event import taken
from router.store.shelf import Shelf
from router.store.state import State
from router.verdicts import Change, Filed, Said

CAPACITY = 40_000
"""Steps, runs and decisions of each kind."""


class MemoryStore:
    """The default store. Forgets the least recently used beyond `capacity`, and anything older than `ttl` seconds."""

    def __init__(
        self,
        *,
        capacity: int = CAPACITY,
        ttl: float = 86_400.0,
        kept_bytes: int = 16_000_000,
        kept_ttl: float = 86_400.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`kept_bytes` and `kept_ttl` bound what `keep` holds, `capacity` and `ttl` all the rest."""
        self._state = State(capacity, ttl)
        self._shelf = Shelf(kept_bytes, kept_ttl)
        self._clock = clock

    async def recall(self, key_id: str, step_id: str | None, run_id: str | None) -> Recall:
        return self._state.recall(key_id, step_id, run_id, self._clock())

    async def record(self, outcome: Outcome) -> Sequence[Change]:
        return self.remember(outcome)

    def remember(self, outcome: Outcome, ago: float = 0.0) -> Sequence[Change]:
        """Takes in a step that ended `ago` seconds before now."""
        return self._state.take(taken(outcome), self._clock() - ago)

    async def judge(self, key_id: str, said: Said) -> Filed:
        return self.rejudge(key_id, said)

    def rejudge(self, key_id: str, said: Said) -> Filed:
        """The same, for a verdict that the journal remembers."""
        return self._state.judge(key_id, said, self._clock())

    async def keep(self, key_id: str, name: str, data: bytes) -> None:
        self._shelf.put(key_id, name, data, self._clock())

    async def kept(self, key_id: str, names: Sequence[str]) -> Sequence[bytes | None]:
        return self._shelf.get(key_id, names, self._clock())

    async def forget(self, key_id: str, name: str) -> bool:
        return self._shelf.drop(key_id, name)

    async def close(self) -> None:
        self._state.clear()
        self._shelf.clear()
