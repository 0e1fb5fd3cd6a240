"""What a step reports of itself is read off its outcome, at the load of when each attempt began."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from router.outcome import Attempt
from router.plan import Situation
from router.reports import Heard, heard
from router.step import Facts
from tests.journal.made import outcome
from tests.plan.small import N, catalog, choose

DECISION = choose(catalog(), situation=Situation(inflight={"n:main": 16}))
ATTEMPT = Attempt(N, "n", "main", 0, 0.0, 3.0, 0.9, 200, 8000, 2000, 200, 50, finish_reason="stop")


def test_whole_answers_report() -> None:
    """Each with what was counted of its input, how busy its deployment was, and the choices that share its tokens."""
    attempts = (replace(ATTEMPT, fault="timeout"), ATTEMPT)
    found = heard(outcome(decision=DECISION, attempts=attempts, facts=Facts(n=2)))
    assert found is not None and (found.n, found.asked) == (2, DECISION.asked)
    [report] = found.reports
    candidate = DECISION.options[N][0]
    assert report.attempt == ATTEMPT and (report.counted, report.busy) == (candidate.input_counted, 16)
    assert report.room == candidate.deployment.concurrency


def test_nothing_to_report() -> None:
    """Without a decision, or without an answer, there is nothing; without facts one choice is taken to be asked for."""
    assert heard(outcome(decision=None)) is None
    assert heard(outcome(decision=DECISION, attempts=())) is None
    found = heard(outcome(decision=DECISION, attempts=(ATTEMPT,), facts=None))
    assert found is not None and found.n == 1


def test_another_process_reads_the_same() -> None:
    """It survives being sent."""
    found = heard(outcome())
    assert found is not None
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Heard) == found
    assert not any(r.attempt.checks for r in found.reports)
