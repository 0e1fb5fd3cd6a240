"""Intervals."""

from __future__ import annotations

import random

import numpy as np

from router.learning import bootstrap
from router.learning.bootstrap import RESAMPLES
from router.learning.tally import COST, REFUSED, SECONDS, SUCCESS, Tally
from router.learning.trace import Step
from tests.learning.made import step, tried

ARMS = {"a": tried(True)}


def tally(success: list[float], cost: float = 2.0) -> Tally:
    made = Tally("t", "policy", len(success))
    made.passes = 1
    made.sums[:, SUCCESS], made.sums[:, COST], made.sums[:, SECONDS] = success, cost, 3.0
    return made


def singles(count: int) -> list[Step]:
    return [step(i, ARMS) for i in range(count)]


def test_a_run_is_one_unit() -> None:
    """Steps without a run stand for themselves, also where an id is the same as a run's."""
    steps = [step(0, ARMS, run_id="r"), step(1, ARMS), step(2, ARMS, run_id="r"), step(3, ARMS, run_id="s1")]
    assert bootstrap.units(steps).tolist() == [0, 1, 0, 2]


def test_the_value_is_the_plain_mean() -> None:
    """Success, cost per success and time are those of the steps themselves."""
    made = tally([1.0, 0.0, 1.0, 0.5])
    samples = bootstrap.resampled([made], bootstrap.units(singles(4)), 0)[:, 0]
    assert bootstrap.success(made, samples).value == 0.625
    assert bootstrap.cost_per_success(made, samples).value == 3.2
    found = bootstrap.seconds(made, samples)
    assert (found.value, found.low, found.high) == (3.0, 3.0, 3.0)


def test_steps_that_nobody_took_have_no_time() -> None:
    """The mean is of those that were tried; where none was, there is none."""
    made = tally([1.0, 0.0])
    made.sums[1] = 0.0
    made.sums[1, REFUSED] = 1.0
    unit = bootstrap.units(singles(2))
    assert bootstrap.seconds(made, bootstrap.resampled([made], unit, 0)[:, 0]).value == 3.0
    made.sums[0] = made.sums[1]
    samples = bootstrap.resampled([made], unit, 0)[:, 0]
    assert bootstrap.seconds(made, samples).value is None
    assert bootstrap.cost_per_success(made, samples).value is None


def test_resamples_without_a_success_are_infinite() -> None:
    """With one success in four steps, a resample may have none: the upper end is open."""
    made = tally([1.0, 0.0, 0.0, 0.0])
    found = bootstrap.cost_per_success(made, bootstrap.resampled([made], bootstrap.units(singles(4)), 0)[:, 0])
    assert (found.value, found.high) == (8.0, None)


def test_all_rows_see_the_same_resamples() -> None:
    """So that two ways of routing can be compared; another seed gives others."""
    made = [tally([1.0, 0.0, 1.0, 1.0]), tally([1.0, 0.0, 1.0, 1.0])]
    unit = bootstrap.units(singles(4))
    samples = bootstrap.resampled(made, unit, 5)
    assert samples.shape == (RESAMPLES, 2, 7)
    assert (samples[:, 0] == samples[:, 1]).all()
    assert (samples == bootstrap.resampled(made, unit, 5)).all()
    assert (samples != bootstrap.resampled(made, unit, 6)).any()


def test_intervals_cover_the_truth() -> None:
    """Of 200 samples of 150 draws at 0.7, about 95% of the intervals hold 0.7."""
    rng, unit, covered = random.Random(3), bootstrap.units(singles(150)), 0
    samples = [tally([float(rng.random() < 0.7) for _ in range(150)]) for _ in range(200)]
    drawn = bootstrap.resampled(samples, unit, 1)
    for i, made in enumerate(samples):
        found = bootstrap.success(made, drawn[:, i])
        assert found.low is not None and found.high is not None
        covered += found.low <= 0.7 <= found.high
    assert 180 <= covered <= 199


def test_runs_widen_the_interval() -> None:
    """Ten steps that go alike say no more than one: the interval is about sqrt(10) times as wide."""
    values = [float(i % 2) for i in range(40) for _ in range(10)]
    made = tally(values)
    together = bootstrap.units([step(i, ARMS, run_id=f"r{i // 10}") for i in range(400)])
    apart = np.arange(400)
    wide, narrow = (bootstrap.success(made, bootstrap.resampled([made], unit, 0)[:, 0]) for unit in (together, apart))
    assert None not in (wide.low, wide.high, narrow.low, narrow.high)
    ratio = (wide.high - wide.low) / (narrow.high - narrow.low)  # type: ignore[operator]
    assert 2.4 < ratio < 4.0
