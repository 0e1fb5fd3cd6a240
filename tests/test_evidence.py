"""What a decision and its verdicts say of success."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from router import evidence
from router.evidence import CERTAIN, COMMONEST, FORMAT, RAREST, Often, fitted
from router.outcome import Attempt, CheckResult, Outcome, Trial
from router.step import Facts, vector
from tests.decided import N, Q, answer, decided, verdict
from tests.plan.small import Q122, catalog, choose

GOOD, BAD = CheckResult("schema", True), CheckResult("schema", False, "no")
DECISION = choose(catalog(), verify="checks", checks=("length", "schema"), t=0.98, f=0.7, max_attempts=2)
FIRST = DECISION.chosen.attempts[0]


def attempt(arm: str = FIRST.arm, position: int = 0, **changes: Any) -> Attempt:
    return Attempt(arm, arm.split("/")[0], "main", position, started=0.0, seconds=1.0, **changes)


def outcome(*attempts: Attempt, **changes: Any) -> Outcome:
    base: dict[str, Any] = {"decision_id": "d", "key_id": "k", "policy": "p", "step_class": "task", "stream": False}
    base |= {"seconds": 2.0, "overhead_s": 0.0, "status": 200, "result": "accepted", "started_at": 100.0}
    return Outcome(attempts=attempts, **{**base, "decision": DECISION, "facts": Facts(input_bytes=9), **changes})


def kept(*attempts: Attempt, **changes: Any) -> evidence.Decided:
    found = evidence.decided(outcome(*attempts, **changes))
    assert found is not None
    return found


def only(*case: evidence.Decided) -> Trial:
    """The one trial of a case."""
    (trial,) = evidence.evidence(case).trials
    return trial


def test_what_is_kept_of_an_outcome() -> None:
    """Whose it is, what answered and how its checks can be believed; the facts only as numbers."""
    facts = Facts(input_bytes=50, turn=3, text=b"words")
    one = kept(attempt(fault="reset"), attempt(Q122, 1, checks=(GOOD,)), facts=facts, run_id="r", step_id="s")
    assert (one.decision_id, one.key_id, one.policy, one.step_class, one.at) == ("d", "k", "p", "task", 102.0)
    assert (one.verify, one.t, one.f, one.checks) == ("checks", 0.98, 0.7, ("length", "schema"))
    assert (one.delivered, one.first, one.size, one.run_id, one.step_id) == (True, False, 50, "r", "s")
    assert one.answers == (evidence.Answer(Q122, "q122", True, False, None, DECISION.options[Q122][0].p),)
    said = evidence.evidence((one,))
    assert said.x == pytest.approx(vector(facts), abs=1e-6) and said.text == b"words" and said.at == 102.0


def test_what_failed_before_it_was_decided_is_not_kept() -> None:
    """There is nothing that a verdict could be about."""
    assert evidence.decided(outcome(decision=None)) is None


def test_an_outcome_without_facts_or_answers_is_kept_too() -> None:
    """Its id went out with the error."""
    one = kept(attempt(fault="status"), facts=None, status=502, result="error")
    assert (one.answers, one.delivered, one.first, one.p, one.x) == ((), False, False, None, b"")
    assert evidence.evidence((one,)).trials == ()


@pytest.mark.parametrize(
    ("attempts", "changes", "p", "first"),
    [
        ((attempt(),), {}, FIRST.p, True),
        ((attempt(),), {"again": True}, FIRST.p, False),
        ((attempt(checks=(BAD,)), attempt(Q122, 1)), {}, FIRST.p, False),
        ((attempt(fault="reset"), attempt(Q122)), {}, None, False),
        ((attempt(fault="reset"), attempt()), {}, FIRST.p, False),
        ((), {}, None, False),
    ],
)
def test_what_was_predicted_belongs_to_the_planned_arm(
    attempts: tuple[Attempt, ...], changes: dict[str, Any], p: float | None, first: bool
) -> None:
    """A stand-in's answer says nothing of it."""
    one = kept(*attempts, **changes)
    assert (one.p, one.first) == (p, first)


@pytest.mark.parametrize(
    ("made", "facts", "truncated", "garbled"),
    [
        (attempt(finish_reason="length"), Facts(), True, None),
        (attempt(finish_reason="stop"), Facts(), False, None),
        (attempt(finish_reason="length"), Facts(max_tokens=9), None, None),
        (attempt(finish_reason="length", checks=(CheckResult("length", False),)), Facts(), None, None),
        (attempt(garbled=True), Facts(), False, True),
        (attempt(garbled=False, checks=(CheckResult("tools", True),)), Facts(), False, None),
    ],
)
def test_a_sign_counts_where_no_check_has_judged_it(
    made: Attempt, facts: Facts, truncated: bool | None, garbled: bool | None
) -> None:
    """And a limit that the caller set is no sign."""
    (found,) = kept(made, facts=facts).answers
    assert (found.truncated, found.garbled) == (truncated, garbled)


