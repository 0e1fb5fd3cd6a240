"""Output length: quantiles, hints, censoring and reasoning, against draws."""

from __future__ import annotations

import numpy as np
import pytest

from router.beliefs.length import LogNormal, length, matched, prior
from tests.plan.small import catalog, model


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


def test_prior_takes_reasoning_from_the_mode() -> None:
    """Each arm thinks as much as the catalog says of its mode."""
    beliefs = prior(catalog({"m": model(50.0, (1, 1), thinking={"on": {"reasoning_tokens": 900}, "off": {}})}))
    assert beliefs.of("m/on", 400, 1600, None, None).mean > beliefs.of("m/off", 400, 1600, None, None).mean + 900
