"""Output length: quantiles, hints, censoring and reasoning, against draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.beliefs.length import LogNormal, Visible, compose, hinted, length, matched


def test_class_quantiles() -> None:
    """Without anything else the class's quantiles hold, and the mean is the log-normal's."""
    found = length(400, 1600, None, None, 0.0)
    assert (found.q50, found.q90, found.q10) == pytest.approx((400, 1600, 100))
    assert found.mean == pytest.approx(718, rel=0.01) and found.reasoning == 0


def test_hint_replaces_the_median_and_narrows() -> None:
    """A caller's expectation moves the median to it; the spread narrows, and is never wider than the class's own."""
    found = length(400, 1600, 8000, None, 0.0)
    assert found.q50 == pytest.approx(8000) and found.q90 == pytest.approx(8000 * 1.566, rel=0.01)
    assert length(400, 404, 8000, None, 0.0).q90 == pytest.approx(8080)


def test_max_tokens_cuts_off() -> None:
    """No quantile exceeds max_tokens, and the mean is that of the cut-off answers."""
    found = length(400, 1600, None, 500, 0.0)
    draws = np.minimum(np.exp(np.random.default_rng(1).normal(np.log(400), np.log(4) / 1.28155, 400_000)), 500)
    assert found.q90 == 500 and found.q50 == pytest.approx(400)
    assert found.mean == pytest.approx(draws.mean(), rel=0.005)
    assert length(400, 1600, None, 10, 0.0).mean == pytest.approx(10, rel=0.01)


def test_reasoning_adds_to_the_visible_answer() -> None:
    """Reasoning is billed as output: the total's mean and quantiles are those of the sum, nearly."""
    found = length(400, 1600, None, None, 1500.0)
    rng = np.random.default_rng(2)
    visible = np.exp(rng.normal(np.log(400), np.log(4) / 1.28155, 400_000))
    hidden = np.exp(rng.normal(np.log(1500), 0.9, 400_000))
    total = visible + hidden
    assert found.mean == pytest.approx(total.mean(), rel=0.01)
    assert found.reasoning == pytest.approx(hidden.mean(), rel=0.01)
    assert (found.q50, found.q90) == pytest.approx(np.quantile(total, (0.5, 0.9)), rel=0.1)


def test_reasoning_shares_the_cut() -> None:
    """Where max_tokens cuts the whole, reasoning keeps its share of what is left."""
    whole, cut = length(400, 1600, None, None, 1500.0), length(400, 1600, None, 1000, 1500.0)
    assert cut.reasoning / cut.mean == pytest.approx(whole.reasoning / whole.mean)
    assert cut.mean < 1000


def test_log_normal() -> None:
    """Moments determine the distribution; scaling scales; cdf undoes quantile."""
    part = matched(10.0, 25.0)
    assert (part.mean, part.variance) == pytest.approx((10.0, 25.0))
    assert part.scaled(3.0).mean == pytest.approx(30.0)
    assert LogNormal(1.0, 0.5).cdf(LogNormal(1.0, 0.5).quantile(1.2815515655)) == pytest.approx(0.9)


def test_shift_moves_q90_alone() -> None:
    """A shift is in distances from q50 to q90, never takes q90 below q50, and widens equal quantiles too."""
    visible = Visible(math.log(100), math.log(400), math.log(1600))
    found = compose(visible, None, 0.5, 1.0, None)
    assert (found.q10, found.q50, found.q90) == pytest.approx((100, 400, 3200))
    assert compose(visible, None, -9.0, 1.0, None).q90 == pytest.approx(400)
    equal = Visible(math.log(400), math.log(400), math.log(400))
    assert compose(equal, None, 1.0, 1.0, None).q90 == pytest.approx(400 * math.exp(0.05))


def test_uncut_is_remembered() -> None:
    """The q90 that nothing cuts off is there beside the one within max_tokens."""
    found = compose(Visible(math.log(100), math.log(400), math.log(1600)), None, 0.0, 1.0, 500)
    assert (found.q90, found.uncut) == pytest.approx((500, 1600))


def test_factor_corrects_the_mean() -> None:
    """Experience corrects the mean, before the cut; a spread that is no log-normal's is not believed."""
    visible = Visible(math.log(100), math.log(400), math.log(1600))
    whole = compose(visible, None, 0.0, 1.0, None)
    assert compose(visible, None, 0.0, 0.5, None).mean == pytest.approx(whole.mean / 2)
    assert compose(visible, None, 0.0, 0.5, 500).mean < compose(visible, None, 0.0, 1.0, 500).mean < 500
    assert compose(Visible(0.0, 3.0, 9.0), None, 0.0, 1.0, None).mean == pytest.approx(math.exp(3.0 + 2.0))


@given(st.floats(0, 9), st.floats(0, 4), st.floats(0, 4), st.integers(1, 20_000), st.floats(-2, 2), st.floats(0.05, 3))
def test_a_hint_never_widens(middle: float, below: float, above: float, hint: int, bias: float, error: float) -> None:
    """With a hint, whatever its record, the quantiles stay in order and no farther apart."""
    plain = Visible(middle - below, middle, middle + above)
    for told in (hinted(plain, hint), hinted(plain, hint, bias, error)):
        assert told.q10 <= told.q50 <= told.q90
        assert told.q90 - told.q10 <= plain.q90 - plain.q10 + 1e-5


def test_a_poor_hint_is_half_believed() -> None:
    """A hint with twice the error of the class's own scatter weighs a quarter."""
    plain = Visible(4.0, 5.0, 5.0 + 1.2815515655446004)
    assert hinted(plain, 1000, 0.0, 2.0).q50 == pytest.approx(0.25 * math.log(1000) + 0.75 * 5.0)
