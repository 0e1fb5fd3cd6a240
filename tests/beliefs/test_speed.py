"""Speed by output length, runtime and load."""

from __future__ import annotations

import math

import pytest

from router.beliefs.length import length
from router.beliefs.speed import ANCHORS, Pace, prior, stretch
from tests.plan.small import catalog, deployment, model

USD = {"input": 1, "output": 1}
CATALOG = catalog(
    {
        "m": model(
            50.0,
            (1, 1),
            speed={"tokens_per_s": 152, "tokens_per_s_64k": 60, "first_token_s": 0.6},
            runtimes={"cuda": 1.0, "metal": 0.05, "fp4": 1.0},
            runtimes_64k={"fp4": 2.0},
            deployments=[deployment(r, prices=USD, runtime=r) for r in ("cuda", "metal", "fp4")],
        ),
        "flat": model(50.0, (1, 1), speed={"tokens_per_s": 152}),
    }
)
PACES = prior(CATALOG).paces


@pytest.mark.parametrize(
    ("tokens", "speed"),
    [(0, 152), (100, 152), (512, 152), (2048, 152), (65_536, 60), (500_000, 60), (11_585.2, math.sqrt(152 * 60))],
)
def test_bands(tokens: float, speed: float) -> None:
    """Ordinary speed up to 2k tokens, the long band's from 64k, geometric in between (half-way at 2^13.5)."""
    assert PACES["m:cuda"].tokens_per_s(tokens) == pytest.approx(speed, rel=1e-4)


def test_speed_never_rises_with_length() -> None:
    """A model that slows down does so steadily over the bands."""
    bands = PACES["m:cuda"].bands
    assert len(bands) == len(ANCHORS) and list(bands) == sorted(bands, reverse=True)
    assert set(PACES["flat:main"].bands) == {152}


def test_runtime_scales() -> None:
    """A runtime's factor scales decoding and the time to the first token; some runtimes hold their speed at length."""
    metal = PACES["m:metal"]
    assert metal.tokens_per_s(100) == pytest.approx(152 * 0.05) and metal.first_token_s == pytest.approx(0.6 / 0.05)
    assert PACES["m:fp4"].tokens_per_s(65_536) == pytest.approx(120)


def test_seconds_and_finish() -> None:
    """Time is first token plus output over speed; its median and spread follow the length's."""
    pace = Pace(0.5, (100.0,) * 5)
    assert pace.seconds(1000) == pytest.approx(10.5)
    finish = pace.finish(length(400, 1600, None, None, 0.0))
    assert finish.quantile(0.0) == pytest.approx(4.5)
    assert finish.s == pytest.approx(math.hypot(math.log(16.5 / 4.5) / 1.28155, 0.2), rel=1e-4)


@pytest.mark.parametrize(("inflight", "factor"), [(0, 1.0), (3, 1.0), (4, 1.25), (15, 4.0)])
def test_stretch(inflight: int, factor: float) -> None:
    """Up to its concurrency a deployment serves at full speed; beyond, all share."""
    assert stretch(inflight, 4) == factor
