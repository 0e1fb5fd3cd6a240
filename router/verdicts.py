"""How verdicts reach the decisions they speak of: one by one, by being asked again or not, spread over a run. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import msgspec

from router.errors import Conflict
from router.evidence import RESEND, TOOL_PARSE, TRUNCATION, Case, Decided, by_caller, evidence, refusable, speaks
from router.outcome import Evidence, Verdict

Kind = Literal["decision", "step", "run"]
LONGEST = 16
"""Decisions of one step that are judged together; a further one begins anew."""
SOURCES = 8
"""Sources that may judge one decision or one run."""


class Judgement(NamedTuple):
    """A verdict, and the decision that it is about."""

    about: Decided
    verdict: Verdict


class Change(msgspec.Struct, frozen=True, dict=True):
    """What is known of one step now, and what of that is new. Evidence is made of it only where somebody learns."""

    after: Case
    before: Case = ()
    judgements: tuple[Judgement, ...] = ()

    @cached_property
    def said(self) -> Evidence:
        return evidence(self.after)

    @cached_property
    def earlier(self) -> Evidence | None:
        """What had been said of the step before; None: nothing."""
        found = evidence(self.before) if self.before else None
        return found if found and speaks(found) else None

    @property
    def moves(self) -> bool:
        """Whether there is anything to learn."""
        return speaks(self.said) if self.earlier is None else self.said.trials != self.earlier.trials


class Said(NamedTuple):
    """A verdict as it comes in."""

    kind: Kind
    name: str
    """The decision's, step's or run's id."""
    success: float
    source: str
    at: float
    """Unix time."""
    reason: str | None = None
    idempotency_key: str | None = None

    @property
    def content(self) -> tuple[Kind, str, float, str]:
        """What makes it the same verdict if it is told again."""
        return self.kind, self.name, self.success, self.source


class Filed(msgspec.Struct, frozen=True):
    """What became of a verdict."""

    id: str
    decisions: int
    """Decisions for whose answers it was counted."""
    changes: tuple[Change, ...] = ()
    """None where it had been told before."""


def identity(*parts: str) -> str:
    """The id of a verdict, the same whenever it is told."""
    return f"out_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:24]}"


def begun(case: Case, new: Decided, refused: Collection[str] = ()) -> tuple[Case, Change]:
    """After one more decision of a step, which refuses the answers of the decisions `refused` by being asked for.

    One change for all of it, so that the attempts of a step are learned from together.
    """
    before, found = case, []
    for i, past in enumerate(case):
        if past.decision_id in refused and refusable(past) and _resent(past) != 0.0:
            verdict = Verdict(past.decision_id, 0.0, RESEND, new.at)
            case = _replaced(case, i, verdict)
            found.append(Judgement(case[i], verdict))
    found += [Judgement(new, Verdict(new.decision_id, 0.0, source, new.at)) for source in _signs(new)]
    after = (*case, new)
    return after, _change(before, after, found)


def silent(case: Case, decision_id: str) -> Decided | None:
    """The decision, where nobody has asked for its step again though it could be told by now."""
    i = place(case, decision_id)
    if i is None or i < len(case) - 1 or not case[i].used or _resent(case[i]) is not None:
        return None
    return case[i]


def closed(case: Case, one: Decided, at: float, weight: float) -> tuple[Case, Change]:
    """After the time in which one would have complained of `one`, the last of its case.

    `weight`: P(a wrong answer would have been complained of).
    """
    i = len(case) - 1
    verdict = Verdict(one.decision_id, 1.0, RESEND, at, weight=weight)
    after = _replaced(case, i, verdict)
    return after, _change(case, after, [Judgement(after[i], verdict)])


def judged(case: Case, decision_id: str, said: Said) -> tuple[Case, Filed]:
    """After a verdict on one decision. Raises Conflict where the same source has said something else."""
    i = place(case, decision_id)
    assert i is not None
    one = case[i]
    name, count = identity(decision_id, said.source), 1 if one.answers else 0
    if repeated({v.source: v.success for v in one.verdicts if by_caller(v)}, said):
        return case, Filed(name, count)
    verdict = Verdict(decision_id, said.success, said.source, said.at, said.reason)
    after = _replaced(case, i, verdict)
    return after, Filed(name, count, (_change(case, after, [Judgement(after[i], verdict)]),))


def repeated(known: Mapping[str, float], said: Said) -> bool:
    """Whether the very same was said before; `known`: source → what it said.

    Raises Conflict where it was the contrary, and on too many sources.
    """
    if said.source in known:
        if known[said.source] != said.success:
            raise Conflict(
                f"{said.source!r} has said {known[said.source]:g} of this {said.kind}. Verdicts are not taken back.",
                param=f"{said.kind}_id",
                code="verdict_conflict",
            )
        return True
    if len(known) >= SOURCES:
        raise Conflict(
            f"{SOURCES} sources have judged this {said.kind}; there is no room for more.",
            param=f"{said.kind}_id",
            code="too_many_verdicts",
        )
    return False


def spread(run: Sequence[Case], said: Said) -> list[tuple[Case, Change]]:
    """A run's verdict as shares of its steps' last answers; `run`: its steps.

    A run that ended well had n steps that were good enough, if not each of them right: some were mended on the way. One
    that ended badly had one bad step at least. So a good end is each step's own with probability 1 / sqrt(n), a bad
    one with 1 / (steps not known to be right), and not at all where a step is known to be wrong: that explains it. A
    score between is the mix of both. Steps that the caller has judged keep what was said of them.
    """
    ends = [(case, i) for case in run if (i := final(case)) is not None]
    known = [case[i].success if case[i].judged else None for case, i in ends]
    suspects = sum(k is None or k < 0.5 for k in known)
    blame = 0.0 if any(k is not None and k < 0.5 for k in known) else 1.0 / max(1, suspects)
    lean = said.success / math.sqrt(max(1, len(ends))) - (1.0 - said.success) * blame
    found = []
    for (case, i), own in zip(ends, known, strict=True):
        if own is None and lean:
            verdict = Verdict(
                case[i].decision_id, float(lean > 0), f"run:{said.source}", said.at, said.reason, abs(lean)
            )
            after = _replaced(case, i, verdict)
            found.append((after, _change(case, after, [Judgement(after[i], verdict)])))
    return found


def final(case: Case) -> int | None:
    """Place of the decision whose answer stands for the step: the last that went out whole, else the last answered."""
    answered = [i for i, one in enumerate(case) if one.answers]
    return max((i for i in answered if case[i].delivered), default=max(answered, default=None))


def place(case: Case, decision_id: str) -> int | None:
    return next((i for i, one in enumerate(case) if one.decision_id == decision_id), None)


def _signs(one: Decided) -> list[str]:
    """The free signals that its last answer shows by itself."""
    if not one.answers:
        return []
    last = one.answers[-1]
    return [name for name, there in ((TRUNCATION, last.truncated), (TOOL_PARSE, last.garbled)) if there]


def _resent(one: Decided) -> float | None:
    """0: it was asked for again, 1: it was not for long enough, None: neither yet."""
    return next((v.success for v in one.verdicts if v.source == RESEND), None)


def _replaced(case: Case, i: int, verdict: Verdict) -> Case:
    """With `verdict` on the decision at `i`, in place of what the same source said before."""
    kept = tuple(v for v in case[i].verdicts if v.source != verdict.source)
    return (*case[:i], msgspec.structs.replace(case[i], verdicts=(*kept, verdict)), *case[i + 1 :])


def _change(before: Case, after: Case, judgements: Sequence[Judgement]) -> Change:
    return Change(after, before, tuple(judgements))
