"""What a run says of a plan that was not taken: prefixes, verdicts, and what lies beyond the log."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from benchmarks.offline import BOTH, CASES, VERSION, World, catalog
from router.journal import StepRecord
from router.journal.export import Said
from router.journal.records import Path
from router.learning.again import Ways
from router.learning.weighing import Pair, agrees, beyond, success, weighed
from router.outcome import Attempt
from router.plan.search import Row
from router.terms import Terms

MODELS = catalog()
S, L = "small/off", "large/off"


def logged(**changes: Any) -> StepRecord:
    """The first step of the world, changed."""
    return replace(next(World(BOTH, MODELS, 1).runs(1))[0], **changes)


def ran(plan: tuple[str, ...], attempts: int, result: str = "accepted") -> StepRecord:
    made = tuple(Attempt(arm, arm[:5], "d", i, 0.0, 1.0) for i, arm in enumerate(plan[:attempts]))
    return logged(chosen=Path(plan, 0.5, 0.5, 1.0, 1.0, (1.0,) * len(plan)), attempts=made, result=result)


@pytest.mark.parametrize(
    ("plan", "record", "same"),
    [
        ((S, L), ran((S, S), 1), True),  # accepted before they part
        ((S, L), ran((S, S), 2), False),
        ((L, S), ran((S, L), 1), False),
        ((S,), ran((S, L), 1), True),
        ((S,), ran((S, L), 2), False),  # it would have stopped
        ((S, L), ran((S,), 1), True),
        ((S, L), ran((S,), 1, "rejected"), False),  # it would have gone on
        ((S,), ran((S,), 1, "rejected"), True),
        ((S, S), ran((S, L), 1, "rejected"), True),  # cut short: whatever would have followed did not
        ((S,), ran((S,), 0, "error"), True),
    ],
)
def test_who_would_have_run_the_same(plan: tuple[str, ...], record: StepRecord, same: bool) -> None:
    """A plan agrees with a run if it begins as what ran, and neither stops before nor goes on behind it."""
    assert agrees(plan, record) is same


def said(value: float, source: str, weight: float = 1.0) -> Said:
    return Said(0.0, value, source, None, weight)


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({"verdicts": ()}, None),
        ({"verdicts": (said(0.0, "resend"), said(0.0, "truncation"))}, None),
        ({"verdicts": (said(1.0, "caller"), said(0.0, "judge:x"), said(0.0, "ci"))}, 0.5),
        ({"verdicts": (said(0.0, "judge:x"), said(1.0, "run:caller"))}, 0.0),
        ({"verdicts": (said(0.0, "run:caller", 0.25),)}, 0.75),
        ({"verdicts": (), "status": 502, "result": "error"}, 0.0),
        ({"verdicts": (), "status": 499, "result": "disconnected"}, None),
    ],
)
def test_the_verdict_that_counts(changes: dict[str, Any], known: float | None) -> None:
    """The caller's before a judge's before the run's; an error failed, silence is not known."""
    assert success(logged(**changes)) == known


TERMS = Terms("p", "easy", verify="checks", checks=("schema",), t=0.9, f=0.1)


def row(*arms: str) -> Row:
    return Row(0, arms, 0.7, 0.7, 1.0, 1.0, (1.0, 0.4)[: len(arms)], 1.0, True)


@pytest.mark.parametrize(
    ("plan", "other", "terms", "lost"),
    [
        (row(S, L), (S, L), TERMS, 0.0),
        (row(S, L), (S, S), TERMS, 0.4),
        (row(S, L), (S,), TERMS, 0.4),
        (row(L), (S,), TERMS, 1.0),
        (row(S), (S, L), TERMS, 0.3 * 0.9 + 0.7 * 0.1),
        (row(S, L), (S, L), replace(TERMS, checks=()), 1.0),
        (row(S), (S,), replace(TERMS, checks=()), 0.0),
        (None, (S,), TERMS, 1.0),
        (row(S), None, TERMS, 1.0),
    ],
)
def test_what_the_log_could_not_have_done(
    plan: Row | None, other: tuple[str, ...] | None, terms: Terms, lost: float
) -> None:
    """The probability of getting to where two plans part; checks that differ part at the first rejection or before."""
    here, there = Ways(terms, plan, {}), Ways(TERMS, None, {})
    assert beyond(plan, here, other, there) == pytest.approx(lost)
    assert beyond(plan, replace(here, unknown=True), other, there) == 1.0


def test_decisions_come_out_again() -> None:
    """Every decision that the planner logged is the same when it is made again from its record, whatever was drawn."""
    records = [step for run in World(BOTH, MODELS, 3).runs(60) for step in run]
    _, _, log = weighed(records, Pair(CASES["cheap everywhere"][1], BOTH, VERSION), MODELS)
    assert log.steps == len(records) and log.differ == 0
    drawn = {r.drawn.arm for r in records if r.drawn}
    assert drawn == {None, S, L}


def test_a_run_counts_once() -> None:
    """The probability of a run of several steps is that of its draw, not a product over its steps."""
    runs = [run for run in World(BOTH, MODELS, 4).runs(40) if len(run) > 1]
    _, itself, _ = weighed([step for run in runs for step in run], Pair(BOTH, BOTH, VERSION), MODELS)
    assert itself.p.min() >= 0.2 - 1e-9
    assert itself.came[:, 3].tolist() == [len(run) for run in runs]


def test_a_step_asked_again_is_one_step() -> None:
    """The last answer's verdict is the step's, its costs add up."""
    first = logged(step_id="s", run_id="r", verdicts=(said(0.0, "caller"),))
    second = replace(first, decision_id="d2", verdicts=(said(1.0, "caller"),))
    runs, _, log = weighed([first, second], Pair(BOTH, BOTH, VERSION), MODELS)
    assert runs.came.tolist() == [[1.0, 1.0, 2 * first.cost_usd, 1.0, 2 * first.seconds]] and log.steps == 2
