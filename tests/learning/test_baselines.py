"""Fixed choices and the oracle."""

from __future__ import annotations

import pytest

from router.learning import baselines
from router.learning.tally import ATTEMPTS, COST, REFUSED, SECONDS, SUCCESS, Tally
from router.learning.trace import Step
from router.learning.walk import Judge
from tests.learning.made import step, tried, world

STEPS = [
    step(0, {"a": tried(True, 1.0, latency_s=1.0), "b": tried(True, 4.0, latency_s=3.0)}),
    step(1, {"a": tried(False, 1.0, latency_s=1.0), "b": tried(True, 4.0, latency_s=3.0)}),
    step(2, {"a": tried(False, 1.0, latency_s=1.0), "b": tried(False, 4.0, latency_s=3.0)}, retries=0),
    step(3, {"b": tried(False, 4.0, latency_s=3.0, attempts=(False, True))}),
]


def named(tallies: list[Tally]) -> dict[str, Tally]:
    return {t.name: t for t in tallies}


def column(tally: Tally, number: int) -> list[float]:
    return [float(x) for x in tally.mean[:, number]]


def test_each_is_exact() -> None:
    """Success, cost, time and attempts of every step, worked out by hand."""
    found = named(baselines.all_of(STEPS, [Judge()]))
    assert list(found) == ["always a", "always b", "random", "a then b", "oracle"]
    assert column(found["always a"], SUCCESS) == [1, 0, 0, 0] and column(found["always a"], REFUSED) == [0, 0, 0, 1]
    assert column(found["always a"], COST) == [1, 1, 1, 0]
    assert column(found["always b"], SUCCESS) == [1, 1, 0, 0] and column(found["always b"], COST) == [4, 4, 4, 4]
    assert column(found["random"], SUCCESS) == [1, 0.5, 0, 0] and column(found["random"], COST) == [2.5, 2.5, 2.5, 4]
    assert column(found["a then b"], SUCCESS) == [1, 1, 0, 0] and column(found["a then b"], COST) == [1, 5, 1, 4]
    assert column(found["a then b"], ATTEMPTS) == [1, 2, 1, 1] and column(found["a then b"], SECONDS) == [1, 4, 1, 3]
    assert column(found["oracle"], SUCCESS) == [1, 1, 0, 1] and column(found["oracle"], COST) == [1, 4, 1, 8]


def test_first_choices_are_counted() -> None:
    """Where an arm could not take the step, the next one is the first."""
    found = named(baselines.all_of(STEPS, [Judge()]))
    assert found["a then b"].first == {"a": 3, "b": 1}
    assert found["random"].first == {"a": 1.5, "b": 2.5}


def test_a_cascade_is_averaged_over_judges() -> None:
    """A judge that is often wrong makes it stop early; several of them give a mean."""
    found = named(baselines.all_of(STEPS, [Judge(0.9, 0.5, seed) for seed in range(400)]))["a then b"]
    success = column(found, SUCCESS)
    # Step 0: right, unless b is asked in vain. Step 1: b is asked where a's wrong answer is seen.
    assert success[0] == 1.0 and 0.4 < success[1] < 0.6
    assert 1.2 < column(found, COST)[0] < 1.6


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nobody_beats_the_oracle(seed: int) -> None:
    """Step by step it succeeds where anything does; and no right answer is cheaper."""
    tallies = baselines.all_of(world(300, seed), [Judge()])
    best = named(tallies)["oracle"]
    for tally in tallies:
        if tally.kind == "random":
            continue
        assert (best.mean[:, SUCCESS] >= tally.mean[:, SUCCESS]).all(), tally.name
        both = (best.mean[:, SUCCESS] == 1) & (tally.mean[:, SUCCESS] == 1)
        assert (best.mean[both, COST] <= tally.mean[both, COST] + 1e-12).all(), tally.name


def many(count: int) -> list[Step]:
    """Arms of which each dearer one is surer, up to the tenth."""
    shares = {f"m{i:02d}": min(i, 10) for i in range(count)}
    return [step(n, {name: tried(n < k, 1.0 + k) for name, k in shares.items()}) for n in range(20)]


@pytest.mark.parametrize(("arms", "pairs"), [(1, 0), (2, 1), (8, 28), (9, 28), (40, 28)])
def test_cascades_are_bounded(arms: int, pairs: int) -> None:
    """The cheaper first, the same arm never twice, at most 28, from the cheapest arm to the surest."""
    cascades = [t.name.split(" then ") for t in baselines.all_of(many(arms), [Judge()]) if t.kind == "cascade"]
    assert len(cascades) == pairs
    assert all(first < second for first, second in cascades)
    if arms == 40:
        assert ["m00", "m10"] in cascades
