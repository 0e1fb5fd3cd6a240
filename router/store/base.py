"""Shared state behind one Protocol: what earlier attempts of a step and earlier steps of a run left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from router.outcome import Outcome

NOTHING: Mapping[str, int] = {}


class Recall(msgspec.Struct, frozen=True):
    """What is known of a step and its run before this request."""

    answered: tuple[tuple[str, ...], ...] = ()
    """For each request for this very step whose answer went out whole, in order: the arms that answered, the one whose
    answer went out last, those that the checks rejected before it."""
    delivered: bool = False
    """Whether the last request for this step ended with an answer that went out whole."""
    run_retries: int = 0
    """Further attempts that the run has used."""
    run_cost: float = 0.0
    """USD that the run has spent."""
    warm: Mapping[str, int] = NOTHING
    """Model → input tokens of the run that its prompt cache is likely to hold."""


class Store(Protocol):
    """State keyed by the caller's key, so that no caller reads or moves another's."""

    async def recall(self, key_id: str, step_id: str | None, run_id: str | None) -> Recall: ...

    async def record(self, outcome: Outcome) -> None:
        """Takes in a finished step."""
        ...

    async def close(self) -> None: ...
