"""Replaying a trace under a policy."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import pytest
from msgspec.structs import replace as changed

from router.learning import baselines
from router.learning.replay import Way, order, replay
from router.learning.tally import ATTEMPTS, COST, REFUSED, SUCCESS, Tally
from router.learning.trace import Step
from router.learning.walk import Seen
from router.plan import Decision
from tests.learning.made import policy, shipped, step, tried, world

CATALOG = shipped()
N, Q = "nemotron-3-super/on", "qwen3.5-397b/on"
OFF = Way(learn="off")


def seen(steps: list[Step], way: Way = OFF, **changes: object) -> tuple[Tally, list[Seen]]:
    found: list[Seen] = []
    return replay(steps, policy(**changes), CATALOG, way, [found.append]), found


def decision(one: Seen) -> Decision:
    assert one.decision is not None
    return one.decision


def test_a_plan_is_walked_as_it_was_made() -> None:
    """The tally is what recorded outcomes make of the planner's own choice."""
    steps = world(200)
    tally, found = seen(steps)
    assert [s.step.step_id for s in found] == [s.step_id for s in steps]
    for at, one in enumerate(found):
        made = [one.names[m.arm] for m in one.walked.attempts]
        assert made == list(decision(one).chosen.arms[: len(made)])
        assert tally.sums[at, SUCCESS] == one.walked.success and tally.sums[at, COST] == one.walked.cost_usd
    assert tally.passes == 1 and sum(tally.first.values()) == 200


def test_nothing_is_tried_that_is_not_on_record() -> None:
    """An arm is asked as often as its record says; without `attempts` once, however much is asked for."""
    arms = {N: tried(False, attempts=(False, False), output_tokens=100), Q: tried(False, output_tokens=100)}
    _, found = seen([step(i, arms, accuracy=0.999, retries=3) for i in range(5)])
    assert [decision(one).chosen.arms.count(N) for one in found] == [2] * 5
    assert all([m.arm for m in one.walked.attempts].count(Q) == 1 for one in found)


def test_a_step_has_its_own_wish() -> None:
    """Its accuracy and retries come before the policy's, its class is the one that is planned and learned with."""
    arms = {N: tried(False, output_tokens=100), Q: tried(False, output_tokens=100)}
    wishes = [(None, None), (0.7, 0), (0.7, 3), (0.7, 900)]
    steps = [
        step(i, arms, step_class="anatomy", accuracy=accuracy, retries=retries)
        for i, (accuracy, retries) in enumerate(wishes)
    ]
    _, found = seen(steps)
    terms = [decision(one).terms for one in found]
    assert [t.accuracy for t in terms] == [None, 0.7, 0.7, 0.7]
    assert [t.max_attempts for t in terms] == [2, 1, 4, 4]
    assert {t.step_class for t in terms} == {"anatomy"}
    assert len(found[1].walked.attempts) == 1


def test_known_models_are_believed_by_their_scores() -> None:
    """Without learning, the catalog's numbers decide, through the class that the policy sorts the step into."""
    _, found = seen([step(0, {N: tried(True), Q: tried(True)}, step_class="code")])
    options = decision(found[0]).options
    assert options[N][0].p == pytest.approx(0.6047, abs=1e-3) and options[Q][0].p == pytest.approx(0.764, abs=1e-3)


def test_unknown_models_cost_what_the_past_says() -> None:
    """Nothing of a step's own cost is known before it; later the expectation is the mean so far."""
    steps = [step(i, {"a": tried(True, 0.001), "b": tried(True, 0.004)}, input_tokens=1_000) for i in range(10)]
    _, found = seen(steps)
    expected = [decision(one).options["b/off"][0].cost for one in found]
    assert expected[0] == 0 and expected[1:] == pytest.approx([0.004] * 9)
    assert [one.walked.attempts[0].arm for one in found[1:]] == ["a"] * 9


def test_an_outcome_is_not_known_before_its_decision() -> None:
    """Changing what comes of the last step changes no decision."""
    steps = world(60)
    flipped = {
        n: changed(t, success=not t.success, attempts=tuple(not a for a in t.attempts), output_tokens=9)
        for n, t in steps[-1].arms.items()
    }
    other = [*steps[:-1], changed(steps[-1], arms=flipped)]
    for learn in ("chosen", "full"):
        (_, one), (_, two) = (seen(s, Way(learn=learn)) for s in (steps, other))  # type: ignore[arg-type]
        assert [decision(a).chosen.arms for a in one] == [decision(b).chosen.arms for b in two]
        assert {n: c[0].p for n, c in decision(one[-1]).options.items()} == {
            n: c[0].p for n, c in decision(two[-1]).options.items()
        }


def test_an_arm_that_could_not_take_a_step_is_not_asked() -> None:
    """It is missing in the trace, so it is not planned with; a step that no gate lets through is refused."""
    steps = [step(0, {N: tried(True), Q: tried(True)}), step(1, {N: tried(True)}), step(2, {Q: tried(True)})]
    tally, found = seen(steps)
    assert [set(decision(one).options) for one in found] == [{N, Q}, {N}, {Q}]
    tally, found = seen([*steps, step(3, {N: tried(True)}, features={"images": 1})])
    assert found[3].decision is None and tally.sums[3].tolist() == [0, 0, 0, 0, 1, 0]
    tally = replay(steps, policy("apache-only"), CATALOG, OFF)
    assert tally.mean[:, REFUSED].tolist() == [0, 1, 0]


