"""Beliefs come to the truth whatever the callers' habits, and stay where they are while nobody says anything."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.callers import NEMOTRON, QWEN, Caller, Loop

PUBLISHED = {NEMOTRON: 0.6047, QWEN: 0.73}
APART, CROSSED = {NEMOTRON: 0.50, QWEN: 0.80}, {NEMOTRON: 0.75, QWEN: 0.62}
"""Both models as the benchmarks have them, but more so; and the other way round."""

EVERY = Caller(asks_again=1.0, blames=1.0, praises=1.0)
SAMPLE = Caller(asks_again=1.0, blames=0.3, praises=0.3)
FAILURES = Caller(blames=1.0, retries=0, steps=False)
AGAIN = Caller(asks_again=1.0)
MOSTLY = Caller(asks_again=0.9)
MUTE = (Caller(), Caller(verify="none"), Caller(verify="none", retries=0, steps=False))


def believed(caller: Caller, truth: Mapping[str, float], steps: int = 800) -> dict[str, float]:
    loop = Loop(1, caller, truth)
    loop.run(steps)
    return {arm: loop.p(arm) for arm in truth}


@pytest.mark.parametrize(
    ("caller", "truth"),
    [(EVERY, CROSSED), (SAMPLE, CROSSED), (FAILURES, APART), (FAILURES, CROSSED), (AGAIN, APART), (MOSTLY, CROSSED)],
)
def test_beliefs_come_to_the_truth(caller: Caller, truth: Mapping[str, float]) -> None:
    """Within a few points, from far off: of callers that tell of every answer, of some, of wrong ones alone, and of
    those that only ask again."""
    assert believed(caller, truth) == pytest.approx(truth, abs=0.06)


@pytest.mark.parametrize("caller", MUTE)
def test_who_never_says_anything_moves_nothing(caller: Caller) -> None:
    """Be it that it said it would judge by itself."""
    assert believed(caller, APART, 400) == pytest.approx(PUBLISHED, abs=0.02)
