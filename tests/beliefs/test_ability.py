"""The Gaussian over all arms and classes, held against the whole of it written out."""

from __future__ import annotations

import numpy as np
import pytest

from router.beliefs.ability import COMMON, OWN, Ability, blank, structure

MODELS = (0, 0, 1)


def whole(evidence: list[tuple[int, list[int], np.ndarray, np.ndarray]], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (classes, A) and covariance of all deviations, by inverting everything at once."""
    common, own = structure(MODELS)
    size = len(MODELS) * classes
    precision = np.linalg.inv(np.kron(np.ones((classes, classes)), common) + np.kron(np.eye(classes), own))
    shift = np.zeros(size)
    for at, arms, h, info in evidence:
        rows = [at * len(MODELS) + a for a in arms]
        shift[rows] += info
        precision[np.ix_(rows, rows)] += h
    covariance = np.linalg.inv(precision)
    return (covariance @ shift).reshape(classes, -1), covariance


def test_shares_sum_to_one() -> None:
    """Before any outcome each arm is believed exactly as its score says."""
    assert sum(COMMON) + sum(OWN) == pytest.approx(1.0)
    mean, covariance = blank(MODELS).of("any")
    assert not mean.any() and np.diag(covariance) == pytest.approx(np.ones(3))
    assert covariance[0, 1] > covariance[0, 2] > 0.0


def test_exact() -> None:
    """Class by class with messages, or all classes at once: the same posterior, also for a class not seen yet."""
    rng = np.random.default_rng(0)
    known, evidence = blank(MODELS), []
    for _ in range(12):
        at = int(rng.integers(3))
        arms = sorted(rng.choice(3, size=int(rng.integers(1, 4)), replace=False).tolist())
        root = rng.normal(size=(len(arms), len(arms)))
        h, gradient = root @ root.T, rng.normal(size=len(arms))
        evidence.append((at, arms, h, gradient + h @ known.of(f"c{at}")[0][arms]))
        known = known.add(f"c{at}", np.array(arms), gradient, h, 1.0)
    mean, covariance = whole(evidence, 4)
    for at in range(4):
        found, spread = known.of(f"c{at}")
        here = slice(3 * at, 3 * at + 3)
        assert found == pytest.approx(mean[at]) and spread == pytest.approx(covariance[here, here])


def test_one_arm() -> None:
    """A catalog of one arm is no special case."""
    known = blank((0,)).add("c", np.array([0]), np.array([1.0]), np.array([[2.0]]), 1.0)
    mean, covariance = known.of("c")
    assert covariance == pytest.approx(np.array([[1 / 3]])) and mean == pytest.approx([1 / 3])


def test_forgetting_leads_back() -> None:
    """A class that keeps nothing is believed as if it had never been seen; the old value stays as it was."""
    one = np.array([[1.0]])
    known: Ability = blank(MODELS).add("c", np.array([0]), np.array([2.0]), one, 1.0)
    gone = known.add("c", np.array([0]), np.array([0.0]), 0.0 * one, 0.0)
    assert gone.of("c")[0] == pytest.approx(np.zeros(3)) and known.of("c")[0][0] == pytest.approx(1.0)
