"""Shared state behind one Protocol: what earlier attempts of a step and earlier steps of a run left."""

from __future__ import annotations

from typing import Protocol

from router.outcome import Outcome, Recall


class Store(Protocol):
    """State keyed by the caller's key, so that no caller reads or moves another's."""

    async def recall(self, key_id: str, step_id: str | None, run_id: str | None) -> Recall: ...

    async def record(self, outcome: Outcome) -> None:
        """Takes in a finished step."""
        ...

    async def close(self) -> None: ...
