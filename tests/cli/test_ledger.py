"""Rows of steps for the eye."""

from __future__ import annotations

import io

from rich.console import Console

from router.cli.ledger import Ledger, detailed
from router.journal import records
from router.outcome import Attempt
from tests.journal.made import outcome, plain, verdict
from tests.plan.small import Q122


def shown(*batches: list[records.Record]) -> list[str]:
    out = io.StringIO()
    ledger = Ledger(Console(file=out, width=200))
    for batch in batches:
        ledger.add(batch)
    return out.getvalue().splitlines()


def test_the_head_is_printed_once() -> None:
    """However many batches follow; an empty one prints nothing."""
    step = records.of_outcome(plain(1), plans=False)
    rows = shown([], [step], [], [step])
    assert len(rows) == 3 and rows[0].split()[:3] == ["ended", "decision", "class"]


def test_verdicts_stand_with_their_step_or_alone() -> None:
    """A step that was shown before gets a row for what is said of it now."""
    step = records.of_outcome(plain(1), plans=False)
    said = [records.of_verdict(verdict(n, success)) for n, success in ((1, 1.0), (2, 0.0), (2, 0.5))]
    rows = shown([step, *said])
    assert len(rows) == 4 and "right (caller)" in rows[1]
    assert "dec_2" in rows[2] and "wrong (caller)" in rows[2] and "0.5 (caller)" in rows[3]


def test_a_fault_is_named() -> None:
    """In the row and in the table of attempts."""
    cut = Attempt(Q122, "q122", "main", 0, 0.0, 1.0, fault="rate_limited", status=429)
    step = records.of_outcome(outcome(attempts=(cut,), run_id=None, step_id=None, hints=None), plans=False)
    assert "q122/off (rate_limited)" in shown([step])[1]
    out = io.StringIO()
    detailed(Console(file=out, width=200), [step])
    assert "rate_limited" in out.getvalue() and "Verdicts" not in out.getvalue() and "run " not in out.getvalue()