def test_all_attempts_of_a_step_are_one_evidence() -> None:
    """In order over all its requests, with what the checks said of each."""
    one = decided("d1", answer(N, False), answer(Q, True))
    two = decided("d2", Q)
    said = evidence.evidence((one, two))
    assert [(t.arm, t.accepted, t.success) for t in said.trials] == [(N, False, None), (Q, True, None), (Q, None, None)]
    assert {t.checks for t in said.trials} == {("schema",), ()}
    assert said.step_class == "task" and said.weight == 1.0


def test_a_verdict_is_on_the_last_answer() -> None:
    """What a check rejected on the way nobody else has seen."""
    said = evidence.evidence((decided("d1", answer(N, False), answer(Q, True), verdicts=(verdict(0.0),)),))
    assert [t.success for t in said.trials] == [None, 0.0]


@pytest.mark.parametrize(
    ("verdicts", "success"),
    [
        ((), None),
        ((verdict(1.0),), 1.0),
        ((verdict(1.0), verdict(0.5, "tests")), 0.75),
        ((verdict(0.0), verdict(1.0, "judge:golden")), 0.0),
        ((verdict(1.0, "judge:golden"), verdict(0.0, "judge:pytest")), 0.5),
        ((verdict(0.0, "resend"),), None),
        ((verdict(1.0, "run:caller", weight=0.5),), None),
    ],
)
def test_who_is_believed(verdicts: tuple[Any, ...], success: float | None) -> None:
    """The caller's sources, in the mean; without any, judges; signals and runs only hint."""
    one = decided(verdicts=verdicts)
    assert one.success == success == only(one).success


def test_a_verdict_silences_signs_but_not_what_the_check_said() -> None:
    """From both together the check's rates are learned."""
    one = decided("d1", answer(N, True, truncated=True), verdicts=(verdict(1.0), verdict(0.0, "resend")))
    trial = only(one)
    assert (trial.success, trial.accepted, trial.seen) == (1.0, True, (1.0, 1.0))


def ratio(one: evidence.Decided) -> float:
    right, wrong = only(one).seen
    assert 0.0 < min(right, wrong) <= max(right, wrong) == 1.0
    return right / wrong


SEEN = Often(checks=0.1, truncation=0.03, tool_parse=0.05)


def absence(ratio: float, rate: float, p: float = 0.5) -> float:
    """Odds of right against wrong where a sign is missing that is as common as `rate`."""
    wrong = rate / (ratio * p + 1.0 - p)
    return (1.0 - ratio * wrong) / (1.0 - wrong)


@pytest.mark.parametrize(
    ("one", "odds"),
    [
        (decided(), 1.0),
        (decided("d1", answer(truncated=True)), 1 / 15),
        (decided("d1", answer(truncated=False)), absence(1 / 15, 0.03)),
        (decided("d1", answer(truncated=False, p=0.8)), absence(1 / 15, 0.03, 0.8)),
        (decided("d1", answer(garbled=True)), 1 / 50),
        (decided("d1", answer(garbled=False)), absence(1 / 50, 0.05)),
        (decided(verdicts=(verdict(0.0, "resend"),)), 1 / 20),
        (decided(verdicts=(verdict(1.0, "resend", weight=0.8),)), (1 - 0.8 / 20) / (1 - 0.8)),
        (decided("d1", answer(truncated=True), verdicts=(verdict(0.0, "resend"),)), 1 / 20 / 15),
        (decided(verify="caller", t=1.0, f=0.0, verdicts=(verdict(0.0, "resend"),)), CERTAIN),
        (
            decided(verify="caller", t=1.0, f=0.0, verdicts=(verdict(1.0, "resend", weight=0.9),)),
            (1 - 0.9 * CERTAIN) / 0.1,
        ),
        (decided(verify="caller", t=0.9, f=0.5, verdicts=(verdict(0.0, "resend"),)), 0.2),
        (decided(verdicts=(verdict(1.0, "run:caller", weight=0.5),)), 3.0),
        (decided(verdicts=(verdict(0.0, "run:caller", weight=0.5),)), 1 / 3.0),
        (decided(verdicts=(verdict(1.0, "run:caller", weight=1.0),)), (1 - CERTAIN) / CERTAIN),
        (decided(verdicts=(verdict(1.0, "run:a", weight=0.5), verdict(0.0, "run:b", weight=0.5))), 1.0),
    ],
)
def test_a_sign_is_a_detector_whose_absence_counts(one: evidence.Decided, odds: float) -> None:
    """Its odds are those of right answers that show it against wrong ones; several multiply."""
    assert ratio(replace(one, often=SEEN)) == pytest.approx(odds)


