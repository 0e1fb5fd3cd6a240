"""Gathers what is known of a step while it runs, and turns it into its one Outcome."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from router.errors import TurnoutError
from router.hints import Hints
from router.outcome import Attempt, Outcome
from router.plan import Decision
from router.step import Facts, StepRequest
from router.terms import Terms

LOG = logging.getLogger("turnout")


class Observers:
    """Those who are told of each outcome. They know nothing of each other, and a failing one never fails a step."""

    def __init__(self, observers: Mapping[str, Callable[[Outcome], None]], failed: Callable[[str], None]) -> None:
        self._observers, self._failed = observers, failed

    def tell(self, outcome: Outcome) -> None:
        for name, observe in self._observers.items():
            try:
                observe(outcome)
            except Exception:  # whatever a consumer fails with, the step and the other consumers go on
                LOG.exception("the consumer %r failed to take an outcome", name)
                self._failed(name)


class Incoming(msgspec.Struct, frozen=True):
    """A request as it came in, the key already checked."""

    body: bytes
    headers: Mapping[str, str]
    """Names in lower case."""
    key_id: str
    request_id: str


class Record:
    """Filled in as the step goes on; `build` is called once, at its end."""

    def __init__(self, incoming: Incoming, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.began = clock()
        self.started_at = time.time()
        self.decision_id = f"dec_{os.urandom(12).hex()}"  # unguessable: it is what outcomes are reported under
        self.request_id = incoming.request_id
        self.key_id = incoming.key_id
        self.stream = False
        self.hints = Hints()
        self.terms: Terms | None = None
        self.facts: Facts | None = None
        self.decision: Decision | None = None
        self.refused: tuple[str, ...] = ()
        self.overhead_s = 0.0
        self.status = 500
        self.outcome = "error"
        self.error: TurnoutError | None = None

    def identify(self, request: StepRequest, hints: Hints) -> None:
        self.stream, self.hints = request.stream, hints

    def asked(self, terms: Terms, facts: Facts, refused: tuple[str, ...]) -> None:
        self.terms, self.facts, self.refused = terms, facts, refused

    def decided(self, decision: Decision) -> None:
        self.decision = decision
        self.overhead_s = self._clock() - self.began

    def elapsed(self) -> float:
        """Seconds since the request was whole."""
        return self._clock() - self.began

    def answered(self, rejected: bool) -> None:
        """A whole answer is about to go out."""
        assert self.terms is not None
        self.status = 200
        judged = self.terms.verify == "checks"
        self.outcome = "rejected" if rejected else "accepted" if judged else "returned"

    def streamed(self) -> None:
        """A stream went out whole."""
        self.status, self.outcome = 200, "returned"

    def failed(self, error: TurnoutError) -> None:
        self.error, self.status, self.outcome = error, error.status, "error"

    def left(self) -> None:
        """The caller is gone."""
        self.status, self.outcome = 499, "disconnected"

    def build(self, attempts: Sequence[Attempt], committed: bool) -> Outcome:
        terms = self.terms
        return Outcome(
            decision_id=self.decision_id,
            key_id=self.key_id,
            policy=terms.policy if terms else "",
            step_class=terms.step_class if terms else "none",
            stream=self.stream,
            seconds=self._clock() - self.began,
            overhead_s=self.overhead_s,
            status=self.status,
            result=self.outcome,
            attempts=tuple(attempts),
            decision=self.decision,
            run_id=self.hints.run_id,
            step_id=self.hints.step_id,
            committed=committed,
            error=self.error.code if self.error else None if self.outcome != "error" else TurnoutError.code,
            started_at=self.started_at,
            judged_before=self.refused,
            again=bool(self.refused) or (self.hints.attempt or 1) > 1,
        )
