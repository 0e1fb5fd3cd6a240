"""Weights on facts: as much moved as by the exact law of all of them together; what is usual moves nothing."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from benchmarks.learning_success import catalog
from router.beliefs import success
from router.beliefs.likelihood import slope, tried
from router.beliefs.success import FACTS, Memory, Successes
from router.beliefs.weights import DUE, Weights
from router.outcome import Evidence, Trial

ARM, WIDTH = "m/off", 20
FOREVER = Memory(outcomes=1e12, seconds=1e12)
KEYS = ((("all", ""), ("arm", "a")), (("all", ""), ("arm", "b")))
SCALES = {"all": 0.5, "arm": 0.2}


class Exact:
    """The same filter over the ability and all weights of one arm at one class, nothing of its covariance dropped."""

    def __init__(self, known: Successes) -> None:
        score = known.scores.of(ARM, "c", 1.5, 1.0)
        self.score, self.mean = score, np.zeros(1 + WIDTH)
        of_weights = sum(scale**2 for scale in FACTS.values())
        self.covariance = np.diag([score.sd**2] + [of_weights] * WIDTH)

    def logit(self, x: np.ndarray) -> float:
        return float(self.score.mu + self.mean @ np.concatenate(([1.0], x)))

    def add(self, x: np.ndarray, right: float) -> None:
        one = tried(Trial(ARM, right), 0, 0)
        assert one is not None
        found = slope([one], np.array([self.logit(x)]), 1.5, 1.0, 1.0)
        along = self.covariance @ np.concatenate(([1.0], x))
        curved = max(0.0, float(found.precision[0, 0]))
        width = 1.0 + curved * (along[0] + x @ along[1:])
        self.mean = self.mean + along * float(found.gradient[0]) / width
        self.covariance = self.covariance - np.outer(along, along) * curved / width


def logit(known: Successes, x: tuple[float, ...]) -> float:
    return known.of(ARM, "c", 1.5, 1.0).mu + float(known.shifts("c", x)[0])


def steps(count: int, seed: int, kind: str) -> list[tuple[tuple[float, ...], float]]:
    """Facts and outcomes. `together`: facts that are there all at once or not at all; `apart`: each on its own."""
    rng, weight = np.random.default_rng(seed), np.random.default_rng(99).normal(0.0, 0.25, WIDTH)
    found = []
    for _ in range(count):
        x = np.full(WIDTH, float(rng.uniform() < 0.4)) if kind == "together" else rng.uniform(-1.0, 1.0, WIDTH)
        chance = 1.0 / (1.0 + np.exp(-(0.6 + x @ weight * (0.2 if kind == "together" else 1.0) + 1.8 * rng.normal())))
        found.append((tuple(x.tolist()), float(rng.uniform() < chance)))
    return found


@pytest.mark.parametrize("kind", ["together", "apart"])
def test_ten_failures_move_as_much_as_they_should(kind: str) -> None:
    """After 190 outcomes, ten failures on the same facts: the move of the logit is that of the exact law."""
    known = success.prior(catalog("m"), memory=FOREVER)
    exact = Exact(known)
    told = steps(190, 1, kind)
    alike = [(max(told, key=lambda one: sum(one[0]))[0], 0.0)] * 9  # a window of calibration is 200 long
    before = logit(known, alike[0][0])
    for at, (x, right) in enumerate((*told, *alike)):
        if at == len(told):
            before, was = logit(known, x), exact.logit(known.facts.centred("c", x))
        exact.add(known.facts.centred("c", x), right)
        known = known.observe(Evidence("c", (Trial(ARM, right),), x))
    moved, should = logit(known, x) - before, exact.logit(known.facts.centred("c", x)) - was
    assert -1.6 < should < -0.05
    assert moved == pytest.approx(should, rel=0.15)


@pytest.mark.parametrize("level", [0.3, 1.0])
def test_facts_that_are_always_so_do_nothing(level: float) -> None:
    """Outcomes move the belief exactly as if there were no facts."""
    known = without = success.prior(catalog("m"))
    x = (level,) * WIDTH
    for i in range(150):
        right = (Trial(ARM, float(i % 5 < 3)),)
        known, without = known.observe(Evidence("c", right, x)), without.observe(Evidence("c", right))
    assert logit(known, x) == pytest.approx(logit(without, ()), abs=1e-9)
    assert not known.shifts("c", x).any()


def test_what_is_unusual_is_measured_from_the_class() -> None:
    """From all classes where the class is unknown, from its own mean the more the longer it is known."""
    start = Weights(2, SCALES)
    assert not start.centred("c", (1.0, 2.0)).any()
    known = start.met("c", (1.0, 0.0)).met("c", (0.0, 0.0))
    assert known.centred("new", (1.0, 0.0)) == pytest.approx([0.5, 0.0])
    for _ in range(90):
        known = known.met("d", (1.0, 1.0))
    assert known.centred("d", (1.0, 1.0)) == pytest.approx([0.0, 0.0], abs=0.01)
    assert known.centred("c", (1.0,))[0] == pytest.approx(1.0 - (1.0 + 10.0 * 91 / 92) / 12)


def test_a_later_verdict_is_no_further_step() -> None:
    """It moves weights, not what is usual."""
    first = success.prior(catalog("m")).observe(Evidence("c", (Trial(ARM, 1.0),), (0.0,)))
    known = first.observe(Evidence("c", (Trial(ARM, None, True, 0.9, 0.5),), (1.0,)))
    later = known.observe(
        Evidence("c", (Trial(ARM, 0.0),), (1.0,)), Evidence("c", (Trial(ARM, None, True, 0.9, 0.5),), (1.0,))
    )
    assert later.facts.centres is known.facts.centres and later.shifts("c", (1.0,))[0] < known.shifts("c", (1.0,))[0]


def test_one_update() -> None:
    """Both arms share a row: evidence on one moves the other by the shared part, and what is left unsure is exact."""
    start, values = Weights(3, SCALES), np.array([1.0, -2.0, 0.0])
    seen = start.sight(KEYS, values)
    shared, own = 0.25 * 5.0, 0.04 * 5.0
    assert not start.weights(KEYS).any()
    assert seen.covariance == pytest.approx(np.array([[shared + own, shared], [shared, shared + own]]))
    alone = start.sight(KEYS[:1], values)
    new = start.add(alone, np.array([0.3]), np.array([[0.1]]), 1.0)
    assert new.weights(KEYS) @ values == pytest.approx([0.3 * (shared + own), 0.3 * shared])
    of_row = new.sight(KEYS, values).variance
    lost = 1.0 - 0.1 * (shared + own)
    assert of_row == pytest.approx([shared * lost, own * lost, own]) and not start.rows
    nothing = start.add(start.sight(KEYS, 0 * values), np.ones(2), np.eye(2), 1.0)
    assert nothing.sight(KEYS, values).variance == pytest.approx(seen.variance)


def test_forgetting() -> None:
    """Keeping nothing leads weights back to their prior; a little is let gather before it is taken away."""
    values, nothing = np.array([1.0, 1.0]), np.zeros((1, 1))
    start = Weights(2, SCALES)
    known = start.add(start.sight(KEYS[:1], values), np.array([1.0]), np.array([[0.3]]), 1.0)
    gone = known.add(known.sight(KEYS[:1], values), np.zeros(1), nothing, 1e-12)
    assert gone.weights(KEYS) @ values == pytest.approx([0.0, 0.0], abs=1e-9)
    assert gone.sight(KEYS, values).variance == pytest.approx(start.sight(KEYS, values).variance)
    little = known.add(known.sight(KEYS[:1], values), np.zeros(1), nothing, DUE + 0.01)
    row = little.rows["all", ""]
    assert row.keep == DUE + 0.01 and np.array_equal(row.mean, known.rows["all", ""].mean)
    half = replace(row, keep=0.5).forgotten(0.25)
    direct = np.linalg.inv(0.5 * np.linalg.inv(row.covariance) + 0.5 * np.eye(2) / 0.25)
    assert half.covariance == pytest.approx(direct) and half.keep == 1.0
    assert half.mean == pytest.approx(direct @ (0.5 * np.linalg.solve(row.covariance, row.mean)))


def test_words_once_read_stay() -> None:
    """Asking again for what is learned already changes nothing."""
    known = success.prior(catalog("m"), words=True)
    assert known.reading() is known
