"""The facts of a step as numbers for learning: bounded, scaled, in a fixed order, from the request alone."""

from __future__ import annotations

import math

from router.step.request import Facts
from router.step.signals import EXCEPTION, HARD, SOFT

BYTES_PER_TOKEN = 4.0
MIDDLE_INPUT, MIDDLE_OUTPUT = 3_000.0, 1_500.0
"""Tokens that count as neither many nor few."""
WIDE = math.log(64.0)
"""Tokens this factor away from the middle count as 1 or -1, and so does everything beyond."""
NAMES = (
    "input",
    "max_tokens",
    "max_tokens given",
    "turn",
    "tool results",
    "soft failure",
    "exception",
    "refusal",
    "failures",
    "repeated",
    "reads",
    "failed before",
    "tools",
    "many tools",
    "schema",
    "image",
    "code",
    "non-latin",
    "thinking asked",
    "thinking refused",
)
"""What each number is. New ones go at the end: weights are learned by place."""


def vector(facts: Facts, failed: int = 0) -> tuple[float, ...]:
    """One number in -1..1 for each of NAMES.

    `failed`: wrong answers to this step that nobody remembers, where outcomes are learned from. Not where plans are
    made: the planner works out itself what failures say of a step, and they would count twice.
    """
    limit = facts.max_tokens
    return (
        _level(facts.input_bytes / BYTES_PER_TOKEN, MIDDLE_INPUT),
        0.0 if limit is None else _level(limit, MIDDLE_OUTPUT),
        0.0 if limit is None else 1.0,
        _count(facts.turn, 64),
        _count(facts.tool_results, 32),
        float(facts.severity == SOFT),
        float(facts.severity == EXCEPTION),
        float(facts.severity >= HARD),
        _share(facts.failure_share),
        _count(facts.repeated, 4),
        2.0 * _share(facts.reads) - 1.0,
        _count(failed, 4),
        float(facts.tools > 0),
        _count(facts.tools, 64),
        float(facts.schema),
        float(bool(facts.images)),
        _share(facts.code),
        _share(facts.non_latin),
        float(facts.thinking in ("on", "low")),
        float(facts.thinking == "off"),
    )


def _level(tokens: float, middle: float) -> float:
    """Tokens on a log scale, -1..1."""
    return min(1.0, max(-1.0, math.log((1.0 + max(0.0, tokens)) / middle) / WIDE))


def _count(number: int, most: int) -> float:
    """A count on a log scale, 0..1; `most` and above are 1."""
    return min(1.0, math.log1p(max(0, number)) / math.log1p(most))


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