def test_learning_finds_the_better_model() -> None:
    """Two models of unknown ability: what is right nine times in ten is believed so, the other not."""
    steps = [step(i, {"a": tried(i % 10 == 0, 0.001), "b": tried(i % 10 != 0, 0.002)}) for i in range(200)]
    for learn in ("chosen", "full"):
        _, found = seen(steps, Way(learn=learn))  # type: ignore[arg-type]
        last = decision(found[-1]).options
        assert last["b/off"][0].p > 0.7 and last["b/off"][0].p > last["a/off"][0].p + 0.3
    _, found = seen(steps)
    assert decision(found[-1]).options["b/off"][0].p == decision(found[0]).options["b/off"][0].p


def test_chosen_reveals_only_what_was_tried() -> None:
    """What an arm that was never tried would have done changes nothing; with `full` it does."""
    steps = [step(i, {N: tried(True, 0.001), Q: tried(True, 0.001)}, retries=0) for i in range(80)]
    other = [changed(s, arms={**s.arms, Q: tried(False, 0.001)}) for s in steps]
    believed = {}
    for learn in ("chosen", "full"):
        pair = []
        for each in (steps, other):
            _, found = seen(each, Way(learn=learn), thinking={"on"})  # type: ignore[arg-type]
            assert {m.arm for one in found for m in one.walked.attempts} == {N}
            pair.append(decision(found[-1]).options[Q][0].p)
        believed[learn] = pair
    assert believed["chosen"][0] == believed["chosen"][1]
    assert believed["full"][0] > believed["full"][1] + 0.1


def test_lengths_and_speeds_are_learned() -> None:
    """Answers of 3,000 tokens in 10 s are expected so after a while; without learning the class's prior stays."""
    steps = [step(i, {N: tried(True, 0.001, output_tokens=3_000, latency_s=10.0)}, run_id="r") for i in range(60)]
    _, found = seen(steps, Way(learn="chosen"))
    last = decision(found[-1]).options[N][0]
    assert 2_000 < last.output_q50 < 4_500 and 6 < last.seconds < 16
    _, found = seen(steps)
    assert decision(found[-1]).options[N][0].output_q50 == decision(found[0]).options[N][0].output_q50


def test_a_judge_that_passes_everything_leaves_one_attempt() -> None:
    """Without verification only one-shot plans count."""
    tally, _ = seen(world(100), Way(learn="off", f=1.0))
    assert (tally.mean[:, ATTEMPTS] == 1).all()


def test_nobody_beats_the_oracle() -> None:
    """Neither does a policy that learns."""
    steps = world(250)
    best = baselines.oracle(steps)
    for way in (OFF, Way(learn="full", t=0.9, f=0.2)):
        tally = replay(steps, policy("accuracy-first"), CATALOG, way)
        assert (best.mean[:, SUCCESS] >= tally.mean[:, SUCCESS]).all()


def test_the_same_seed_gives_the_same() -> None:
    """Twice the same, to the last digit; several seeds are several passes."""
    steps = world(120)
    way = Way(learn="chosen", t=0.9, f=0.1, seeds=2)
    one, two = (replay(steps, policy(), CATALOG, way) for _ in range(2))
    assert (one.sums == two.sums).all() and one.first == two.first and one.passes == 2
    assert one.mean[:, ATTEMPTS].max() <= 2


def test_seeds_shuffle_runs() -> None:
    """The first order is the trace's; in the others each run stays together and in its order."""
    steps = world(100)
    assert list(order(steps, 0)) == list(range(100))
    shuffled = list(order(steps, 1))
    assert sorted(shuffled) == list(range(100)) and shuffled != list(range(100))
    runs = [(run, list(places)) for run, places in groupby(shuffled, key=lambda at: steps[at].run_id)]
    assert Counter(run for run, _ in runs).most_common(1)[0][1] == 1
    assert all(places == sorted(places) for _, places in runs)


def test_always_one_model_by_policy_is_always_one_model() -> None:
    """A policy that may use one arm once comes to the same numbers as that arm alone."""
    steps = world(80)
    steps = [changed(s, arms={N: s.arms["weak"], Q: s.arms["strong"]}, retries=0) for s in steps]
    for name in (N, Q):
        tally, _ = seen(steps, constraints={"models": [name]})
        alone = baselines.always(steps, name)
        assert (tally.sums[:, [SUCCESS, COST]] == alone.sums[:, [SUCCESS, COST]]).all()


def test_words_are_read_where_the_policy_reads_them() -> None:
    """A trace's text is what serving would have hashed, and it tells like steps from others."""
    texts = ("rename the variable", "prove the theorem")
    steps = [step(i, {N: tried(i % 2 == 0)}, text=texts[i % 2]) for i in range(120)]
    _, reading = seen(steps, Way(), words=True)
    _, blind = seen(steps, Way())
    p = [[decision(one).options[N][0].p for one in found[-2:]] for found in (reading, blind)]
    assert p[0][0] > p[0][1] + 0.2 and abs(p[1][0] - p[1][1]) < 0.05


def test_a_policy_that_explores_is_replayed_as_it_would_serve() -> None:
    """One draw for each run, held for its steps, and the same whenever the same pass is replayed."""
    arms = {N: tried(True), Q: tried(True)}
    steps = [step(i, arms, run_id=f"r{i // 3}") for i in range(90)]
    exploring = {"exploration": {"share": 1.0, "regret": 100}}
    firsts = [[decision(one).chosen.arms[0] for one in seen(steps, OFF, **exploring)[1]] for _ in range(2)]
    assert firsts[0] == firsts[1] and set(firsts[0]) == {N, Q}
    assert all(len(set(firsts[0][i : i + 3])) == 1 for i in range(0, 90, 3))
