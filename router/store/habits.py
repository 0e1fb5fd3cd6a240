"""How often answers are rejected or show a sign: of each check set and class, and of each caller."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from router.evidence import CHECKS, RESEND, TOOL_PARSE, TRUNCATION, Decided, Often
from router.verdicts import Change

CAUTION = 20.0
"""Answers without a sign that every count begins with: what has never been seen is taken to be rare."""
MEMORY = 2_000.0
"""Answers that a count is worth at most."""

Key = tuple[str, ...]


class Habits:
    """Counts of a few kinds for each key and class, which are few."""

    def __init__(self) -> None:
        self._counts: dict[Key, tuple[float, float]] = {}
        """Answers that could have shown it, and those that did."""

    def known(self, new: Decided) -> Decided:
        """The decision with what was seen before it."""
        often = Often(
            *(self._rate(key) for key in (_checks(new), *(_sign(new, s) for s in (RESEND, TRUNCATION, TOOL_PARSE))))
        )
        return msgspec.structs.replace(new, often=often)

    def learn(self, new: Decided, changes: Iterable[Change]) -> None:
        """After it, and after what `changes` tell of resends."""
        for answer in new.answers:
            for key, there in (
                (_checks(new), None if answer.accepted is None else not answer.accepted),
                (_sign(new, TRUNCATION), answer.truncated),
                (_sign(new, TOOL_PARSE), answer.garbled),
            ):
                if there is not None:
                    self._count(key, there)
        for about, verdict in (j for change in changes for j in change.judgements):
            if verdict.source == RESEND:
                self._count(_sign(about, RESEND), verdict.success == 0.0)

    def _rate(self, key: Key) -> float:
        answers, shown = self._counts.get(key, (0.0, 0.0))
        return shown / (answers + CAUTION)

    def _count(self, key: Key, there: bool) -> None:
        answers, shown = self._counts.get(key, (0.0, 0.0))
        keep = 1.0 if answers < MEMORY else MEMORY / (answers + 1.0)
        self._counts[key] = (keep * (answers + 1.0), keep * (shown + there))


def _checks(one: Decided) -> Key:
    return (CHECKS, one.policy, one.step_class, *one.checks)


def _sign(one: Decided, name: str) -> Key:
    return (name, one.key_id)
