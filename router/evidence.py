"""What is kept of a decision, and what it and its verdicts say of success. Pure.

A verdict of the caller says what it says. Everything else is a detector: a sign that right answers show with one
probability and wrong ones with another, its absence included. Silence by itself is no success: it says as much as this
caller, by its custom, complains of wrong answers.
"""

from __future__ import annotations

import math
from array import array
from typing import Any, NamedTuple

import msgspec

from router.outcome import Attempt, Evidence, Outcome, Trial, Verdict
from router.policy import Rates
from router.step import vector

Pair = tuple[float, float]
"""P(what was seen | a right answer), P(the same | a wrong one)."""

RESEND, TRUNCATION, TOOL_PARSE = "resend", "truncation", "tool_parse"
SIGNALS = frozenset((RESEND, TRUNCATION, TOOL_PARSE))
FORMAT = Rates()
"""Of checks that ran where the terms count on none: a stream that ended with nothing in it."""
CHECKS = "checks"
SIGNS = {RESEND: 1 / 20, TRUNCATION: 1 / 15, TOOL_PARSE: 1 / 50}
"""How often right answers show each sign for one wrong answer that does: that a step is asked for again, that an answer
ends at a limit that the caller did not set, that a tool call is no JSON. Judgement, not measurement."""
CERTAIN = 1e-3
"""No sign counts as surer than this, so that two that contradict each other cancel."""
RAREST, COMMONEST = 1e-4, 0.9
"""Bounds of the share of wrong answers that show a sign."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """One attempt that brought an answer."""

    arm: str
    model: str
    accepted: bool | None
    """What the check set said; None where no check ran."""
    truncated: bool | None = None
    """None where it cannot tell: the caller set a limit, or a check has judged it."""
    garbled: bool | None = None
    p: float = 0.5
    """Predicted P(success)."""


class Often(NamedTuple):
    """How often rejections and signs had been seen before: in what share of the answers that could have shown them."""

    checks: float = 0.0
    truncation: float = 0.0
    tool_parse: float = 0.0


class Decided(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one decision until its verdicts are in."""

    decision_id: str
    key_id: str
    policy: str
    step_class: str
    at: float
    """Unix time at which it was over."""
    answers: tuple[Answer, ...]
    """In order; the caller got the last."""
    verify: str
    t: float
    f: float
    checks: tuple[str, ...]
    delivered: bool
    """Whether an answer went out whole."""
    first: bool
    """Whether the last answer is that of the step's very first attempt."""
    p: float | None = None
    """Predicted P(success) of the first answer; None where another arm stood in."""
    size: int = 0
    """Bytes of the messages: a retry with more of them was shown what was wrong."""
    x: bytes = b""
    """Step facts as 32-bit floats."""
    text: bytes = b""
    run_id: str | None = None
    step_id: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    often: Often = Often()
    """As it was when the decision was made."""
    left: int = 0
    """Further attempts that its caller might have asked for, by its own count."""

    @property
    def used(self) -> bool:
        """Whether its answer went out to somebody who could complain of it."""
        return self.delivered and refusable(self)

    @property
    def repeatable(self) -> bool:
        """Whether it could be asked for again: its caller names its steps, and has not used up its attempts."""
        return self.step_id is not None and (self.verify != "caller" or self.left > 0)

    @property
    def opinions(self) -> int:
        """How many sources of its caller's have judged it."""
        return sum(map(by_caller, self.verdicts))

    @property
    def judged(self) -> bool:
        """Whether its caller has said how good it was."""
        return self.opinions > 0

    @property
    def success(self) -> float | None:
        """What was said of its last answer: the mean of the caller's sources, else of the judges', else None."""
        for told in (by_caller, _said_by_judge):
            said = [v.success for v in self.verdicts if told(v)]
            if said:
                return sum(said) / len(said)
        return None


Case = tuple[Decided, ...]
"""The decisions of one step that belong together, in order: an attempt at the same thing each."""


def decided(outcome: Outcome) -> Decided | None:
    """What to keep of an outcome; None where it failed before there was a decision."""
    decision: Any = outcome.decision
    if decision is None:
        return None
    terms, facts = decision.terms, outcome.facts
    answered = [a for a in outcome.attempts if a.answered]
    limited = facts is None or facts.max_tokens is not None
    planned = decision.chosen.attempts[0]
    return Decided(
        decision_id=outcome.decision_id,
        key_id=outcome.key_id,
        policy=outcome.policy,
        step_class=outcome.step_class,
        at=outcome.started_at + outcome.seconds,
        answers=tuple([_answer(a, limited, _predicted(decision, a.arm)) for a in answered]),
        verify=terms.verify,
        t=terms.t,
        f=terms.f,
        checks=terms.checks,
        delivered=outcome.delivered,
        first=bool(answered) and answered[-1] is outcome.attempts[0] and not outcome.again,
        p=planned.p if answered and answered[0].arm == planned.arm and answered[0].position == 0 else None,
        size=facts.input_bytes if facts is not None else 0,
        x=array("f", vector(facts)).tobytes() if facts is not None else b"",
        text=facts.text if facts is not None else b"",
        run_id=outcome.run_id,
        step_id=outcome.step_id,
        left=terms.max_attempts - 1,
    )


def _predicted(decision: Any, arm: str) -> float:
    p: float = decision.options[arm][0].p
    return p


