"""Counting input tokens before the model does, and learning from what it reports."""

from __future__ import annotations

import math

import pytest

from router.beliefs.tokens import BOUND, Correction, Counts, image_tokens, text_tokens
from router.catalog import Model
from router.step import Facts
from tests.plan.small import catalog, model

MODEL: Model = catalog({"m": model(50.0, (1, 1), tokens={"latin": 4, "code": 3, "other": 2})}).models["m"]


@pytest.mark.parametrize(
    ("facts", "tokens"),
    [
        ({}, 250),
        ({"code": 1.0}, 1000 / 3),
        ({"code": 0.5}, 500 / 3 + 500 / 4),
        ({"non_latin": 1.0}, 500),
        ({"non_latin": 0.25}, 500 / 2 + 500 / 4),  # a quarter of the characters is half of the bytes
        ({"non_latin": 0.25, "code": 1.0}, 500 / 2 + 500 / 3),
    ],
)
def test_text(facts: dict[str, float], tokens: float) -> None:
    """Bytes are split by script, each over its bytes per token."""
    assert text_tokens(MODEL, Facts(input_bytes=1000, **facts)) == pytest.approx(tokens)


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((640, 480), 300),
        ((641, 481), 21 * 16),
        ((0, 0), 1024),
        ((1024, 1024), 1024),
        ((32, 32), 64),  # enlarged to the least number of pixels
        ((8192, 8192), 16_384),  # reduced to the most
    ],
)
def test_images(size: tuple[int, int], tokens: int) -> None:
    """One token for each 32 by 32 pixels, after scaling into bounds; an unknown size counts as 1024 by 1024."""
    assert image_tokens(*size) == tokens


def test_count() -> None:
    """Text and images add up, to at least one token; the correction changes only the second number."""
    facts = Facts(input_bytes=1000, images=((640, 480), (0, 0)))
    assert Counts().count(MODEL, facts) == (250 + 300 + 1024, 250 + 300 + 1024)
    assert Counts().count(MODEL, Facts()) == (1, 1)
    learned = Counts({"m": Correction(math.log(1.5), 10)})
    assert learned.count(MODEL, Facts(input_bytes=1000)) == (250, 375)
    assert Counts({"m": Correction(-BOUND, 10)}).count(MODEL, Facts()) == (1, 1)


def test_correction_converges() -> None:
    """Reports of a steady ratio are learned within some dozens of steps, the first ones fastest."""
    correction = Correction()
    seen = []
    for _ in range(60):
        correction = correction.observe(1000, 1300)
        seen.append(math.exp(correction.log_ratio))
    assert seen[0] > 1.05 and seen[9] > 1.19 and seen[-1] == pytest.approx(1.3, rel=0.01)
    assert correction.reports == 60


def test_correction_is_bounded() -> None:
    """Absurd reports move the count by a factor of two at most."""
    up = down = Correction()
    for _ in range(500):
        up, down = up.observe(1, 10**9), down.observe(10**9, 1)
    assert (up.log_ratio, down.log_ratio) == (pytest.approx(BOUND), pytest.approx(-BOUND))
    assert Counts({"m": up}).count(MODEL, Facts(input_bytes=1000)) == (250, 500)
