"""Shared state behind one Protocol: what earlier attempts of a step and earlier steps of a run left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from router.outcome import Outcome, Recall
from router.verdicts import Change, Filed, Said


class Store(Protocol):
    """State keyed by the caller's key, so that no caller reads or moves another's."""

    async def recall(self, key_id: str, step_id: str | None, run_id: str | None) -> Recall: ...

    async def record(self, outcome: Outcome) -> Sequence[Change]:
        """Takes in a finished step. Returns what is known by it: of the step, and of others that it speaks of."""
        ...

    async def judge(self, key_id: str, said: Said) -> Filed:
        """Files a verdict on decisions of `key_id`. Raises NotFound, and Conflict where it contradicts another."""
        ...

    async def close(self) -> None: ...
