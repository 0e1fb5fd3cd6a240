"""Gathers what is known of a step while it runs, and turns it into its one Outcome."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from router import trace
from router.errors import TurnoutError
from router.hints import NONE, Hints
from router.keys import LOCAL, Grant
from router.outcome import Attempt, Names, Outcome
from router.plan import Decision
from router.step import Facts, Native, StepRequest
from router.step.excerpt import last_user
from router.terms import Terms
from router.wire import chat, history


def token() -> str:
    """96 random bits as 24 hexadecimal digits."""
    return os.urandom(12).hex()


CODE = re.compile(r"[a-z_]{1,64}")
LOG = logging.getLogger("turnout")
T = TypeVar("T")


class Observers(Generic[T]):
    """Those who are told of each outcome. They know nothing of each other, and a failing one never fails a step."""

    def __init__(self, observers: Mapping[str, Callable[[T], None]], failed: Callable[[str], None]) -> None:
        self._observers, self._failed = observers, failed

    def tell(self, what: T) -> None:
        for name, observe in self._observers.items():
            try:
                observe(what)
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
    fault: TurnoutError | asyncio.CancelledError | None = None
    """What is wrong with it, where its dialect could not read it; or that its caller left meanwhile."""
    grant: Grant = LOCAL
    left: float | None = None
    """USD that its key may spend yet; None: any."""
    native: Native | None = None
    began: float | None = None
    """When it was whole, by the pipeline's clock, where something was done with it since."""

    def step(self) -> StepRequest:
        """The body read. Raises its fault, or TurnoutError."""
        if self.fault is not None:
            raise self.fault
        request = chat.parse(self.body)
        if self.native is None:
            return request
        thoughts = request.thoughts or self.native.thoughts
        return msgspec.structs.replace(request, native=self.native, thoughts=thoughts)


class Record:
    """Filled in as the step goes on; `build` is called once, at its end."""

    def __init__(
        self, incoming: Incoming, clock: Callable[[], float], keep_text: int = 0, trace_ratio: float = 1.0
    ) -> None:
        """`keep_text`: bytes of the last user message that the outcome carries; `trace_ratio`: `Settings` has it."""
        self._clock = clock
        self.began = clock() if incoming.began is None else incoming.began
        self.started_at = time.time()
        self.decision_id = f"dec_{token()}"  # unguessable: it is what outcomes are reported under
        self.request_id = incoming.request_id
        self.key_id = incoming.key_id
        self.trace = trace.read(incoming.headers, trace_ratio)
        self.stream = False
        self.hints = NONE
        self.thread = ""
        self.text: str | None = None
        self._keep_text = keep_text
        self.policy_version = ""
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
        if hints.run_id is not None:
            self.thread = history.thread(request.messages)
        if self._keep_text:
            self.text = last_user_text(request, self._keep_text)

    def asked(self, terms: Terms, facts: Facts, refused: tuple[str, ...], policy_version: str = "") -> None:
        self.terms, self.facts, self.refused, self.policy_version = terms, facts, refused, policy_version

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

    def returned(self) -> None:
        """An answer that nobody checked went out whole."""
        self.status, self.outcome = 200, "returned"

    def failed(self, error: TurnoutError) -> None:
        self.error, self.status, self.outcome = error, error.status, "error"

    def left(self) -> None:
        """The caller is gone."""
        self.status, self.outcome = 499, "disconnected"

    def ids(self) -> Names:
        """What a judge may know the step by."""
        return Names(self.decision_id, self.hints.run_id, self.hints.step_id)

    def _code(self) -> str | None:
        """The code of the error that the caller saw. A caller's fault has the upstream's own, which may be any text: it
        is kept where it is a plain word."""
        if self.error is None:
            return TurnoutError.code if self.outcome == "error" else None
        return self.error.code if CODE.fullmatch(self.error.code) else type(self.error).code

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
            policy_version=self.policy_version,
            facts=self.facts,
            hints=self.hints,
            text=self.text,
            run_id=self.hints.run_id,
            thread=self.thread or None,
            step_id=self.hints.step_id,
            committed=committed,
            error=self._code(),
            trace=self.trace,
            started_at=self.started_at,
            judged_before=self.refused,
            again=bool(self.refused) or (self.hints.attempt or 1) > 1,
        )


def last_user_text(request: StepRequest, most: int) -> str | None:
    """Beginning and end of the last user message's text, about `most` bytes of it; None where there is none."""
    return last_user(request.messages, most - most // 4, most // 4) or None
