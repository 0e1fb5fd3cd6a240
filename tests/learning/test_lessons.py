"""What a step teaches."""

from __future__ import annotations

from collections.abc import Sequence

from router import plan
from router.beliefs import Beliefs
from router.beliefs.length import Length
from router.learning import lessons
from router.learning.lessons import History, Lesson
from router.learning.replay import Way, replay
from router.learning.trace import Step
from router.learning.walk import Judge, Seen, walk
from router.outcome import Past
from router.plan import Situation
from router.plan.offers import asked
from router.step import Facts
from router.terms import Terms
from tests.learning.made import policy, shipped, step, tried

CATALOG = shipped()
N, Q = "nemotron-3-super/off", "qwen3.5-122b/off"
NAMES = {"n": N, "q": Q, "m": "nemotron-3-super/on"}
FACTS = Facts(input_bytes=4_000)
TERMS = Terms(policy="p", step_class="code", verify="caller", t=0.9, f=0.2, max_attempts=4)


def lesson(one: Step, arms: Sequence[str], full: bool = False, facts: Facts = FACTS) -> Lesson:
    situation = Situation()
    decision = plan.decide(facts, TERMS, Beliefs.prior(CATALOG), CATALOG, situation)
    seen = Seen(one, decision, walk(one, arms, Judge()), NAMES)
    return Lesson(seen, facts, TERMS, situation, full)


ONE = step(
    0,
    {
        "n": tried(False, output_tokens=500, latency_s=2.0, attempts=(False, True, True)),
        "q": tried(True, output_tokens=800, reasoning_tokens=300, latency_s=6.0),
        "m": tried(False, output_tokens=0),
    },
)


def test_what_was_tried_is_told_in_order() -> None:
    """Each attempt with its outcome, what the judge said and how far the judge can be believed."""
    found = lessons.trials(lesson(ONE, ("n", "n")))
    assert [(t.arm, t.success, t.accepted, t.t, t.f) for t in found] == [
        (N, 0.0, False, 0.9, 0.2),
        (N, 1.0, True, 0.9, 0.2),
    ]


def test_full_tells_all_that_is_on_record() -> None:
    """After the attempts that were made come those that were not: the rest of an arm's record, and the other arms."""
    found = lessons.trials(lesson(ONE, ("n", "q"), full=True))
    assert [(t.arm, t.success) for t in found] == [(N, 0.0), (Q, 1.0), (N, 1.0), (N, 1.0), (NAMES["m"], 0.0)]
    assert [t.accepted for t in found] == [False, True, None, None, None]


def expected(beliefs: Beliefs, arm: str) -> Length:
    return beliefs.length.about(asked(FACTS, TERMS, Situation())).of(arm)


def test_length_and_time_of_what_answered() -> None:
    """Only the arms that were tried, or all with `full`; an answer without a length teaches none."""
    before = Beliefs.prior(CATALOG)
    after = lessons.learned(before, lesson(ONE, ("n",)))
    assert after.version > before.version
    assert {k.split(":")[0] for k in after.speed.tracks} == {"nemotron-3-super"}
    assert set(after.length.cells["code"]) == {N}
    after = lessons.learned(before, lesson(ONE, ("n",), full=True))
    assert {k.split(":")[0] for k in after.speed.tracks} == {"nemotron-3-super", "qwen3.5-122b"}
    assert set(after.length.cells["code"]) == {N, Q}


def test_reasoning_is_told_apart() -> None:
    """An arm that thinks, whatever its mode is called, is expected to; one that does not is not."""
    beliefs = Beliefs.prior(CATALOG)
    for _ in range(30):
        beliefs = lessons.learned(beliefs, lesson(ONE, ("n",), full=True))
    assert expected(beliefs, Q).reasoning > 100 > 1 > expected(beliefs, N).reasoning


def test_an_answer_at_the_limit_was_cut_off() -> None:
    """Its length is a lower bound: longer ones are expected than after the same lengths uncut."""
    lengths = []
    for limit in (500, 501):
        beliefs = Beliefs.prior(CATALOG)
        for _ in range(30):
            facts = Facts(input_bytes=4_000, max_tokens=limit)
            beliefs = lessons.learned(beliefs, lesson(ONE, ("n",), facts=facts))
        lengths.append(expected(beliefs, N).q50)
    assert lengths[0] > lengths[1]


def test_a_runs_answers_are_remembered() -> None:
    """The last four that were returned, of runs alone."""
    history = History()
    for i in range(6):
        one = step(i, {"q": tried(True, output_tokens=100 + i, reasoning_tokens=50)}, run_id="r")
        history.add(Seen(one, None, walk(one, ("q",), Judge()), NAMES))
        single = step(i, one.arms)
        history.add(Seen(single, None, walk(single, ("q",), Judge()), NAMES))
    assert history.of("r") == tuple(Past(Q, 50 + i) for i in range(2, 6))
    assert history.of(None) == () and history.of("other") == ()


def test_a_run_tells_of_its_next_answer() -> None:
    """Runs of short and of long answers: after its first, a run's next is expected to be like it."""
    steps = [
        step(i, {N: tried(True, 0.001, output_tokens=4_000 if i // 4 % 2 else 100)}, run_id=f"r{i // 4}")
        for i in range(400)
    ]
    found: list[Seen] = []
    replay(steps, policy(), CATALOG, Way(learn="chosen"), [found.append])
    medians = [one.decision.options[N][0].output_q50 for one in found if one.decision is not None]
    later = [i for i in range(200, 400) if i % 4]
    short = [medians[i] for i in later if not i // 4 % 2]
    long = [medians[i] for i in later if i // 4 % 2]
    assert max(short) < min(long)
