"""What outcomes do to beliefs on success: whole steps at once, later verdicts, facts, words, forgetting."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from router.beliefs import text
from router.beliefs.latent import marginal
from router.beliefs.success import Memory, Successes, prior
from router.outcome import Evidence, Trial
from tests.beliefs.worlds import ARMS, CATALOG, World, blank, said
from tests.plan.small import Q122, Q397, N

MU = {N: 0.66, Q122: 1.53}


def p(known: Successes, arm: str, step_class: str = "task") -> float:
    return known.of(arm, step_class, 1.5, 1.0).p


def test_nothing_said_changes_nothing() -> None:
    """Without trials that say something the very same beliefs stay, and they are those of the scores."""
    old = blank()
    unknown, silent = Trial("gone/off", 1.0), Trial(N)
    deaf = Trial(N, accepted=True, t=0.9, f=0.9)
    assert old.observe(Evidence("task", (unknown, silent, deaf))) is old
    assert p(old, N) == pytest.approx(0.6047) and old.of(N, "task", 1.5, 1.0) is old.of(N, "task", 1.5, 1.0)
    with pytest.raises(KeyError):
        old.of("gone/off", "task", 1.5, 1.0)


def test_outcomes_move_their_arm_most_then_its_class_then_others() -> None:
    """Failures of one arm lower it; other arms of the class less, the arm elsewhere less too; the old value stays."""
    old = new = blank()
    for _ in range(40):
        new = new.observe(said((N, 0.0)))
    drop = {key: p(old, *key) - p(new, *key) for key in ((N, "task"), (Q122, "task"), (N, "chat"), (Q122, "chat"))}
    assert drop[N, "task"] > 0.2 and p(old, N) == pytest.approx(0.6047)
    assert drop[N, "task"] > drop[Q122, "task"] > drop[Q122, "chat"] > 0.0
    assert drop[N, "task"] > drop[N, "chat"] > 0.0
    assert new.of(N, "task", 1.5, 1.0).sd < old.of(N, "task", 1.5, 1.0).sd
    assert new.of(N, "task", 1.5, 1.0).strength > 40


def test_strong_model_tried_only_after_failures_is_judged_fairly() -> None:
    """The cheap model goes first, the strong one only sees what it failed at: taken jointly that biases nothing; taken
    one by one, the strong one would look far worse than it is."""
    true, joint, alone = {arm: marginal(mu, 1.5, 1.0) for arm, mu in MU.items()}, [], []
    for seed in range(3):
        world, together, apart = World(seed, MU), blank(), blank()
        for _ in range(500):
            step = world.step((N, N, Q122))
            together = together.observe(step)
            for trial in step.trials:
                apart = apart.observe(Evidence("task", (trial,)))
        joint.append([p(together, arm) - true[arm] for arm in MU])
        alone.append(p(apart, Q122) - true[Q122])
    assert np.abs(np.mean(joint, axis=0)).max() < 0.03
    assert np.mean(alone) < -0.08


def test_later_verdict_is_not_counted_twice() -> None:
    """A verdict that comes after a check was counted leads to where both told at once lead."""
    checked = Evidence("task", (Trial(N, accepted=True, t=0.95, f=0.6),))
    judged = Evidence("task", (Trial(N, 0.0, accepted=True, t=0.95, f=0.6),))
    once, later, twice, start = blank(), blank(), blank(), blank()
    for _ in range(10):
        once = once.observe(judged)
        later = later.observe(checked).observe(judged, checked)
        twice = twice.observe(checked).observe(judged)
    assert p(later, N) == pytest.approx(p(once, N), abs=0.01)
    assert p(once, N) + 0.02 < p(twice, N) < p(start, N)
    assert later.observe(judged, judged) is later


def test_a_verdict_taken_back_undoes_it() -> None:
    """Evidence that is told again with nothing known leaves the beliefs about where they were."""
    wrong = said((N, 0.0))
    back = blank().observe(wrong).observe(Evidence("task", (Trial(N),)), wrong)
    assert abs(p(back, N) - p(blank(), N)) < abs(p(blank().observe(wrong), N) - p(blank(), N)) / 4


@pytest.mark.parametrize("arms", [(N,), (N, Q122)])
def test_weight_and_scores(arms: tuple[str, ...]) -> None:
    """Half the weight moves beliefs about half as far; a score of one half lies between right and wrong."""
    start = p(blank(), N)
    whole, half, middle = (
        p(blank().observe(said(*((a, right) for a in arms), weight=weight)), N) - start
        for right, weight in ((0.0, 1.0), (0.0, 0.5), (0.5, 1.0))
    )
    assert 0.4 * whole > half > 0.7 * whole
    assert whole < middle < p(blank().observe(said(*((a, 1.0) for a in arms))), N) - start


def test_noisy_detector_says_less_than_a_verdict() -> None:
    """A rejection by a check that often errs lowers belief, less than a verdict does."""
    start, rejected = p(blank(), N), Evidence("task", (Trial(N, accepted=False, t=0.9, f=0.5),))
    assert p(blank().observe(said((N, 0.0))), N) < p(blank().observe(rejected), N) < start


def test_facts_are_learned_and_shared() -> None:
    """What makes steps hard for one arm is expected of others too, less; and abilities stay apart from it."""
    rng, known = np.random.default_rng(1), blank()
    for _ in range(600):
        x = (float(rng.uniform(-1, 1)), float(rng.uniform(-1, 1)))
        logit = 0.66 - 2.0 * x[0] + rng.normal() * 1.8
        known = known.observe(said((N, float(rng.uniform() < 1 / (1 + np.exp(-logit)))), x=x))
    hard, easy = known.shifts("task", (1.0, 0.0)), known.shifts("task", (-1.0, 0.0))
    other = known.shifts("task", (0.0, 1.0))
    usual = known.shifts("task", (0.0, 0.0))
    assert hard[0] - usual[0] == pytest.approx(usual[0] - easy[0]) and abs(usual[0]) < 0.1 and hard[0] < -0.9
    assert hard[0] < hard[1] < -0.2 and abs(other[0]) < 0.4
    assert known.shifts("chat", (1.0, 0.0))[0] < -0.2
    assert p(known, N) == pytest.approx(0.6047, abs=0.07)
    assert not blank().shifts("task", (1.0, 0.0)).any() and not blank().reads and known.reads


def test_words_are_learned() -> None:
    """A word that goes with failure lowers the chance of steps that have it, where text is read; else it is nothing."""
    known, deaf = prior(CATALOG, words=True), blank()
    for i in range(150):
        for word, right in (("integral", 0.0), ("capital", 1.0)):
            told = said((N, right), text=text.hashed(f"the {word} of number {i}"))
            known, deaf = known.observe(told), deaf.observe(told)
    hard, easy = (known.shifts("task", (), text.hashed(f"an {w} of this"))[0] for w in ("integral", "capital"))
    assert hard < easy - 0.5
    assert not deaf.shifts("task", (), text.hashed("an integral")).any() and not deaf.reads


def test_forgetting() -> None:
    """What a model could do long ago counts less than what it does now, by outcomes and by time."""
    steps = [(1.0, 0.0)] * 70 + [(0.0, 1e6)] * 30  # too few for drift to be told
    found = {}
    for name, memory in (("all", Memory(1e9, 1e12)), ("few", Memory(40.0, 1e12)), ("time", Memory(1e9, 1e6))):
        known = prior(CATALOG, memory=memory)
        for right, at in steps:
            known = known.observe(said((N, right), at=at))
        found[name] = p(known, N)
    assert found["few"] < found["all"] - 0.1 and found["time"] < found["all"] - 0.1


def test_order_matters_little() -> None:
    """The same outcomes in another order lead to about the same beliefs: each update is close to exact."""
    outcomes = [(N, 1.0), (N, 0.0), (Q122, 1.0), (N, 0.0), (Q397, 1.0), (Q122, 0.0)]
    ends = []
    for order in itertools.islice(itertools.permutations(outcomes), 0, 720, 60):
        known = blank()
        for one in order:
            known = known.observe(said(one))
        ends.append([p(known, arm) for arm in ARMS])
    assert np.ptp(ends, axis=0).max() < 0.02


def test_spread_is_learned_and_used() -> None:
    """Where retries of one model nearly always end alike, the class is taken to be wide; chances stay what they are."""
    known = blank()
    for i in range(200):
        right = float(i % 5 > 1)
        known = known.observe(said((N, right), (N, right)))
    learned = known.spread("task")
    assert np.hypot(learned.sigma, learned.tau) > 3.0
    assert known.of(N, "task", learned.sigma, learned.tau).p == pytest.approx(0.6, abs=0.05)
    assert known.spread("chat", 1.2, 0.7).sigma == 1.2


def test_updates_are_quick() -> None:
    """Hundreds of outcomes a second can be learned from: no update may cost what a decision must not."""
    known, x = blank(), tuple([0.5] * 20)
    began = time.process_time()
    for i in range(100):
        known = known.observe(said((ARMS[i % 3], float(i % 2)), x=x))
    assert time.process_time() - began < 1.0


def test_a_caller_that_tells_of_wrong_answers_alone_calibrates_nothing_away() -> None:
    """Its silence is counted beside them, by as much as it is worth: else each window would pull the arm down."""
    known = blank()
    first = p(known, N)
    quiet = Evidence("task", (Trial(N, seen=(1.0, 0.02)),))
    for i in range(600):
        known = known.observe(quiet if i * 61 % 100 < 61 else said((N, 0.0)))
    assert abs(p(known, N) - first) < 0.03
    assert abs(known.calibration.shift[known.arms.index(N)]) < 0.15


def test_scores_calibrate_too() -> None:
    """As verdicts that are right in part."""
    known = blank()
    for _ in range(400):
        known = known.observe(said((N, 0.3)))
    assert known.calibration.shift[known.arms.index(N)] != 0.0
    assert abs(p(known, N) - 0.3) < 0.08


def test_a_second_attempt_told_later_is_one_sequence_with_the_first() -> None:
    """The spreads are learned from what the whole step comes to, whether it was told at once or bit by bit."""
    at_once = bit_by_bit = blank()
    for i in range(60):
        first = said((N, float(i % 3 == 0)), at=float(i))
        whole = said((N, float(i % 3 == 0)), (N, float(i % 3 == 0)), at=float(i))
        third = said(*[(N, float(i % 3 == 0))] * 3, at=float(i))
        at_once = at_once.observe(third)
        bit_by_bit = bit_by_bit.observe(first).observe(whole, first).observe(third, whole)
    told, one = bit_by_bit.spread("task"), at_once.spread("task")
    assert told.sigma**2 + told.tau**2 > 4.0 > 1.5**2 + 1.0
    assert (told.sigma, told.tau) == pytest.approx((one.sigma, one.tau), abs=0.35)
