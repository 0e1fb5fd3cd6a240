"""Output length learned from answers: by arm and class, with hints, cuts, reasoning and runs; and q90 that holds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.beliefs.length import Length, length
from router.beliefs.lengths import Asked, Lengths, prior
from router.outcome import Past
from tests.plan.small import catalog, model

THINKS = {"on": {"reasoning_tokens": 900}, "off": {}}
PRIOR = prior(catalog({"m": model(50.0, (1, 1), thinking=THINKS), "n": model(50.0, (1, 1))}))
ON, OFF, N = "m/on", "m/off", "n/off"
ASKED = Asked("task", 400.0, 1600.0)


def of(beliefs: Lengths, arm: str = N, asked: Asked = ASKED) -> Length:
    return beliefs.about(asked).of(arm)


def asking(**changes: object) -> Asked:
    return msgspec.structs.replace(ASKED, **changes)


def learned(answers: Iterable[int], arm: str = N, beliefs: Lengths = PRIOR, asked: Asked = ASKED) -> Lengths:
    for tokens in answers:
        beliefs = beliefs.observe(arm, asked, tokens)
    return beliefs


def draws(median: float, spread: float, count: int, seed: int = 1) -> list[int]:
    return (
        np.maximum(1, np.exp(np.random.default_rng(seed).normal(math.log(median), spread, count))).astype(int).tolist()
    )


@pytest.mark.parametrize("changes", [{}, {"hint": 50}, {"max_tokens": 700}, {"q90": 300.0}])
def test_prior(changes: dict[str, object]) -> None:
    """Before any answer the policy's quantiles and the catalog's reasoning tokens hold."""
    asked = asking(**changes)
    for arm, reasoning in ((ON, 900.0), (OFF, 0.0), (N, 0.0)):
        expected = length(asked.q50, asked.q90, asked.hint, asked.max_tokens, reasoning)
        assert of(PRIOR, arm, asked) == expected
    assert PRIOR.about(ASKED).of(ON).thought == pytest.approx(900) and PRIOR.about(ASKED).of(N).thought == 0


def test_learns_a_class() -> None:
    """After some hundred answers the quantiles and the mean are those of the answers."""
    seen = draws(50, 0.8, 600)
    found = of(learned(seen))
    assert (found.q10, found.q50) == pytest.approx(np.quantile(seen, (0.1, 0.5)), rel=0.3)
    assert found.q90 == pytest.approx(np.quantile(seen, 0.9), rel=0.4)
    assert found.mean == pytest.approx(np.mean(seen), rel=0.2)


def test_old_beliefs_stay() -> None:
    """An observation makes a new value; whoever holds the old one sees no change."""
    old = learned(draws(50, 0.5, 50))
    before = of(old)
    learned(draws(5000, 0.5, 50), beliefs=old)
    assert of(old) == before


def test_what_teaches_nothing() -> None:
    """An answer without a token, or of an unknown arm."""
    assert PRIOR.observe(N, ASKED, 0) is PRIOR
    assert PRIOR.observe("gone/off", ASKED, 10) is PRIOR


def test_an_arm_has_its_own_length() -> None:
    """An arm that says things at three times the length is known by a few dozen answers, and moves no other arm."""
    a, b = draws(100, 0.4, 300, 1), draws(300, 0.4, 300, 2)
    beliefs = PRIOR
    for i in range(300):
        beliefs = beliefs.observe(OFF, ASKED, a[i])
        if i >= 260:
            beliefs = beliefs.observe(N, ASKED, b[i])
    assert of(beliefs, N).q50 / of(beliefs, OFF).q50 == pytest.approx(3.0, rel=0.35)
    assert of(beliefs, OFF).q50 == pytest.approx(100, rel=0.3)


def test_shrinkage() -> None:
    """A class without answers leans on the rest: on all classes' deviation from the policy, and on the arm's own."""
    beliefs = PRIOR
    for short, long in zip(draws(50, 0.3, 200, 1), draws(150, 0.3, 200, 2), strict=True):
        beliefs = beliefs.observe(OFF, ASKED, short).observe(N, ASKED, long)
    elsewhere = asking(step_class="other")
    assert of(beliefs, OFF, elsewhere).q50 < of(beliefs, N, elsewhere).q50 < 400
    assert of(beliefs, N, elsewhere).q50 / of(beliefs, OFF, elsewhere).q50 == pytest.approx(3.0, rel=0.3)
    # The other mode of the same model leans on the model.
    sibling = msgspec.structs.replace(PRIOR, reasoning={**PRIOR.reasoning, ON: 0.0})
    for short, long in zip(draws(50, 0.3, 200, 1), draws(150, 0.3, 200, 2), strict=True):
        sibling = sibling.observe(OFF, ASKED, short).observe(N, ASKED, long)
    assert of(sibling, ON).q50 < 0.8 * of(sibling, N).q50


def test_reasoning_is_learned_apart() -> None:
    """An arm's reasoning tokens are its own; the visible part is the class's."""
    beliefs = PRIOR
    for visible, hidden in zip(draws(100, 0.3, 200, 1), draws(5000, 0.3, 200, 2), strict=True):
        beliefs = beliefs.observe(ON, ASKED, visible, hidden)
    assert beliefs.about(ASKED).of(ON).thought == pytest.approx(5000, rel=0.15)
    assert of(beliefs, ON).reasoning == pytest.approx(5000, rel=0.25)
    assert of(beliefs, N).q50 < 250 and of(beliefs, N).reasoning == 0
    assert of(beliefs, ON, asking(max_tokens=1000)).q50 == 1000


def test_an_arm_that_stops_thinking() -> None:
    """Where answers say that an arm does not think, it is no longer taken to."""
    beliefs = PRIOR
    for visible in draws(100, 0.3, 400):
        beliefs = beliefs.observe(ON, ASKED, visible, 0)
    assert beliefs.about(ASKED).of(ON).thought < 2
    assert of(beliefs, ON).q50 == pytest.approx(100, rel=0.2)


def test_hint_narrows_and_is_checked() -> None:
    """A hint narrows what is believed. Callers who always expect half of what comes are corrected."""
    seen = draws(400, 1.0, 300)
    plain = learned(seen)
    hinted = of(plain, asked=asking(hint=2000))
    assert hinted.q50 == pytest.approx(2000) and hinted.q90 / hinted.q50 < of(plain).q90 / of(plain).q50
    beliefs = plain
    for tokens in draws(400, 1.0, 200, 3):
        beliefs = beliefs.observe(N, asking(hint=max(1, tokens // 2)), tokens)
    assert of(beliefs, asked=asking(hint=2000)).q50 == pytest.approx(4000, rel=0.1)


def test_useless_hints_lose_trust() -> None:
    """Hints that have nothing to do with the answers end up weighing little."""
    rng, beliefs = np.random.default_rng(5), PRIOR
    for tokens in draws(400, 0.2, 300):
        beliefs = beliefs.observe(N, asking(hint=int(rng.integers(1, 5000))), tokens)
    assert of(beliefs, asked=asking(hint=5000)).q50 < 800


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=12), st.integers(1, 4000))
@settings(max_examples=50, deadline=None)
def test_a_cut_answer_counts_as_longer(before: list[int], tokens: int) -> None:
    """What is known of an answer that was cut off is that it would have been longer: what answers are like in general
    is no shorter for it than for one that ended there."""
    beliefs = learned(before)
    whole, cut = (beliefs.observe(N, ASKED, tokens, cut=cut).about(ASKED).forecast for cut in (False, True))
    assert whole is not None and cut is not None
    for shorter, longer in zip(whole.opinions[0].levels, cut.opinions[0].levels, strict=True):
        assert longer >= shorter - 1e-9


def test_answers_that_are_always_cut() -> None:
    """If max_tokens cuts every answer off, the length is believed to lie beyond it, and does not run away."""
    beliefs, asked = PRIOR, asking(max_tokens=1000)
    for _ in range(500):
        beliefs = beliefs.observe(N, asked, 1000, cut=True)
    assert 1000 <= of(beliefs).q50 < 4000
    assert of(beliefs, asked=asked).q90 == 1000


def test_all_thought_and_cut() -> None:
    """An answer that was cut off while the arm still thought says nothing of its visible part."""
    beliefs = learned(draws(100, 0.3, 100), OFF)
    after = beliefs
    for _ in range(20):
        after = after.observe(ON, ASKED, 0, 2000, cut=True)
    assert after.about(ASKED).of(ON).thought > 1400
    assert of(after, OFF).q50 == pytest.approx(of(beliefs, OFF).q50, rel=0.3)


@given(
    st.lists(
        st.tuples(st.sampled_from([ON, OFF, N]), st.integers(1, 5000), st.integers(0, 5000), st.booleans()), max_size=25
    ),
    st.one_of(st.none(), st.integers(1, 9000)),
    st.one_of(st.none(), st.integers(1, 9000)),
)
@settings(max_examples=50, deadline=None)
def test_quantiles_are_ordered(answers: list[tuple[str, int, int, bool]], hint: int | None, limit: int | None) -> None:
    """Whatever was seen and asked: q10 <= q50 <= q90, all and the mean within max_tokens, reasoning within the mean."""
    beliefs = PRIOR
    for i, (arm, visible, hidden, cut) in enumerate(answers):
        beliefs = beliefs.observe(arm, asking(hint=hint if i % 2 else None), visible, hidden, cut=cut)
    for arm in (ON, OFF, N):
        found = of(beliefs, arm, asking(hint=hint, max_tokens=limit))
        assert 0 < found.q10 <= found.q50 <= found.q90
        assert 0 <= found.reasoning <= found.mean * (1 + 1e-9)
        assert limit is None or max(found.q90, found.mean) <= limit * (1 + 1e-9)


def covered(lengths: list[float], asked: Iterable[Asked]) -> np.ndarray:
    """Whether q90 held, answer by answer."""
    beliefs, held = PRIOR, []
    for tokens, question in zip(lengths, asked, strict=True):
        whole = max(1, int(tokens))
        held.append(whole <= of(beliefs, asked=question).q90)
        beliefs = beliefs.observe(N, question, whole)
    return np.array(held, float)


@pytest.mark.parametrize("kind", ["steady", "drifting", "jumping", "widening", "two humps"])
def test_q90_holds(kind: str) -> None:
    """Nine of ten answers stay below q90, over the stream and over any 500 in a row, whatever the stream does."""
    rng, n = np.random.default_rng(11), 2500
    at, noise = np.arange(n) / n, rng.normal(0.0, 1.0, n)
    logs = {
        "steady": 5.0 + noise,
        "drifting": 4.0 + 3.0 * at + 0.6 * noise,
        "jumping": 4.0 + 1.5 * (np.arange(n) // 625 % 2) + 0.6 * noise,
        "widening": 5.0 + (0.2 + 1.5 * at) * noise,
        "two humps": np.where(rng.random(n) < 0.3, 7.0, 3.0) + 0.2 * noise,
    }[kind]
    held = covered(np.exp(logs).tolist(), [ASKED] * n)
    assert 0.89 <= held.mean() <= 0.91
    assert np.convolve(held, np.ones(500) / 500, "valid").min() >= 0.86


def test_runs_and_new_input() -> None:
    """A run's earlier answers tell the next one's length; of its arms, each one's own length is discounted."""
    rng, beliefs = np.random.default_rng(12), PRIOR
    for _ in range(400):
        level = float(np.exp(rng.normal(5.0, 1.0)))
        past: tuple[Past, ...] = ()
        for arm in (N, OFF, N):
            tokens = max(1, round(level * (3.0 if arm == N else 1.0) * float(np.exp(rng.normal(0, 0.1)))))
            beliefs = beliefs.observe(arm, asking(past=past), tokens)
            past = (*past, Past(arm, tokens, 100))
    short, long = asking(past=(Past(N, 60), Past(OFF, 20))), asking(past=(Past(N, 1500), Past(OFF, 500)))
    assert of(beliefs, OFF, long).q50 / of(beliefs, OFF, short).q50 > 8
    assert of(beliefs, OFF, asking(past=(Past(OFF, 500),))).q50 == pytest.approx(
        of(beliefs, OFF, asking(past=(Past(N, 1500),))).q50, rel=0.3
    )


