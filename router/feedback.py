"""Passes on what becomes known: outcomes and verdicts to those who log or count them, evidence to those who learn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from router.outcome import Outcome
from router.record import Observers
from router.store.base import Store
from router.verdicts import Change, Judgement


class Feedback:
    """Those who are told know nothing of each other, and a failing one never fails a step or a verdict."""

    def __init__(
        self,
        store: Store,
        failed: Callable[[str], None],
        *,
        observers: Mapping[str, Callable[[Outcome], None]] | None = None,
        listeners: Mapping[str, Callable[[Judgement], None]] | None = None,
        learners: Mapping[str, Callable[[Change], None]] | None = None,
    ) -> None:
        """`failed` is told the name of a consumer that raised."""
        self._store = store
        self._observers = Observers(observers or {}, failed)
        self._listeners = Observers(listeners or {}, failed)
        self._learners = Observers(learners or {}, failed)
        self._learns = bool(learners)

    async def finished(self, outcome: Outcome) -> None:
        """Takes the one outcome of a step."""
        self._observers.tell(outcome)
        self.tell(await self._store.record(outcome))

    def tell(self, changes: Iterable[Change]) -> None:
        """Passes on what the store has made of an outcome or a verdict."""
        for change in changes:
            for judgement in change.judgements:
                self._listeners.tell(judgement)
            if self._learns and change.moves:
                self._learners.tell(change)
