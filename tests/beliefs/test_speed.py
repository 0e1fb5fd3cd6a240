"""Speed by output length, runtime and load."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
import pytest

from router.beliefs.length import length
from router.beliefs.speed import ANCHORS, Pace, Speeds, Timing, prior, stretch
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


TRUE = Pace(1.2, (300.0, 280.0, 200.0, 150.0, 80.0), read_s=5e-5, drag=0.4)
"""Of a deployment that is nothing like what is believed of it."""
KEY = "m:cuda"


def answers(
    count: int, pace: Pace = TRUE, *, streamed: bool = True, seed: int = 1, stalls: float = 0.0
) -> Iterator[Timing]:
    """What such a deployment would be seen to do, over lengths, inputs and loads; some answers `stall` twentyfold."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        output, given = float(np.exp(rng.uniform(3, 11))), float(np.exp(rng.uniform(5, 11)))
        busy = int(rng.integers(0, 96))
        slower = stretch(busy, 64) * math.exp(pace.drag * min(1.0, busy / 64))
        first = (pace.first_token_s + pace.read_s * given) * slower * float(np.exp(rng.normal(0, 0.1)))
        rest = output / pace.tokens_per_s(output) * slower * float(np.exp(rng.normal(0, 0.1)))
        rest *= 20.0 if rng.random() < stalls else 1.0
        yield Timing(first + rest, output, given, first if streamed else None, busy, 64)


def after(timings: Iterable[Timing], speeds: Speeds | None = None) -> Speeds:
    found = speeds or prior(CATALOG)
    for timing in timings:
        found = found.observe(KEY, timing)
    return found


@pytest.mark.parametrize(("streamed", "count"), [(True, 150), (False, 400)])
def test_learns_a_pace(streamed: bool, count: int) -> None:
    """First token, reading, five bands and load are found, from whole times alone too if there are more of them."""
    pace = after(answers(count, streamed=streamed)).paces[KEY]
    assert pace.bands == pytest.approx(TRUE.bands, rel=0.2)
    assert pace.first_token_s == pytest.approx(TRUE.first_token_s, rel=0.2)
    assert pace.read_s == pytest.approx(TRUE.read_s, rel=0.3)
    assert pace.drag == pytest.approx(TRUE.drag, abs=0.15)
    assert 0.08 < pace.jitter < 0.15


def test_few_answers_move_half_way() -> None:
    """The catalog counts for a few answers; what is learned of short outputs is believed of longer ones too."""
    short = [Timing(0.6 + 100 / 304, 100.0, 0.0, 0.6)] * 3
    pace = after(short).paces[KEY]
    assert 152 * 1.3 < pace.bands[0] < 304
    assert 60 < pace.bands[-1] < 60 * pace.bands[0] / 152


def test_others_stay() -> None:
    """One deployment's answers say nothing of another's, and the old value keeps."""
    old = prior(CATALOG)
    new = after(answers(5), old)
    assert new.paces["m:metal"] is old.paces["m:metal"] and old.paces[KEY] == PACES[KEY]
    assert old.observe("gone:main", next(answers(1))) is old


def test_stalls_do_not_count_for_much() -> None:
    """One answer in twenty-five that takes twenty times as long moves the speed by little."""
    calm, rough = (after(answers(300, stalls=s)).paces[KEY] for s in (0.0, 0.04))
    assert rough.bands[1] == pytest.approx(calm.bands[1], rel=0.15)


def test_a_lasting_change_is_no_outlier() -> None:
    """A deployment that becomes five times slower is known for it after two dozen answers."""
    slow = Pace(6.0, tuple(b / 5 for b in TRUE.bands), read_s=25e-5, drag=TRUE.drag)
    pace = after(answers(24, slow, seed=2), after(answers(500))).paces[KEY]
    assert pace.tokens_per_s(1000) == pytest.approx(slow.tokens_per_s(1000), rel=0.3)


def test_reopened() -> None:
    """Once found to have changed, a deployment is learned as if it were new; one that never answered already is."""
    learned = after(answers(500))
    double = [Timing(0.6 + 500 / 600, 500.0, 0.0, 0.6)]
    careful, open_ = (after(double, s).paces[KEY].bands[0] for s in (learned, learned.reopened(KEY)))
    assert open_ > careful * 1.1
    assert learned.reopened("m:metal") is learned


def test_forgets() -> None:
    """However long it was watched, certainty has a limit: a hundred answers at a new speed are believed."""
    faster = Pace(TRUE.first_token_s, tuple(1.3 * b for b in TRUE.bands), read_s=TRUE.read_s, drag=TRUE.drag)
    pace = after(answers(150, faster, seed=3), after(answers(1500))).paces[KEY]
    assert pace.tokens_per_s(1000) == pytest.approx(faster.tokens_per_s(1000), rel=0.1)


def test_in_one_piece() -> None:
    """An upstream that holds its stream back until the end is as good as not streamed: no speed beyond belief."""
    held = [Timing(8.0, 1000.0, 0.0, 7.99)] * 100
    pace = after(held).paces[KEY]
    assert pace.seconds(1000) == pytest.approx(8.0, rel=0.1) and pace.tokens_per_s(1000) < 1000


@pytest.mark.parametrize(
    "timing",
    [Timing(0.0, 100.0), Timing(-1.0, 100.0), Timing(5.0, 0.0), Timing(0.0, 100.0, 0.0, 0.0)],
)
def test_what_teaches_nothing(timing: Timing) -> None:
    """Times and tokens that are not positive."""
    pace = after([timing]).paces[KEY]
    assert (pace.first_token_s, *pace.bands) == pytest.approx((PACES[KEY].first_token_s, *PACES[KEY].bands))


def test_a_short_answer_tells_only_its_first_token() -> None:
    """A handful of tokens says nothing of speed."""
    pace = after([Timing(2.0, 3.0, 0.0, 1.2)] * 20).paces[KEY]
    assert pace.first_token_s == pytest.approx(1.2, rel=0.1) and pace.bands == pytest.approx(PACES[KEY].bands)


def test_answer_under_load() -> None:
    """Reading, drag and sharing all stretch what is expected."""
    pace, size = Pace(0.5, (100.0,) * 5, read_s=1e-4, drag=0.4), length(1000, 1000, None, None, 0.0)
    assert pace.answer(size, 5000, 0, 4)[:2] == pytest.approx((1.0, 100.0))
    first, speed, time = pace.answer(size, 5000, 2, 4)
    assert (first, speed) == pytest.approx((math.exp(0.2), 100 / math.exp(0.2)))
    assert time.quantile(0.0) == pytest.approx(11.0 * math.exp(0.2))
    assert pace.answer(size, 5000, 7, 4)[0] == pytest.approx(2.0 * math.exp(0.4))


def test_survives_being_written() -> None:
    """The whole of it goes through msgpack and comes back the same."""
    speeds = after(answers(20))
    back = msgspec.msgpack.decode(msgspec.msgpack.encode(speeds), type=Speeds)
    assert (back.paces, back.tracks) == (speeds.paces, speeds.tracks)
