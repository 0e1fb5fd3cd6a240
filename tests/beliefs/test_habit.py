"""What is an arm's own: its shift of q90, its mean's correction, how its thinking goes with what is to be said."""

from __future__ import annotations

import numpy as np
import pytest

from router.beliefs.habit import HIGHEST, LOWEST, NEW, STEP, Habit
from router.beliefs.length import Length

EXPECTED = Length(q10=50, q50=100, q90=200, mean=120, reasoning=0, uncut=200)


@pytest.mark.parametrize(
    ("total", "cut", "max_tokens", "moved"),
    [
        (201, False, None, 0.9),
        (200, False, None, -0.1),
        (201, True, None, 0.9),  # longer than q90, however it would have ended
        (150, True, None, 0.0),  # nobody knows
        (150, False, 150, 0.0),  # nothing could have been longer than q90
        (150, False, 400, -0.1),
    ],
)
def test_shift(total: int, cut: bool, max_tokens: int | None, moved: float) -> None:
    """It grows by 0.9 steps where q90 was exceeded, falls by 0.1 where it held, and stays where nobody can know."""
    habit = NEW.judged(total, EXPECTED, 1.0, cut=cut, max_tokens=max_tokens)
    assert habit.shift == pytest.approx(1.0 + STEP * moved)


@pytest.mark.parametrize(("total", "end"), [(10_000, HIGHEST), (1, LOWEST)])
def test_shift_is_bounded(total: int, end: float) -> None:
    """However often q90 fails, or holds."""
    habit = NEW
    for _ in range(2000):
        habit = habit.judged(total, EXPECTED, habit.shift, cut=False, max_tokens=None)
    assert habit.shift == end


def test_factor() -> None:
    """Where twice the expected tokens come, the mean is doubled, little by little; before that nothing is corrected."""
    habit, factors = NEW, [NEW.factor]
    for _ in range(100):
        expected = Length(50, 100, 200, 120 * habit.factor, 0, 200)
        habit = habit.judged(240, expected, 0.0, cut=False, max_tokens=None)
        factors.append(habit.factor)
    assert factors[0] == 1.0 and factors == sorted(factors)
    assert factors[1] == pytest.approx(7 / 6) and factors[-1] == pytest.approx(2.0, rel=0.06)


def test_slope() -> None:
    """How much more is thought where more is to be said is found, and shrunk to the parent's until it is."""
    rng, habit = np.random.default_rng(1), NEW
    assert habit.slope(0.0) == 0.0 and habit.slope(0.7) == pytest.approx(0.7)
    for apart in rng.normal(0, 0.5, 300).tolist():
        habit = habit.with_thought(6.0 + 0.8 * apart + float(rng.normal(0, 0.2)), apart)
    assert habit.slope(0.0) == pytest.approx(0.8, abs=0.1)
    assert habit.thought.mean == pytest.approx(6.0, abs=0.1)
    assert habit.thought_square.mean**0.5 == pytest.approx(0.2, abs=0.06)


def test_slope_is_bounded() -> None:
    """Thinking less where more is to be said, or without measure, is not believed."""
    down, up = NEW, NEW
    for i in range(100):
        apart = (-1.0) ** i
        down, up = down.with_thought(6.0 - apart, apart), up.with_thought(6.0 + 5 * apart, apart)
    assert down.slope(0.0) == 0.0 and up.slope(0.0) == 2.0


def test_capped() -> None:
    """After a change all averages keep their values and lose their weight; the shift stays."""
    habit = Habit()
    for _ in range(50):
        habit = (
            habit.with_gap(0.3).with_thought(5.0, 0.1).judged(300, EXPECTED, habit.shift, cut=False, max_tokens=None)
        )
    capped = habit.capped(4.0)
    assert (capped.offset.mean, capped.offset.weight, capped.shift) == (habit.offset.mean, 4.0, habit.shift)
    assert capped.with_gap(1.3).offset.mean - 0.3 > 5 * (habit.with_gap(1.3).offset.mean - 0.3)
