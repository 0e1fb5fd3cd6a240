"""What a step that was replayed teaches: its attempts as one joint update, its lengths and its times."""

from __future__ import annotations

from collections import Counter

import msgspec

from router.beliefs import Beliefs
from router.beliefs.lengths import Asked
from router.beliefs.speed import Timing
from router.learning.trace import Tried
from router.learning.walk import Seen
from router.outcome import Evidence, Past, Trial
from router.plan import Candidate, Situation
from router.plan.offers import asked
from router.policy import MAX_ATTEMPTS
from router.step import Facts, vector
from router.terms import Terms

MOST_PAST = 4
"""Earlier answers of a run that tell of the next one's length, as many as serving keeps."""


class Lesson(msgspec.Struct, frozen=True):
    seen: Seen
    facts: Facts
    terms: Terms
    situation: Situation
    full: bool
    """Whether the outcomes of arms that were not tried are revealed too."""


def learned(beliefs: Beliefs, lesson: Lesson) -> Beliefs:
    """The beliefs after the step."""
    evidence = Evidence(lesson.terms.step_class, trials(lesson), vector(lesson.facts), lesson.facts.text)
    beliefs = beliefs.learn(evidence)
    wanted = asked(lesson.facts, lesson.terms, lesson.situation)
    for name, came in _answers(lesson).items():
        beliefs = _lasted(beliefs, wanted, lesson.seen.names[name], came, lesson)
    return beliefs


def trials(lesson: Lesson) -> tuple[Trial, ...]:
    """The attempts made, in order, each with its outcome; with `full` also those that any arm has on record."""
    names, terms = lesson.seen.names, lesson.terms
    made = [Trial(names[m.arm], float(m.right), m.accepted, terms.t, terms.f) for m in lesson.seen.walked.attempts]
    if lesson.full:
        times = Counter(m.arm for m in lesson.seen.walked.attempts)
        for name, came in lesson.seen.step.arms.items():
            on_record = min(MAX_ATTEMPTS, max(1, len(came.attempts)))
            made += [Trial(names[name], float(came.right(n))) for n in range(times[name], on_record)]
    return tuple(made)


def _answers(lesson: Lesson) -> dict[str, Tried]:
    """Name in the trace → its answer, once for each arm: a trace has one length for all attempts of an arm."""
    if lesson.full:
        return dict(lesson.seen.step.arms)
    return {m.arm: m.came for m in lesson.seen.walked.attempts}


def _lasted(beliefs: Beliefs, wanted: Asked, arm: str, came: Tried, lesson: Lesson) -> Beliefs:
    """After the length and the time of one answer."""
    decision = lesson.seen.decision
    offered = decision.options.get(arm) if decision is not None else None
    if not offered or not came.output_tokens:
        return beliefs
    limit = lesson.facts.max_tokens
    cut = limit is not None and came.output_tokens >= limit
    length = beliefs.length.observe(arm, wanted, visible(came), round(came.reasoning_tokens), cut=cut)
    speed = beliefs.speed
    if came.latency_s > 0:
        speed = speed.observe(offered[0].key, _timing(offered[0], came))
    return msgspec.structs.replace(beliefs, version=beliefs.version + 1, length=length, speed=speed)


def visible(came: Tried) -> int:
    """Output tokens without reasoning."""
    return max(0, round(came.output_tokens - came.reasoning_tokens))


def _timing(offered: Candidate, came: Tried) -> Timing:
    return Timing(came.latency_s, came.output_tokens, offered.input_tokens, room=offered.deployment.concurrency)


class History:
    """The latest answers of each run, which tell how long its next one will be."""

    def __init__(self) -> None:
        self._past: dict[str, tuple[Past, ...]] = {}

    def of(self, run_id: str | None) -> tuple[Past, ...]:
        return self._past.get(run_id, ()) if run_id is not None else ()

    def add(self, seen: Seen) -> None:
        """After a step: of its attempts, the answer that was returned."""
        run_id, attempts = seen.step.run_id, seen.walked.attempts
        if run_id is None or not attempts or not attempts[-1].came.output_tokens:
            return
        came = attempts[-1].came
        last = Past(seen.names[attempts[-1].arm], visible(came))
        self._past[run_id] = (*self.of(run_id), last)[-MOST_PAST:]
