"""Outcomes and verdicts for the journal's tests, and a sink that fails when told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.hints import Hints
from router.journal import records
from router.outcome import Attempt, CheckResult, Outcome, Verdict
from router.step import Facts
from tests.plan.small import FACTS, Q122, N, catalog, choose

CATALOG = catalog()
DECISION = choose(CATALOG, accuracy=0.9)
CHECKS = (CheckResult("schema", True), CheckResult("tools", False, "no such tool"))
REJECTED = Attempt(N, "n", "main", 0, 0.0, 1.5, 0.2, 200, 8_000, 100, 1_500, cost_usd=0.001, checks=CHECKS)
ANSWERED = Attempt(Q122, "q122", "main", 1, 1.5, 2.0, None, 200, 8_000, 0, 1_400, 700, cost_usd=0.004)


def outcome(number: int = 0, **changes: Any) -> Outcome:
    """A step that its second attempt solved, ended at second 1003 + `number`; `changes` replace fields."""
    fields: dict[str, Any] = {
        "decision_id": f"dec_{number}",
        "key_id": "key-hash",
        "policy": "p",
        "step_class": "task",
        "stream": False,
        "seconds": 3.0,
        "overhead_s": 0.0004,
        "status": 200,
        "result": "accepted",
        "attempts": (REJECTED, ANSWERED),
        "decision": DECISION,
        "policy_version": "0123456789ab",
        "facts": FACTS,
        "hints": Hints(accuracy=0.9, models=(frozenset({"n", "q122"}),), run_id="run", step_id="step"),
        "run_id": "run",
        "step_id": "step",
        "started_at": 1_000.0 + number,
    }
    return Outcome(**{**fields, **changes})


def plain(number: int, **changes: Any) -> Outcome:
    """The same of a step that was refused: quick to make, by the thousand."""
    bare: dict[str, Any] = {"decision": None, "facts": Facts(), "hints": None, "attempts": ()}
    return outcome(number, **{**bare, **changes})


def verdict(number: int = 0, success: float = 1.0, **changes: Any) -> Verdict:
    return Verdict(**{"decision_id": f"dec_{number}", "success": success, "source": "caller", "at": 2_000.0, **changes})


def line(number: int, **changes: Any) -> bytes:
    """A line of the journal."""
    return records.encode(records.of_outcome(plain(number, **changes), plans=False))


def said(number: int, **changes: Any) -> bytes:
    return records.encode(records.of_verdict(verdict(number, **changes)))


class Told:
    """What a journal says of itself."""

    def __init__(self) -> None:
        self.written = self.dropped = 0
        self.degraded: list[bool] = []

    @property
    def callables(self) -> dict[str, Any]:
        return {"written": self._written, "dropped": self._dropped, "degraded": self.degraded.append}

    def _written(self, count: int) -> None:
        self.written += count

    def _dropped(self, count: int) -> None:
        self.dropped += count


class Sink:
    """Keeps lines; fails while `broken`."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.broken = self.closed = False
        self.batches: list[int] = []

    def write(self, lines: Sequence[bytes]) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")
        self.batches.append(len(lines))
        self.lines += lines

    def tend(self) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")

    def close(self) -> None:
        self.closed = True
        if self.broken:
            raise OSError(28, "No space left on device")
