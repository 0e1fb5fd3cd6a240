"""Drift: a change is noticed soon, none is seen where there is none, and what was learned then counts little."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.drift import false_alarms, longer, noticed
from benchmarks.learning_success import catalog
from router.beliefs import Beliefs
from router.beliefs.ability import blank
from router.beliefs.drift import RATIO, SETTLED, WARM, Alarm, Chance, Drift, news
from router.beliefs.lengths import Asked, Lengths
from router.beliefs.likelihood import Try
from router.outcome import Attempt, Evidence, Trial
from router.reports import Heard, Report

KEY = ("m", "c")
FIRM = Chance(0.7, 0.12, 0.0)


def told(right: float, wrong: float, score: float | None = None) -> Try:
    return Try(0, 0, right, wrong, score)


RIGHT, WRONG = told(1.0, 0.0), told(0.0, 1.0)


def after(drift: Drift, told: Try, times: int) -> Drift:
    for _ in range(times):
        drift = drift.success(KEY, FIRM, told)
    return drift


def settled() -> Drift:
    """After as many outcomes as are let pass, seven of ten right."""
    drift = Drift()
    for i in range(round(WARM)):
        drift = drift.success(KEY, FIRM, RIGHT if i % 10 < 7 else WRONG)
    return drift


def test_a_drop_of_15_points_is_noticed_within_200_outcomes() -> None:
    """In a drawn world of two models, learning as in serving."""
    found = [noticed(700_000 + seed, p, settled=600) for p in (0.65, 0.8) for seed in range(6)]
    assert np.mean(found) <= 200 and sum(f <= 250 for f in found) >= 8


def test_no_more_than_one_false_alarm_in_10_000() -> None:
    """Where nothing changes, both models and both directions together.

    At one in 10,000, more than four in 20,000 come up once in twenty draws of seeds; the benchmark counts 200,000.
    """
    assert sum(false_alarms(710_000 + i, p, 5_000) for i, p in enumerate((0.6, 0.7, 0.8, 0.6))) <= 4


def test_an_answer_twice_as_long_is_noticed() -> None:
    """Within some dozens of answers, and nothing before."""
    found = [longer(seed, 2.0) for seed in range(5)]
    assert all(f is not None and f <= 60 for f in found)


@pytest.mark.parametrize(("seen", "direction"), [(WRONG, "down"), (RIGHT, "up"), (told(0.2, 0.8, 0.2), "down")])
def test_either_direction(seen: Try, direction: str) -> None:
    """A row of failures is a drop, a longer one of successes a rise; after the alarm both sums begin anew."""
    drift, count = settled(), 0
    while not drift.alarms:
        drift, count = drift.success(KEY, FIRM, seen), count + 1
    assert drift.alarms == {(*KEY, direction): 1} and 10 < count < 80
    assert drift.watches[KEY].seen == 0


def test_nothing_is_told_before_a_model_is_known() -> None:
    """First outcomes move beliefs, they are no change."""
    assert not after(Drift(), WRONG, round(WARM)).alarms


def test_what_says_little_moves_little() -> None:
    """A sign that right answers show nearly as often is worth a fraction of a verdict; silence nothing at all."""
    start = settled()
    hint, verdict, silence = (after(start, seen, 1).watches[KEY] for seen in (told(0.9, 1.0), WRONG, told(1.0, 1.0)))
    assert start.watches[KEY].down < hint.down < start.watches[KEY].down + (verdict.down - start.watches[KEY].down) / 5
    assert (silence.down, silence.up) == (start.watches[KEY].down, start.watches[KEY].up)


def test_scores_are_held_against_the_chance_itself() -> None:
    """An answer that is right to the share believed is no surprise in either direction, however often it comes."""
    assert not after(settled(), told(0.7, 0.3, 0.7), 500).alarms


def test_a_later_verdict_counts_once() -> None:
    """What was told of the same attempt before is taken back, and it is no further outcome."""
    start = after(settled(), WRONG, 3)
    accepted = told(0.9, 0.8)
    twice = start.success(KEY, FIRM, accepted).success(KEY, FIRM, WRONG, accepted)
    once = start.success(KEY, FIRM, WRONG)
    assert twice.watches[KEY].down == pytest.approx(once.watches[KEY].down)
    assert twice.watches[KEY].seen == once.watches[KEY].seen


def test_beliefs_that_follow_a_change_do_not_hide_it() -> None:
    """A sum is held against what was believed when it left zero."""
    drift = settled()
    for i in range(200):
        sinking = Chance(0.7 - 0.0015 * i, 0.12, -0.0125 * i)
        drift = drift.success(KEY, sinking, RIGHT if i % 2 else WRONG)
        if drift.alarms:
            break
    assert drift.alarms == {(*KEY, "down"): 1}


def test_ratios() -> None:
    """Steadily off is no change; a jump is, and wild single values are clipped."""
    rng, drift = np.random.default_rng(0), Drift()
    for _ in range(600):
        drift = drift.ratio(KEY, 0.7 + rng.normal())
    assert not drift.alarms
    sums = drift.watches[KEY]
    wild = drift.ratio(KEY, 1e6).watches[KEY]
    assert wild.up - sums.up < RATIO / 3
    count = 0
    while not drift.alarms:
        drift, count = drift.ratio(KEY, 2.7 + rng.normal()), count + 1
    assert drift.alarms == {(*KEY, "up"): 1} and count < 20
    early = Drift()
    for _ in range(round(SETTLED)):
        early = early.ratio(KEY, rng.normal() * 50)
    assert early.watches[KEY].up == early.watches[KEY].down == 0.0


def test_news_and_what_is_carried() -> None:
    """Each alarm is told once; models that are gone are forgotten."""
    before = settled()
    found = after(before, WRONG, 40)
    assert list(news("success", before, found)) == [Alarm("success", *KEY, "down")]
    assert not list(news("success", found, found)) and not list(news("success", before, settled()))
    more = Drift(found.watches, {**found.alarms, ("n", "c", "up"): 2})
    assert list(news("cost", found, more)) == [Alarm("cost", "n", "c", "up")]
    assert found.carried(frozenset({"m"})) == found and found.carried(frozenset({"n"})) == Drift()


def test_a_changed_model_is_learned_anew() -> None:
    """After the alarm the same outcomes move its belief far more, and those of others as before."""
    known = Beliefs.prior(catalog("m", "n"))
    right = [Evidence("c", (Trial(arm, 1.0),)) for arm in ("m/off", "n/off")]
    wrong = Evidence("c", (Trial("m/off", 0.0),))
    for i in range(600):
        known = known.learn(wrong if i % 10 == 0 else right[i % 2])
    start = known
    while not list(known.changes(start)):
        known = known.learn(wrong)
    before, now = ({a: s.success.of(a, "c", 1.5, 1.0) for a in ("m/off", "n/off")} for s in (start, known))
    assert now["m/off"].sd > 2 * before["m/off"].sd and now["n/off"].sd < 1.5 * before["n/off"].sd
    assert now["m/off"].p == pytest.approx(known.success.of("m/off", "c", 1.5, 1.0).p)
    assert list(known.changes(start)) == [Alarm("success", "m", "c", "down")]
    place = start.success.arms.index("m/off")
    assert known.success.calibration.seen[place] == 0


def test_widening_keeps_the_mean_of_what_was_seen() -> None:
    """Less information about the chosen arms, where it points stays; an unknown class stays as it is."""
    ability = blank((0, 0, 1))
    rng = np.random.default_rng(1)
    for _ in range(30):
        arm = np.array([rng.integers(3)])
        ability = ability.add("c", arm, rng.normal(size=1), np.array([[0.2]]), 1.0)
    wide = ability.widened("c", np.array([0, 1]), 0.05)
    assert wide.precision[0][0, 0] == pytest.approx(0.05 * ability.precision[0][0, 0])
    assert wide.precision[0][2, 2] == ability.precision[0][2, 2]
    means = [np.linalg.lstsq(a.precision[0], a.shift[0], rcond=None)[0] for a in (ability, wide)]
    assert means[0] == pytest.approx(means[1])
    assert (np.diag(wide.of("c")[1])[:2] > np.diag(ability.of("c")[1])[:2]).all()
    assert ability.widened("d", np.array([0]), 0.05) is ability


ASKED = Asked("c", 400.0, 1_600.0, input_tokens=1_000.0)


def taught(lengths: Lengths, arms: tuple[str, ...], factor: float, count: int, seed: int) -> Lengths:
    rng = np.random.default_rng(seed)
    for i in range(count):
        tokens = round(300 * math.exp(rng.normal(0.0, 0.6)) * (factor if arms[i % len(arms)] == "m/off" else 1.0))
        lengths = lengths.observe(arms[i % len(arms)], ASKED, max(1, tokens))
    return lengths


def test_a_model_that_answers_otherwise_is_learned_anew() -> None:
    """Its own factor moves at once, the class's lengths stay; where it is the only one, the class starts afresh."""
    known = Lengths({"m/off": 0.0, "n/off": 0.0}, {"m/off": "m", "n/off": "n"})
    known = taught(known, ("m/off", "n/off"), 1.0, 600, 0)
    changed = known.widened("m", "c")
    assert changed.cell("m/off", "c").offset.weight < 5 < changed.cell("n/off", "c").offset.weight
    assert changed.shapes is known.shapes
    alone = taught(Lengths({"m/off": 0.0}, {"m/off": "m"}), ("m/off",), 1.0, 300, 0).widened("m", "c")
    assert len(alone.shapes["c"].values) == 32
    tripled = taught(known, ("m/off", "n/off"), 3.0, 80, 1)
    assert list(news("length", known.changes, tripled.changes)) == [Alarm("length", "m", "c", "up")]
    cut = known.observe("m/off", ASKED, 5_000, cut=True)
    assert cut.changes is known.changes


