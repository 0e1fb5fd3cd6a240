"""A record read back is as good as the outcome it was made of, for learning and for judging."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from router.evidence import decided
from router.journal import records
from router.journal.records import OutcomeRecord
from router.journal.revival import revived
from router.outcome import Outcome
from router.reports import heard
from router.store.event import taken
from tests.journal.made import ANSWERED, outcome
from tests.plan.small import Q122


def through(given: Outcome) -> OutcomeRecord:
    """As it comes back from the disk."""
    found = records.decode(records.encode(records.of_outcome(given, plans=False)))
    assert isinstance(found, OutcomeRecord)
    return found


def test_it_is_judged_and_learned_from_as_before() -> None:
    """The same decision to keep, the same reports, the same for its step and run; probabilities to six digits."""
    before = outcome()
    back = revived(through(before))
    one, other = decided(before), decided(back)
    assert one is not None and other is not None
    assert [a.p for a in other.answers] == pytest.approx([a.p for a in one.answers], abs=1e-6)
    assert other.p == pytest.approx(one.p, abs=1e-6)
    assert replace(other, p=one.p, answers=one.answers) == one
    found, told = heard(back), heard(before)
    assert found is not None and told is not None
    costs = [r.expected_usd for r in told.reports]
    assert [r.expected_usd for r in found.reports] == pytest.approx(costs, abs=1e-9)
    same = tuple(replace(r, expected_usd=c) for r, c in zip(found.reports, costs, strict=True))
    assert replace(found, reports=same) == told
    assert replace(taken(back), decided=None) == replace(taken(before), decided=None)


def test_another_deployment_stood_in() -> None:
    """An answer of a deployment that was not planned with is learned under its own name, at a load nobody noted."""
    record = through(outcome())
    stood_in = replace(record, attempts=(replace(ANSWERED, deployment="spare"),))
    found = heard(revived(stood_in))
    assert found is not None
    [report] = found.reports
    assert (report.attempt.deployment, report.busy) == ("spare", 0) and report.counted > 0


@pytest.mark.parametrize("lacking", [{"expected": None}, {"asked": None}, {"chosen": None}, {"offers": ()}])
def test_older_records_teach_nothing(lacking: dict[str, object]) -> None:
    """One without the fields that a decision is made of still tells what its step and run did."""
    back = revived(replace(through(outcome()), **lacking))
    assert back.decision is None and heard(back) is None and taken(back).uses[1].arm == Q122


def test_the_attempt_that_was_asked_for() -> None:
    """A fresh start is told from a retry, and a refused request has no facts."""
    record = replace(through(outcome()), hints={"attempt": 1}, facts=None)
    assert taken(revived(record)).fresh and not taken(revived(through(outcome()))).fresh
