"""How often answers are rejected or show a sign, by check set and class, and how each caller complains of them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from router.evidence import CHECKS, RESEND, TOOL_PARSE, TRUNCATION, Decided, Often, by_caller, resending
from router.outcome import Verdict
from router.store import custom
from router.store.custom import Custom
from router.verdicts import Change

CAUTION = 2.0
"""Answers without a sign that every count begins with: what has never been seen is taken to be rare."""
MEMORY = 2_000.0
"""Answers that a count is worth at most."""

Key = tuple[str, ...]


class Habits:
    """Counts of a few kinds for each key and class, which are few."""

    def __init__(self) -> None:
        self._counts: dict[Key, tuple[float, float]] = {}
        """Answers that could have shown it, and those that did."""
        self._customs: dict[Key, Custom] = {}

    def known(self, new: Decided) -> Decided:
        """The decision with what was seen before it."""
        often = Often(*(self._rate(key) for key in (_checks(new), *(_sign(new, s) for s in (TRUNCATION, TOOL_PARSE)))))
        return msgspec.structs.replace(new, often=often)

    def learn(self, new: Decided, changes: Iterable[Change]) -> None:
        """After it, and after what `changes` tell of being asked for again."""
        for answer in new.answers:
            for key, there in (
                (_checks(new), None if answer.accepted is None else not answer.accepted),
                (_sign(new, TRUNCATION), answer.truncated),
                (_sign(new, TOOL_PARSE), answer.garbled),
            ):
                if there is not None:
                    self._count(key, there)
        for about, verdict in (j for change in changes for j in change.judgements):
            if verdict.source == RESEND and verdict.success == 0.0:
                key = _again(about)
                self._customs[key] = self._custom(key).complained(_chance(about), resending(about))

    def told(self, about: Decided, verdict: Verdict) -> None:
        """After what its caller says of one answer."""
        if not about.answers or not by_caller(verdict):
            return
        key, p = _blame(about), about.answers[-1].p
        known = self._custom(key)
        self._customs[key] = known.complained(p) if verdict.success < 0.5 else known.praised(p)

    def listens(self, one: Decided) -> bool:
        """Whether it is worth waiting for: that nobody complains of it may say something."""
        return one.used and (one.repeatable or self._custom(_blame(one)).says > 0.0)

    def says(self, one: Decided) -> float:
        """P(somebody would have complained of it by now, had it been wrong); 0 where that is known to say nothing."""
        blamed = self._custom(_blame(one)).says
        return max(blamed, self._custom(_again(one)).says) if one.repeatable else blamed

    def silent(self, one: Decided) -> None:
        """After nobody complained of it in time."""
        if not one.judged:
            key = _blame(one)
            self._customs[key] = self._custom(key).silent(one.answers[-1].p)
        if one.repeatable:
            key = _again(one)
            self._customs[key] = self._custom(key).silent(_chance(one), resending(one))

    def _custom(self, key: Key) -> Custom:
        return self._customs.get(key) or custom.unknown(WAYS[key[0]])

    def _rate(self, key: Key) -> float:
        answers, shown = self._counts.get(key, (0.0, 0.0))
        return shown / (answers + CAUTION)

    def _count(self, key: Key, there: bool) -> None:
        answers, shown = self._counts.get(key, (0.0, 0.0))
        keep = 1.0 if answers < MEMORY else MEMORY / (answers + 1.0)
        self._counts[key] = (keep * (answers + 1.0), keep * (shown + there))


OWN, BLAME = "own", "blame"
WAYS = {OWN: custom.AGAIN_OWN, RESEND: custom.AGAIN, BLAME: custom.BLAME}


def _checks(one: Decided) -> Key:
    return (CHECKS, one.policy, one.step_class, *one.checks)


def _sign(one: Decided, name: str) -> Key:
    return (name, one.key_id)


def _again(one: Decided) -> Key:
    return (OWN if one.verify == "caller" else RESEND, one.key_id, one.step_class)


def _blame(one: Decided) -> Key:
    return (BLAME, one.key_id, one.step_class)


def _chance(one: Decided) -> float:
    """P(its last answer was right): what its caller says, else what was predicted."""
    return one.answers[-1].p if one.success is None else one.success