SILENT = (
    decided("d1", answer(N, True)),
    decided("d1", answer(truncated=False)),
    decided("d1", answer(garbled=False)),
    decided(verdicts=(verdict(1.0, "resend", weight=0.0),)),
    decided(verify="caller", t=1.0, f=0.0, verdicts=(verdict(1.0, "resend", weight=0.0),)),
)


@pytest.mark.parametrize("one", SILENT)
def test_the_absence_of_what_never_shows_says_nothing(one: evidence.Decided) -> None:
    """A thousand answers that nobody complained of are not a thousand right ones."""
    trial = only(one)
    right, wrong = trial.seen[0] * trial.t, trial.seen[1] * trial.f
    assert 1.0 <= right / wrong < 1.001


@given(*[st.floats(0.0, 1.0, allow_subnormal=False)] * 2, st.floats(0.02, 0.98), st.floats(0.0, 1.0))
def test_a_sign_raises_and_lowers_nobody_on_the_whole(right: float, wrong: float, p: float, rate: float) -> None:
    """As common as it was seen to be, so that what it says when it shows and when not cancels in expectation."""
    share = fitted(right, wrong, p, rate)
    assert 0.0 <= share * right <= 1.0 and 0.0 <= share * wrong <= 1.0
    common, most = right * p + wrong * (1.0 - p), share * max(right, wrong)
    if common > 1e-6 and RAREST * 1.01 < most < COMMONEST * 0.99:  # elsewhere a bound holds
        assert share * common == pytest.approx(rate)
        slope = share * (right - wrong)
        assert rate * slope / (share * common) == pytest.approx((1.0 - rate) * slope / (1.0 - share * common))


def test_checks_count_as_often_as_they_were_seen_to_reject() -> None:
    """What a rejection says stays what the policy says of it."""
    for rate in (0.001, 0.05, 0.3):
        trial = only(decided("d1", answer(N, False, p=0.6), t=0.98, f=0.9, often=Often(checks=rate)))
        assert (1 - trial.t) / (1 - trial.f) == pytest.approx(0.2)
        assert (1 - trial.t) * 0.6 + (1 - trial.f) * 0.4 == pytest.approx(rate)


def test_checks_that_no_terms_vouch_for_are_format_checks() -> None:
    """Those of a stream that ended with nothing in it."""
    trial = only(decided("d1", answer(N, False), verify="none", t=1.0, f=1.0))
    assert (trial.accepted, trial.checks) == (False, ()) and trial.t == FORMAT.t == 1.0 > trial.f


def test_more_messages_are_feedback() -> None:
    """The first attempt of a longer request was shown what was wrong; the same request again was not."""
    case = (decided("d1", size=100), decided("d2", N, Q, size=150), decided("d3", size=150))
    assert [t.feedback for t in evidence.evidence(case).trials] == [False, True, False, False]


@pytest.mark.parametrize(
    ("one", "speaks"),
    [
        (decided(), False),
        (decided("d1", answer(N, True)), True),
        (decided("d1", answer(N, True), t=0.9, f=0.9), False),
        (decided("d1", answer(truncated=False)), True),
        (decided(verdicts=(verdict(0.5),)), True),
    ],
)
def test_evidence_that_says_nothing_is_known_as_such(one: evidence.Decided, speaks: bool) -> None:
    """It is not worth an update."""
    assert evidence.speaks(evidence.evidence((one,))) is speaks


@pytest.mark.parametrize(
    ("one", "used"),
    [
        (decided(), True),
        (decided(delivered=False), False),
        (replace(decided(), answers=()), False),
        (decided("d1", answer(N, True)), True),
        (decided("d1", answer(N, False)), False),
    ],
)
def test_only_an_answer_in_use_can_be_complained_of(one: evidence.Decided, used: bool) -> None:
    """One that arrived, and that we did not mark as rejected ourselves."""
    assert one.used is used


@pytest.mark.parametrize(
    ("one", "repeatable"),
    [
        (decided(), True),
        (decided(step_id=None), False),
        (decided(verify="caller", left=0), False),
        (decided(verify="caller", left=1), True),
        (decided(verify="caller", left=1, step_id=None), False),
    ],
)
def test_who_can_ask_again(one: evidence.Decided, repeatable: bool) -> None:
    """A caller that names its steps, and where it judges by itself has a try left by its own count."""
    assert one.repeatable is repeatable
