"""The arithmetic of correlated retries against worked values and a simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.beliefs.latent import solve
from router.plan.probability import Table, chance, compute, layout, table

SIGMA, TAU = 1.5, 1.0
MARGINALS = (0.6047, 0.73, 0.764)
MODELS = (0, 1, 2)
LOGITS = tuple(solve(p, SIGMA, TAU) for p in MARGINALS)
COST = np.array([8000 * i + 1500 * o for i, o in ((0.085, 0.40), (0.29, 2.40), (0.45, 3.00))]) * 1e-6
N, Q122, Q397 = 0, 1, 2


def plan(found: Table, *arms: int) -> tuple[float, float]:
    """P and expected cost of one plan among three arms and up to four attempts."""
    shape = layout(MODELS, 4)
    number = next(n for n in range(len(found.p)) if shape.sequence(n) == arms)
    return float(found.p[number]), float(found.visits[number] @ COST)


def test_mu() -> None:
    """mu is where the marginal over difficulty and model equals the score."""
    assert LOGITS == pytest.approx((0.6592, 1.5254, 1.7926), abs=5e-5)


@pytest.mark.parametrize(
    ("arms", "t", "f", "p", "cost"),
    [
        ((N, N), 1.0, 0.0, 0.7596, 0.001786),
        ((N, N, N), 1.0, 0.0, 0.8284, 0.002094),
        ((N, Q122), 1.0, 0.0, 0.8450, 0.003620),
        ((N, N, Q397), 1.0, 0.0, 0.9008, 0.003733),
        ((N, N, N, Q122), 1.0, 0.0, 0.9143, 0.003110),
        ((N, N, Q397), 0.9, 0.1, 0.8493, 0.003652),
    ],
)
def test_correlated_plans(arms: tuple[int, ...], t: float, f: float, p: float, cost: float) -> None:
    """With sigma 1.5 and tau 1.0 plans succeed and cost as worked out, with perfect and with fallible checks."""
    found = plan(table(MODELS, LOGITS, 4, SIGMA, TAU, t, f), *arms)
    assert found == (pytest.approx(p, abs=5e-5), pytest.approx(cost, abs=5e-7))


@pytest.mark.parametrize(
    ("arms", "t", "f", "p", "cost"),
    [
        ((Q122,), 1.0, 0.0, 0.73, 0.00592),
        ((N, N), 1.0, 0.0, 0.844, 0.001786),
        ((N, Q122), 1.0, 0.0, 0.893, 0.00362),
        ((N, Q397), 1.0, 0.0, 0.907, 0.004482),
        ((N, N, Q122), 1.0, 0.0, 0.958, 0.002711),
        ((Q122, N), 1.0, 0.2, 0.861, 0.006196),
    ],
)
def test_independent_plans(arms: tuple[int, ...], t: float, f: float, p: float, cost: float) -> None:
    """Without spread, attempts are independent."""
    logits = tuple(solve(p, 0.0, 0.0) for p in MARGINALS)
    found = plan(table(MODELS, logits, 4, 0.0, 0.0, t, f), *arms)
    assert found == (pytest.approx(p, abs=5e-4), pytest.approx(cost, abs=5e-7))


@pytest.mark.parametrize(("failures", "after"), [(1, (0.3919, 0.6078, 0.6504)), (2, (0.2861, 0.5419, 0.5874))])
def test_after_failures(failures: int, after: tuple[float, ...]) -> None:
    """A model's known failures lower the odds of all, and its own the most."""
    failed = ((N, LOGITS[N]),) * failures
    assert table(MODELS, LOGITS, 1, SIGMA, TAU, 1.0, 0.0, failed).p == pytest.approx(after, abs=5e-5)
    alone = [chance((m, LOGITS[m]), failed, SIGMA, TAU) for m in MODELS]
    assert alone == pytest.approx(after, abs=5e-5)


def test_same_model_loses_value_faster() -> None:
    """At equal ability, another model is worth more after a failure than the same one."""
    found = table((0, 1), (1.0, 1.0), 2, SIGMA, TAU, 1.0, 0.0)
    same, other = found.p[2], found.p[3]
    assert same < other


