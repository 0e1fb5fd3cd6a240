"""Shared state behind one Protocol: what earlier attempts of a step and earlier steps of a run left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from router.outcome import Outcome, Recall
from router.verdicts import Change, Filed, Said


class Down(Exception):
    """The shared store did not answer, or refused to."""


class Store(Protocol):
    """State keyed by the caller's key, so that no caller reads or moves another's."""

    async def recall(self, key_id: str, step_id: str | None, run_id: str | None) -> Recall: ...

    async def record(self, outcome: Outcome) -> Sequence[Change]:
        """Takes in a finished step. Returns what is known by it: of the step, and of others that it speaks of."""
        ...

    async def judge(self, key_id: str, said: Said) -> Filed:
        """Files a verdict on decisions of `key_id`. Raises NotFound, and Conflict where it contradicts another."""
        ...

    async def keep(self, key_id: str, name: str, data: bytes) -> None:
        """Keeps `data` for the key's later requests, within a bound and until it was not asked for in a while."""
        ...

    async def kept(self, key_id: str, names: Sequence[str]) -> Sequence[bytes | None]:
        """What was kept under each name for this key; None where it never was, or is no more."""
        ...

    async def forget(self, key_id: str, name: str) -> bool:
        """Whether there was anything to forget."""
        ...

    async def close(self) -> None: ...
