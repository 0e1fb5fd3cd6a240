"""What the attempts of a step say of tokens, lengths and times, apart from whether they were right. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from router.outcome import Attempt, Outcome, Past


class Asked(msgspec.Struct, frozen=True):
    """What is asked of the lengths for one step."""

    step_class: str
    q50: float
    """Visible tokens that the policy expects of the class."""
    q90: float
    hint: int | None = None
    """What the caller expects."""
    max_tokens: int | None = None
    input_tokens: float = 0.0
    """About: the same count for all models."""
    kind: str = ""
    """Whatever else is worth telling apart: the step's name, tools, a schema."""
    past: tuple[Past, ...] = ()
    """The run's latest answers, the last one last."""


class Report(msgspec.Struct, frozen=True, array_like=True):
    """One attempt that brought an answer, and what was known of it when it began."""

    attempt: Attempt
    """Without its checks."""
    counted: int
    """Input tokens by `Candidate.input_counted`."""
    busy: int
    """Requests that its deployment was serving for us."""
    room: int
    """Requests that it serves at full speed."""
    expected_usd: float = 0.0
    """What it was expected to cost."""


class Heard(msgspec.Struct, frozen=True, array_like=True):
    """Everything that one step reports of itself."""

    asked: Asked
    n: int
    """Choices that share an answer's tokens."""
    reports: tuple[Report, ...]


def heard(outcome: Outcome) -> Heard | None:
    """None where no answer came of a decision."""
    decision: Any = outcome.decision
    if decision is None:
        return None
    found = []
    for attempt in outcome.attempts:
        if not attempt.answered:
            continue
        candidate = outcome.offer(attempt)
        room = candidate.deployment.concurrency
        bare = (
            msgspec.structs.replace(attempt, checks=(), judgings=()) if attempt.checks or attempt.judgings else attempt
        )
        expected = candidate.cost - candidate.judge_usd
        found.append(Report(bare, candidate.input_counted, round(candidate.load * room), room, expected))
    if not found:
        return None
    return Heard(decision.asked, outcome.facts.n if outcome.facts else 1, tuple(found))