def test_costs_are_watched() -> None:
    """An attempt that costs more than was expected of it is held against it, unless it was cut off."""
    rng, beliefs = np.random.default_rng(2), Beliefs.prior(catalog("m"))

    def heard(usd: float, finish: str = "stop") -> Heard:
        attempt = Attempt(
            *("m/off", "m", "d", 0, 0.0, 1.0), input_tokens=100, output_tokens=300, cost_usd=usd, finish_reason=finish
        )
        return Heard(ASKED, 1, (Report(attempt, 100, 0, 1, 0.01),))

    for _ in range(150):
        beliefs = beliefs.heard(heard(0.01 * math.exp(rng.normal(0.0, 0.3))))
    calm = beliefs
    assert beliefs.heard(heard(0.5, "length")).costs is beliefs.costs
    while not list(beliefs.changes(calm)):
        beliefs = beliefs.heard(heard(0.03))
    assert list(beliefs.changes(calm)) == [Alarm("cost", "m", "c", "up")]


def test_another_first_attempt_is_no_sign() -> None:
    """Where it turns out that another arm went first, neither is held against what was believed."""
    known = Beliefs.prior(catalog("m", "n"))
    for _ in range(round(WARM) + 1):
        known = known.learn(Evidence("c", (Trial("m/off", 1.0),)))
    before = Evidence("c", (Trial("m/off", None, True, 0.9, 0.5),))
    known = known.learn(before)
    corrected = known.learn(Evidence("c", (Trial("n/off", 0.0),)), before)
    assert corrected.success.drift is known.success.drift and corrected.version == known.version + 1
