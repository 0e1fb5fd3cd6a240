"""What a class's lengths depend on is found out, and what they do not depend on does no harm."""

from __future__ import annotations

import math

import numpy as np
import pytest

from router.beliefs.sample import pinball
from router.beliefs.shape import KINDS, MEMORY, Shape, Traits

PRIOR = (4.0, 6.0, 8.0)
PLAIN = Traits(8.0, 8.0, "")


def run(stream: list[tuple[Traits, float]], shape: Shape | None = None) -> tuple[Shape, list[float], list[float]]:
    """The shape after the stream, and the absolute errors of its median and of the best constant."""
    shape, medians, values = shape or Shape(), [], [value for _, value in stream]
    for traits, value in stream:
        forecast = shape.forecast(traits, PRIOR)
        medians.append(forecast.levels[1])
        shape = shape.observe(traits, value, forecast)
    constant = float(np.median(values))
    return shape, [abs(v - m) for v, m in zip(values, medians, strict=True)], [abs(v - constant) for v in values]


def test_prior_until_something_is_seen() -> None:
    """Without answers the prior holds; with a few it still counts."""
    assert Shape().forecast(PLAIN, PRIOR).levels == PRIOR
    shape, _, _ = run([(PLAIN, 7.0)] * 6)
    constant = shape.forecast(PLAIN, PRIOR).opinions[0]
    assert constant.levels == pytest.approx((5.5, 6.5, 7.5))


@pytest.mark.parametrize("trait", ["size", "kind", "run", "news"])
def test_finds_what_it_depends_on(trait: str) -> None:
    """Whichever trait tells the length, the error falls far below the constant's."""
    rng, stream = np.random.default_rng(3), []
    for _ in range(1500):
        kind, other = float(rng.integers(0, 4)), float(rng.integers(0, 3))
        length = 4.0 + kind + (rng.normal(0.0, 0.1))
        traits = {
            "size": Traits(5.0 + kind + rng.normal(0, 0.1), 7.0, f"{other}"),
            "kind": Traits(rng.normal(8, 1), 7.0, f"{kind}"),
            "run": Traits(rng.normal(8, 1), 7.0, f"{other}", 4.0 + kind + rng.normal(0, 0.1)),
            "news": Traits(rng.normal(8, 1), 3.0 + kind + rng.normal(0, 0.1), f"{other}"),
        }[trait]
        stream.append((traits, length))
    _, errors, constant = run(stream)
    assert sum(errors[300:]) < 0.4 * sum(constant[300:])


@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_nothing_to_find(spread: float) -> None:
    """In a stream that nothing predicts, the loss stays within one in a hundred of the best constant's in hindsight."""
    rng = np.random.default_rng(4)
    draws = rng.normal(0.0, 1.0, (4000, 4))
    kinds = rng.integers(0, 5, 4000)
    stream = [
        (Traits(8 + float(a), 7 + float(b), f"{k}", 6 + float(c)), 6.0 + spread * float(d))
        for (a, b, c, d), k in zip(draws, kinds, strict=True)
    ]
    _, errors, constant = run(stream)
    assert sum(errors) < 1.01 * sum(constant)


def test_leads_follow_a_change() -> None:
    """A trait that tells no more loses its weight, and one that begins to tell gains it."""
    rng = np.random.default_rng(5)
    early = [(Traits(x, 7.0, ""), x) for x in rng.normal(6, 1, 600).tolist()]
    late = [(Traits(x, 7.0, ""), y) for x, y in rng.normal(6, 1, (1200, 2)).tolist()]
    shape, _, _ = run(early)
    assert shape.leads["size"][1] > 10
    changed, errors, constant = run(late, shape)
    assert changed.leads["size"][1] < 0
    assert sum(errors[600:]) < 1.05 * sum(constant[600:])


def test_what_was_cut_off_judges_nobody() -> None:
    """A stand-in moves the lengths and leaves the weights."""
    shape, _, _ = run([(PLAIN, 6.0)] * 20)
    new = shape.observe(PLAIN, 9.0, shape.forecast(PLAIN, PRIOR), exact=False)
    assert new.leads == shape.leads and new.values[-1] == 9.0 and 9.0 not in shape.values


def test_memory_is_bounded() -> None:
    """The oldest answers go, from every index alike; so do kinds that are not seen for long."""
    rng, shape = np.random.default_rng(6), Shape()
    forecast = shape.forecast(PLAIN, PRIOR)
    for i in range(MEMORY + 300):
        past = float(rng.normal()) if i % 3 else None
        shape = shape.observe(Traits(float(rng.normal()), 0.0, f"{i % 200}", past), float(i), forecast, exact=False)
    assert len(shape.answers) == len(shape.values) == len(shape.sizes.keys) == MEMORY
    assert shape.values[0] == 300.0 and min(shape.sizes.values) == 300.0 and min(shape.pasts.values) >= 300.0
    assert len(shape.pasts.keys) == sum(a.traits.past is not None for a in shape.answers)
    assert len(shape.kinds) == KINDS and f"{(MEMORY + 299) % 200}" in shape.kinds
    assert shape.total == pytest.approx(sum(shape.values))


def test_recent() -> None:
    """After a change only the last answers are left, and no opinion leads."""
    rng = np.random.default_rng(7)
    shape, _, _ = run([(Traits(x, 7.0, ""), x) for x in rng.normal(6, 1, 300).tolist()])
    kept = shape.hinted(0.5).recent(16)
    assert [a.value for a in kept.answers] == [a.value for a in shape.answers[-16:]]
    assert not kept.leads and kept.hint_bias.mean == 0.5
    assert kept.forecast(PLAIN, PRIOR).opinions[0].levels[1] != PRIOR[1]


def test_hints_have_a_record() -> None:
    """A hint's error is presumed first, and learned: its mean and its rms about the mean."""
    shape = Shape()
    assert shape.hint_record() == pytest.approx((0.0, 0.35))
    for error in np.random.default_rng(8).normal(0.7, 0.1, 200):
        shape = shape.hinted(float(error))
    bias, error = shape.hint_record()
    assert bias == pytest.approx(0.7, abs=0.05) and error < 0.2
    for _ in range(400):
        shape = shape.hinted(0.0)
    assert shape.hint_record()[1] >= 0.05


def test_mean_is_of_the_same_answers() -> None:
    """The forecast's mean is the mean of logs where the median is their median."""
    rng = np.random.default_rng(9)
    values = rng.exponential(1.0, 1500).tolist()
    shape, _, _ = run([(PLAIN, v) for v in values])
    forecast = shape.forecast(PLAIN, PRIOR)
    assert forecast.mean > forecast.levels[1] and math.isfinite(forecast.mean)
    assert sum(pinball(v, forecast.levels[2], 0.9) for v in values) < sum(
        pinball(v, 2 * forecast.levels[2], 0.9) for v in values
    )