def _answer(attempt: Attempt, limited: bool, p: float) -> Answer:
    seen = {c.name for c in attempt.checks}
    return Answer(
        attempt.arm,
        attempt.model,
        attempt.opinion,
        None if limited or "length" in seen else attempt.finish_reason == "length",
        None if "tools" in seen else attempt.garbled,
        p,
    )


def evidence(case: Case) -> Evidence:
    """All that is known of a step's success, as one record of all its attempts."""
    trials: list[Trial] = []
    size = case[0].size
    for one in case:
        trials += _trials(one, feedback=one.size > size)
        size = one.size
    x = array("f")
    x.frombytes(case[0].x)
    return Evidence(case[0].step_class, tuple(trials), tuple(x), case[0].text, at=case[-1].at)


def _trials(one: Decided, feedback: bool) -> list[Trial]:
    found, last, success = [], len(one.answers) - 1, one.success
    # A stream's checks run only where nothing came out of it; no rates stand for that in its terms.
    t, f, checks = (one.t, one.f, one.checks) if one.verify == "checks" else (FORMAT.t, FORMAT.f, ())
    for i, answer in enumerate(one.answers):
        share = fitted(1.0 - t, 1.0 - f, answer.p, one.often.checks)
        found.append(
            Trial(
                answer.arm,
                success=success if i == last else None,
                accepted=answer.accepted,
                t=1.0 - (1.0 - t) * share,
                f=1.0 - (1.0 - f) * share,
                checks=checks,
                seen=_seen(one, answer, i == last) if success is None or i < last else (1.0, 1.0),
                feedback=feedback and i == 0,
            )
        )
    return found


def fitted(right: float, wrong: float, p: float, rate: float) -> float:
    """Factor on both P(sign | right) and P(sign | wrong) with which it is as common as it was seen to be, `rate`.

    What a sign says where it shows is the ratio of the two; how much its absence says depends on how common it is, and
    that is seen, not judged. A sign that never shows says nothing by its absence, and on the whole a sign tells arms
    apart but raises or lowers nobody: else a thousand answers that nobody complained of would pass for right ones.
    """
    most = max(right, wrong)
    if most <= 0.0:
        return 1.0
    return min(COMMONEST / most, max(RAREST / most, rate / max(right * p + wrong * (1.0 - p), 1e-9)))


def _seen(one: Decided, answer: Answer, last: bool) -> Pair:
    """What the free signals say of an answer. Only the last was anybody's to use, refuse or build a run on."""
    told = []
    if answer.truncated is not None:
        told.append(_told(SIGNS[TRUNCATION], answer.p, one.often.truncation, there=answer.truncated))
    if answer.garbled is not None:
        told.append(_told(SIGNS[TOOL_PARSE], answer.p, one.often.tool_parse, there=answer.garbled))
    if last and one.verdicts:
        told += _said_later(one)
    if not told:
        return 1.0, 1.0
    right, wrong = math.prod(r for r, _ in told), math.prod(w for _, w in told)
    most = max(right, wrong)
    return right / most, wrong / most


def _said_later(one: Decided) -> list[Pair]:
    """What complaints, their absence, and shares of a run's verdicts say of its last answer."""
    told = [complaint(one, v) for v in one.verdicts if v.source == RESEND]
    if shares := [v.weight * (2.0 * v.success - 1.0) for v in one.verdicts if v.source.startswith("run:")]:
        lean = sum(shares) / len(shares)
        told.append((bounded((1.0 + lean) / 2.0), bounded((1.0 - lean) / 2.0)))
    return told


def _told(ratio: float, p: float, rate: float, *, there: bool) -> Pair:
    """What a sign, or its absence, says where right answers show it `ratio` times as often as wrong ones."""
    share = fitted(ratio, 1.0, p, rate)
    return (ratio, 1.0) if there else (1.0 - ratio * share, 1.0 - share)


def bounded(p: float) -> float:
    """Never certain."""
    return min(1.0 - CERTAIN, max(CERTAIN, p))


def complaint(one: Decided, verdict: Verdict) -> Pair:
    """What being asked for again says, or that nobody complained: `verdict.weight` is then the probability with which
    a wrong answer would have been complained of (`store.custom`)."""
    ratio = resending(one)
    if verdict.success == 0.0:
        return ratio, 1.0
    return 1.0 - ratio * verdict.weight, 1.0 - verdict.weight


def resending(one: Decided) -> float:
    """How often right answers are asked for again, for one wrong answer that is.

    A caller that said it would judge by itself is taken at its word.
    """
    if one.verify != "caller":
        return SIGNS[RESEND]
    return bounded((1.0 - one.t) / max(CERTAIN, 1.0 - one.f))


def refusable(one: Decided) -> bool:
    """A caller that sees our own mark of rejection and asks again only repeats what the check has said."""
    return bool(one.answers) and one.answers[-1].accepted is not False


def speaks(said: Evidence) -> bool:
    """Whether it says anything of any arm."""
    return any(
        t.success is not None or t.seen[0] != t.seen[1] or (t.accepted is not None and t.t != t.f) for t in said.trials
    )


def by_caller(verdict: Verdict) -> bool:
    """Of this very decision, that is: a run's share says less."""
    return verdict.source not in SIGNALS and ":" not in verdict.source


def _said_by_judge(verdict: Verdict) -> bool:
    return verdict.source.startswith("judge:")