def test_news_are_what_the_run_added() -> None:
    """Of a run's input only what came after its last answer is new."""
    beliefs = PRIOR
    rng = np.random.default_rng(13)
    for i in range(600):
        before, added = int(rng.integers(1000, 50_000)), int(rng.choice([10, 1000]))
        asked = asking(kind="a" if i % 2 else "b", input_tokens=before + 50 + added, past=(Past(N, 50, before),))
        beliefs = beliefs.observe(N, asked, added // 2 + int(rng.integers(1, 4)))
    few, many = (asking(kind="a", input_tokens=20_050 + n, past=(Past(N, 50, 20_000),)) for n in (10, 1000))
    assert of(beliefs, N, many).q50 > 5 * of(beliefs, N, few).q50


def test_recent() -> None:
    """After a change, a class forgets all but its last answers and learns anew; other classes stay."""
    beliefs = learned(draws(50, 0.2, 500))
    beliefs = learned(draws(50, 0.2, 20), asked=asking(step_class="other"), beliefs=beliefs)
    fresh, other = beliefs.recent("task", 3), asking(step_class="other")
    slow, quick = (learned(draws(2000, 0.2, 5), beliefs=b) for b in (beliefs, fresh))
    assert of(quick).q50 > 300 > of(slow).q50
    assert of(fresh, asked=other) == of(beliefs, asked=other)
    assert beliefs.recent("never seen") is beliefs


def test_survives_being_written() -> None:
    """The whole of it goes through msgpack and comes back believing the same."""
    beliefs = PRIOR
    for visible, hidden in pairwise(draws(300, 1.0, 80)):
        beliefs = beliefs.observe(ON, asking(hint=200, past=(Past(N, 30, 5),)), visible, hidden)
    back = msgspec.msgpack.decode(msgspec.msgpack.encode(beliefs), type=Lengths)
    for arm in (ON, OFF, N):
        assert of(back, arm) == of(beliefs, arm)
