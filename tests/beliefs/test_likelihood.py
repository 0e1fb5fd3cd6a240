"""The joint marginal likelihood of one step's attempts, and its slopes."""

from __future__ import annotations

import numpy as np
import pytest

from router.beliefs.likelihood import Slope, Try, positive, slope, tried
from router.outcome import Trial

RIGHT, WRONG = (1.0, 0.0), (0.0, 1.0)


def told(arm: int, model: int, seen: tuple[float, float], score: float | None = None, feedback: bool = False) -> Try:
    return Try(arm, model, *seen, score, feedback)


CASES = [
    [told(0, 0, RIGHT)],
    [told(0, 0, WRONG)],
    [told(0, 0, (0.3, 0.7), 0.3)],
    [told(0, 0, (0.05, 0.4))],
    [told(0, 0, WRONG), told(0, 0, RIGHT)],
    [told(0, 0, WRONG), told(1, 0, RIGHT)],
    [told(0, 0, WRONG), told(1, 1, RIGHT)],
    [told(0, 0, WRONG), told(0, 0, (0.1, 0.6), None, True), told(1, 1, (0.9, 0.5)), told(2, 1, (0.4, 0.6), 0.4)],
]


def at(case: list[Try], logits: np.ndarray) -> Slope:
    return slope(case, logits, 1.5, 1.0, 0.4)


@pytest.mark.parametrize("case", CASES)
def test_slopes_are_those_of_small_steps(case: list[Try]) -> None:
    """Gradient and curvature agree with differences of the likelihood."""
    arms = max(t.arm for t in case) + 1
    logits, h = np.array([0.6, 1.4, -0.3])[:arms], 1e-4
    found, step = at(case, logits), np.eye(arms) * h
    rises = [(at(case, logits + s).value - at(case, logits - s).value) / (2 * h) for s in step]
    bends = [(at(case, logits + s).gradient - at(case, logits - s).gradient) / (2 * h) for s in step]
    assert found.gradient == pytest.approx(rises, abs=1e-6)
    assert found.precision == pytest.approx(-np.array(bends), abs=1e-6)


def test_likelihood_is_that_of_the_reference() -> None:
    """Two failures of one model, then a success of another: the product of the worked example's conditional chances."""
    mu = np.array([0.6592, 1.5254])
    whole = at([told(0, 0, WRONG), told(0, 0, WRONG), told(1, 1, RIGHT)], mu)
    assert np.exp(whole.value) == pytest.approx((1 - 0.6047) * (1 - 0.3919) * 0.5419, abs=2e-4)


def test_less() -> None:
    """What was counted before is taken off: two attempts less the first are the second, given the first."""
    mu = np.array([0.5])
    both, first = at([told(0, 0, WRONG), told(0, 0, RIGHT)], mu), at([told(0, 0, WRONG)], mu)
    rest = both.less(first)
    assert np.exp(rest.value) == pytest.approx(np.exp(both.value) / np.exp(first.value))
    assert rest.gradient == pytest.approx(both.gradient - first.gradient)


@pytest.mark.parametrize("arm", [0, 1])
def test_one_attempt_of_a_step_of_two_arms(arm: int) -> None:
    """It says nothing of the other, and as much of its own as where it is alone."""
    mu = np.array([0.5, -0.7])
    among, alone = at([told(arm, arm, WRONG)], mu), at([told(0, 0, WRONG)], mu[[arm]])
    assert among.value == pytest.approx(alone.value)
    assert among.gradient[arm] == pytest.approx(alone.gradient[0]) and among.gradient[1 - arm] == 0.0
    assert among.precision[arm, arm] == pytest.approx(alone.precision[0, 0])
    assert not among.precision[1 - arm].any() and not among.precision[:, 1 - arm].any()


def test_certainty_is_no_accident() -> None:
    """Many failures of an arm that hardly ever fails neither overflow nor vanish."""
    found = slope([told(0, 0, WRONG)] * 16, np.array([60.0]), 5.0, 5.0, 5.0)
    assert np.isfinite(found.value) and np.isfinite(found.gradient).all() and np.isfinite(found.precision).all()


@pytest.mark.parametrize(
    ("trial", "seen"),
    [
        (Trial("a"), None),
        (Trial("a", accepted=True, t=0.9, f=0.9), None),
        (Trial("a", 1.0), (1.0, 0.0, None)),
        (Trial("a", 0.0, accepted=True, t=0.9, f=0.1), (0.0, 1.0, None)),  # a verdict outweighs a check
        (Trial("a", 0.25), (0.25, 0.75, 0.25)),
        (Trial("a", 7.0), (1.0, 0.0, None)),
        (Trial("a", accepted=True, t=0.9, f=0.2), (0.9, 0.2, None)),
        (Trial("a", accepted=False, t=0.75, f=0.25), (0.25, 0.75, None)),
    ],
)
def test_tried(trial: Trial, seen: tuple[float, float, float | None] | None) -> None:
    """What a trial says: its verdict, else its check by t and f, else nothing."""
    found = tried(trial, 3, 1)
    assert seen is None if found is None else (found.right, found.wrong, found.score) == seen and found.arm == 3


@pytest.mark.parametrize("curvature", [[[-0.2]], [[0.1, 0.3], [0.3, 0.1]], np.diag([0.1, -0.2, 0.3]).tolist()])
def test_negative_curvature_takes_nothing_away(curvature: list[list[float]]) -> None:
    """Directions in which the likelihood curves upwards count for nothing; the others stay."""
    given = np.array(curvature)
    found = positive(given)
    values, vectors = np.linalg.eigh(given)
    assert np.linalg.eigvalsh(found).min() >= -1e-12
    kept = vectors[:, values > 0]
    assert np.allclose(found @ kept, given @ kept) and np.array_equal(positive(np.eye(2)), np.eye(2))
