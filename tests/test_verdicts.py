"""How verdicts reach the decisions they speak of."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import verdicts
from router.beliefs import Beliefs
from router.errors import Conflict
from router.evidence import Case, evidence
from router.outcome import Verdict
from router.verdicts import LONGEST, SOURCES, Change, Filed, Said
from tests.decided import N, Q, answer, decided, verdict
from tests.plan.small import catalog


def said(success: float = 1.0, kind: Any = "decision", source: str = "caller", name: str = "d1") -> Said:
    return Said(kind, name, success, source, 200.0, "because")


def heard(change: Change) -> list[tuple[str, str, float]]:
    return [(j.about.decision_id, j.verdict.source, j.verdict.success) for j in change.judgements]


def test_the_first_decision_of_a_step() -> None:
    """Its evidence is new; the signs that it shows by itself are told."""
    new = decided("d1", answer(N, truncated=True, garbled=True))
    case, change = verdicts.begun((), new)
    assert case == (new,) and change.earlier is None and change.moves
    assert heard(change) == [("d1", "truncation", 0.0), ("d1", "tool_parse", 0.0)]
    assert all(j.verdict.at == new.at for j in change.judgements)


@pytest.mark.parametrize("new", [decided(), decided("d1", delivered=False)])
def test_what_says_nothing_moves_nothing(new: Any) -> None:
    """An answer that nobody judged, or none."""
    _, change = verdicts.begun((), new)
    assert not change.moves and heard(change) == []


def test_a_decision_without_answers_shows_no_sign() -> None:
    """Faults say nothing of quality."""
    new = decided(delivered=False, answers=())
    case, change = verdicts.begun((), new)
    assert case == (new,) and not change.moves and heard(change) == []


def test_asking_again_is_one_change_with_what_comes_of_it() -> None:
    """The doubt on the answer before and the new attempt are learned together, in place of what was known."""
    case, first = verdicts.begun((), decided("d1", answer(N, True)))
    case, change = verdicts.begun(case, decided("d2", answer(Q, True)), ("d1",))
    assert heard(change) == [("d1", "resend", 0.0)]
    assert change.earlier == first.said and change.moves
    assert [t.arm for t in change.said.trials] == [N, Q] and change.said.trials[0].seen[0] < 0.1
    case, change = verdicts.begun(case, decided("d3"), ("d1", "d2"))
    assert heard(change) == [("d2", "resend", 0.0)]


def test_asking_again_after_our_own_mark_of_rejection_adds_nothing() -> None:
    """The caller only repeats what the check has said."""
    case, _ = verdicts.begun((), decided("d1", answer(N, False)))
    _, change = verdicts.begun(case, decided("d2"), ("d1",))
    assert heard(change) == []


def test_a_step_that_was_not_asked_for_again() -> None:
    """Once; asking for it after all takes the place of that."""
    case, _ = verdicts.begun((), decided())
    one = verdicts.silent(case, "d1")
    assert one == decided()
    case, change = verdicts.closed(case, one, 300.0, 0.5)
    assert heard(change) == [("d1", "resend", 1.0)] and change.moves
    assert change.said.trials[0].seen == pytest.approx((1.0, 0.5 / (1.0 - 0.5 / 20)))
    assert verdicts.silent(case, "d1") is None
    case, change = verdicts.begun(case, decided("d2"), ("d1",))
    assert heard(change) == [("d1", "resend", 0.0)]
    assert [v.success for v in case[0].verdicts] == [0.0]


@pytest.mark.parametrize(
    "case",
    [
        (),
        (decided("other"),),
        (decided(), decided("d2")),
        (decided(delivered=False),),
        (decided("d1", answer(N, False)),),
    ],
)
def test_silence_that_says_nothing(case: Case) -> None:
    """Of what is forgotten, of an answer that another request followed, of one that never arrived or was marked."""
    assert verdicts.silent(case, "d1") is None


def test_a_verdict_takes_the_place_of_what_the_check_said() -> None:
    """What was learned before is given along, so that it is not counted twice."""
    case, first = verdicts.begun((), decided("d1", answer(N, True)))
    case, filed = verdicts.judged(case, "d1", said(0.0))
    (change,) = filed.changes
    assert filed.decisions == 1 and heard(change) == [("d1", "caller", 0.0)]
    assert change.earlier == first.said and change.said.trials[0].success == 0.0
    assert case[0].verdicts == (Verdict("d1", 0.0, "caller", 200.0, "because"),)
    case, again = verdicts.judged(case, "d1", said(0.0))
    assert again == Filed(filed.id, 1)
    with pytest.raises(Conflict, match="'caller' has said 0") as caught:
        verdicts.judged(case, "d1", said(0.5))
    assert (caught.value.code, caught.value.param) == ("verdict_conflict", "decision_id")


def test_verdicts_come_one_by_one_or_together() -> None:
    """What is believed in the end is near enough: later verdicts are not counted on top of earlier signs."""
    start = Beliefs.prior(catalog())
    case, first = verdicts.begun((), decided("d1", answer(N, True)))
    _, filed = verdicts.judged(case, "d1", said(0.0))
    slowly = start.learn(first.said).learn(filed.changes[0].said, filed.changes[0].earlier)
    at_once = start.learn(filed.changes[0].said)
    blind = start.learn(first.said).learn(filed.changes[0].said)
    prior, one, other, twice = (b.success.of(N, "task", 1.5, 1.0).p for b in (start, at_once, slowly, blind))
    assert one < prior
    assert abs(other - one) < 0.1 * (prior - one) and abs(twice - one) > abs(other - one)


def test_a_decision_has_room_for_so_many_sources() -> None:
    """Signals and shares of runs take none of it."""
    others = (verdict(0.0, "resend"), verdict(1.0, "run:caller"), verdict(1.0, "judge:x"))
    case: Case = (decided(verdicts=others),)
    for i in range(SOURCES):
        case, _ = verdicts.judged(case, "d1", said(source=f"s{i}"))
    with pytest.raises(Conflict) as caught:
        verdicts.judged(case, "d1", said())
    assert caught.value.code == "too_many_verdicts"


def run(*cases: Case) -> list[Case]:
    """A run of these steps, and of others without a verdict to make up four."""
    return [*cases, *((decided(f"o{i}", step_id=f"o{i}"),) for i in range(4 - len(cases)))]


RIGHT, WRONG = (decided("ok", verdicts=(verdict(1.0),)),), (decided("bad", verdicts=(verdict(0.0),)),)
SILENT: Case = (decided("none", answers=(), delivered=False),)


@pytest.mark.parametrize(
    ("steps", "success", "reached", "says", "weight"),
    [
        (run(), 1.0, 4, 1.0, 1 / 2),
        (run(), 0.0, 4, 0.0, 1 / 4),
        (run(RIGHT), 1.0, 3, 1.0, 1 / 2),
        (run(RIGHT), 0.0, 3, 0.0, 1 / 3),
        (run(WRONG), 1.0, 3, 1.0, 1 / 2),
        (run(WRONG), 0.0, 0, None, None),
        (run(SILENT), 1.0, 3, 1.0, 1 / math.sqrt(3)),
        (run(), 0.5, 4, 1.0, 1 / 8),
        (run(), 0.1, 4, 0.0, 0.9 / 4 - 0.1 / 2),
        ([(decided(),)], 0.0, 1, 0.0, 1.0),
        ([RIGHT], 0.0, 0, None, None),
        ([SILENT], 1.0, 0, None, None),
    ],
)
def test_a_runs_verdict_is_spread_by_a_stated_rule(
    steps: list[Case], success: float, reached: int, says: float | None, weight: float | None
) -> None:
    """Good ends weigh 1 / sqrt(n); bad ones 1 / suspects, none where a step is known to be wrong; scores are a mix."""
    found = verdicts.spread(steps, said(success, "run", name="r"))
    shares = [j.verdict for _, change in found for j in change.judgements]
    assert len(found) == len(shares) == reached
    for share in shares:
        assert (share.source, share.success, share.reason) == ("run:caller", says, "because")
        assert share.weight == pytest.approx(weight)
    assert all(change.moves for _, change in found)


@given(st.integers(1, 60), st.floats(0.0, 1.0))
def test_a_share_is_a_chance(steps: int, score: float) -> None:
    """Whatever the score and however many the steps; a good end never counts against anybody, nor a bad one for."""
    found = verdicts.spread([(decided(f"d{i}"),) for i in range(steps)], said(score, "run"))
    for case, _ in found:
        (share,) = case[0].verdicts
        assert 0.0 < share.weight <= 1.0
        right, wrong = evidence(case).trials[0].seen
        assert right > wrong if share.success else right < wrong


@pytest.mark.parametrize(
    ("case", "place"),
    [
        ((decided(),), 0),
        ((decided(), decided("d2", delivered=False)), 0),
        ((decided("d1", delivered=False), decided("d2", delivered=False)), 1),
        ((decided(), decided("d2"), decided("d3", answers=())), 1),
        (SILENT, None),
        ((), None),
    ],
)
def test_the_answer_that_stands_for_a_step(case: Case, place: int | None) -> None:
    """The last that went out whole; without one, the last there was."""
    assert verdicts.final(case) == place


def test_ids_are_the_same_for_the_same() -> None:
    """And tell different parts apart."""
    assert verdicts.identity("a", "b") == verdicts.identity("a", "b") != verdicts.identity("ab", "")
    assert said().content == ("decision", "d1", 1.0, "caller") and LONGEST == 16