def test_failure_of_a_model_out_of_play() -> None:
    """A model that is no longer among the arms still tells of the step's difficulty."""
    found = table((0, 1), LOGITS[1:], 1, SIGMA, TAU, 1.0, 0.0, ((2, LOGITS[0]),)).p
    assert found == pytest.approx((0.6078, 0.6504), abs=5e-5)


def test_modes_of_one_model_share_its_u() -> None:
    """A failed mode lowers its sibling as much as an equally able retry of its own."""
    after = table((0, 0, 1), (1.0, 1.0, 1.0), 1, SIGMA, TAU, 1.0, 0.0, ((0, 1.0),)).p
    assert after[0] == pytest.approx(after[1])
    assert after[0] < after[2]


@pytest.mark.parametrize(("t", "f"), [(1.0, 0.0), (0.9, 0.1)])
def test_against_simulation(t: float, f: float) -> None:
    """A million simulated steps agree on P, on how often each attempt is made, and after a known failure."""
    rng = np.random.default_rng(7)
    models, logits, runs = (0, 0, 1), (0.2, 1.0, 1.3), 1_000_000
    arms = (0, 2, 1)
    shape = layout(models, 3)
    number = next(n for n in range(shape.offsets[-1]) if shape.sequence(n) == arms)
    z, u = rng.standard_normal(runs), rng.standard_normal((2, runs))

    def right(arm: int) -> np.ndarray:
        x = logits[arm] + SIGMA * z + TAU * u[models[arm]]
        return rng.random(runs) < 1 / (1 + np.exp(-x))

    for failed in ((), ((0, 0.2),)):
        found = table(models, logits, 3, SIGMA, TAU, t, f, failed)
        counted = np.ones(runs, dtype=bool) if not failed else ~right(0)
        open_, won, visits = counted.copy(), np.zeros(runs, dtype=bool), []
        for i, arm in enumerate(arms):
            visits.append(open_[counted].mean())
            good = right(arm)
            accepted = rng.random(runs) < np.where(good, t, f)
            returned = open_ & (accepted | (i == len(arms) - 1))
            won |= returned & good
            open_ &= ~accepted
        assert found.p[number] == pytest.approx(won[counted].mean(), abs=0.003)
        by_arm = [visits[arms.index(a)] for a in range(3)]
        assert found.visits[number] == pytest.approx(by_arm, abs=0.003)


def test_layout_numbers_every_sequence_once() -> None:
    """Plans are all sequences of one to `attempts` arms, in order of length and then of arms."""
    shape = layout((0, 0, 1), 3)
    want = [s for n in (1, 2, 3) for s in product(range(3), repeat=n)]
    assert [shape.sequence(n) for n in range(shape.offsets[-1])] == want
    assert shape.counts[shape.ends()].sum(axis=1).tolist() == [len(s) for s in want]


@settings(max_examples=60, deadline=None)
@given(
    logits=st.lists(st.floats(-6, 6), min_size=1, max_size=4),
    attempts=st.integers(1, 3),
    sigma=st.floats(0, 5),
    tau=st.floats(0, 5),
    t=st.floats(0.01, 1),
    f=st.floats(0, 1),
    failures=st.integers(0, 16),
    data=st.data(),
)
def test_bounds(
    logits: list[float],
    attempts: int,
    sigma: float,
    tau: float,
    t: float,
    f: float,
    failures: int,
    data: st.DataObject,
) -> None:
    """P is in 0..1, a plan makes its first attempt and at most `attempts`, and an arm's own failure never helps it."""
    others = data.draw(st.integers(0, len(logits) - 1), label="arms of a second model")
    models = (0,) * (len(logits) - others) + (1,) * others
    failed = ((0, logits[0]),) * failures
    found = compute(models, tuple(logits), attempts, sigma, tau, t, f, failed)
    assert np.isfinite(found.p).all()
    assert found.p.min() >= 0 and found.p.max() <= 1
    made = found.visits.sum(axis=1)
    assert made.min() >= 1 - 1e-9 and made.max() <= attempts + 1e-9
    worse = compute(models, tuple(logits), 1, sigma, tau, t, f, (*failed, (0, logits[0])))
    assert worse.p[0] <= found.p[0] + 1e-9
