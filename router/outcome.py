"""Frozen records of what happened: attempts, the outcome of a step, verdicts on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from router.hints import Hints
from router.step import Facts
from router.trace import Trace


class CheckResult(msgspec.Struct, frozen=True):
    name: str
    passed: bool
    reason: str = ""
    """Why it failed, without any of the answer's text."""


class Names(msgspec.Struct, frozen=True):
    """By which a judge may know a step again."""

    decision_id: str = ""
    run_id: str | None = None
    step_id: str | None = None


class Judging(msgspec.Struct, frozen=True):
    """One call of a user's own judge."""

    name: str
    result: str
    """accepted, rejected, or why there is no verdict: timeout, unreachable, status, invalid."""
    seconds: float
    cost_usd: float = 0.0
    """0 where nobody was reached."""

    @property
    def silent(self) -> bool:
        return self.result not in ("accepted", "rejected")


class Attempt(msgspec.Struct, frozen=True):
    """One call to one deployment."""

    arm: str
    model: str
    deployment: str
    position: int
    """Index in the plan; a fault's substitute keeps the position."""
    started: float
    """Seconds after the step began."""
    seconds: float
    first_token_s: float | None = None
    status: int | None = None
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    """True where the upstream sent no usage and tokens were counted from bytes."""
    cost_usd: float = 0.0
    finish_reason: str | None = None
    checks: tuple[CheckResult, ...] = ()
    fault: str | None = None
    """None where an answer came; else UpstreamFault.kind, `caller` (the request was at fault), `cancelled` (the caller
    left) or `deadline`."""
    span_id: str = ""
    """Its span in the step's trace: 16 hexadecimal digits, which the upstream was told; empty in older records."""
    garbled: bool | None = None
    """Whether a tool call's arguments are no JSON. None where nobody looked: no tool was called, the check `tools` has
    judged it, or the stream went by unread."""

    judgings: tuple[Judging, ...] = ()
    """Calls of judges, in order. Their time is not in `seconds`, nor what they cost in `cost_usd`."""

    @property
    def judge_usd(self) -> float:
        return sum(j.cost_usd for j in self.judgings) if self.judgings else 0.0

    @property
    def opinion(self) -> bool | None:
        """What the check set as a whole says; None where nothing was checked, or a judge is silent."""
        if not self.checks and not self.judgings:
            return None
        return None if self.accepted and any(j.silent for j in self.judgings) else self.accepted

    @property
    def answered(self) -> bool:
        return self.fault is None

    @property
    def accepted(self) -> bool:
        return self.fault is None and all(c.passed for c in self.checks)


class Outcome(msgspec.Struct, frozen=True):
    """One step, once. Exactly one of these exists for every request that was admitted."""

    decision_id: str
    key_id: str
    policy: str
    """Empty where the step failed before it had terms: the request was refused for what it said."""
    step_class: str
    """`none` where `policy` is empty."""
    stream: bool
    seconds: float
    overhead_s: float
    """Seconds spent by Turnout itself before the first attempt."""
    status: int
    """HTTP status that the caller saw, or would have seen had no byte of a stream gone out yet; 499 where it left."""
    result: str
    """accepted, rejected, error, disconnected, or returned (nobody checked)."""
    attempts: tuple[Attempt, ...] = ()
    decision: Any = None
    """The plan.Decision, or None where the step failed before one was made."""
    policy_version: str = ""
    """Digest of the policy's file."""
    facts: Facts | None = None
    """None where the step failed before they were read."""
    hints: Hints | None = None
    text: str | None = None
    """Beginning and end of the last user message, where the settings ask for it."""
    run_id: str | None = None
    thread: str | None = None
    """Which conversation of its run, as `wire.history.thread` tells them apart."""
    step_id: str | None = None
    committed: bool = False
    """Whether any byte of an answer had gone out when the step ended."""
    error: str | None = None
    """Code of the error that the caller saw."""
    reason: str | None = None
    trace: Trace | None = None
    started_at: float = 0.0
    """Unix time."""

    judged_before: tuple[str, ...] = ()
    """Arms whose answers to this step the caller had already refused by asking again."""
    again: bool = False
    """Whether the caller asked for this step again, be it that nobody remembers the answers it refuses."""

    def offer(self, attempt: Attempt) -> Any:
        """The plan.Candidate that an attempt carried out: what was expected of it."""
        return next(c for c in self.decision.options[attempt.arm] if c.deployment.name == attempt.deployment)

    @property
    def trace_id(self) -> str | None:
        return self.trace.trace_id if self.trace is not None else None

    @property
    def delivered(self) -> bool:
        """Whether its answer went out whole: one that never reached the caller was judged by nobody."""
        return self.status == 200 and self.result != "disconnected"

    @property
    def sampled(self) -> bool:
        """Whether its trace may have been kept."""
        return self.trace is not None and self.trace.sampled

    @property
    def cost_usd(self) -> float:
        """Of upstreams and judges together."""
        return sum(a.cost_usd + a.judge_usd for a in self.attempts)

    @property
    def retries_used(self) -> int:
        """Attempts beyond the step's first: positions of the plan after the first, and a caller's asking again."""
        positions = {a.position for a in self.attempts}
        return max(0, len(positions) - 1) + (1 if self.again and positions else 0)


NOTHING: Mapping[str, int] = {}


class Past(msgspec.Struct, frozen=True):
    """An earlier answer of a run, as far as it tells how long the next one will be."""

    arm: str
    visible: int
    """Output tokens of one choice without reasoning."""
    input_tokens: int = 0
    """0 where unknown."""


class Thread(msgspec.Struct, frozen=True):
    """One conversation of a run: the model that answered last, and since which of its turns it has."""

    model: str
    since: int = 0
    """Assistant messages that came before the first of its answers in a row."""


NO_THREADS: Mapping[str, Thread] = {}


class Recall(msgspec.Struct, frozen=True):
    """What is known of a step and its run before this request."""

    answered: tuple[tuple[str, ...], ...] = ()
    """For each request for this very step whose answer went out whole, in order: the arms that answered, the one whose
    answer went out last, those that the checks rejected before it."""
    delivered: bool = False
    """Whether the last request for this step ended with an answer that went out whole."""
    size: int = 0
    """Bytes of that request's messages; 0 where there was none."""
    run_retries: int = 0
    """Further attempts that the run has used."""
    run_cost: float = 0.0
    """USD that the run has spent."""
    warm: Mapping[str, int] = NOTHING
    """Model → input tokens of the run that its prompt cache is likely to hold."""
    past: tuple[Past, ...] = ()
    """The run's latest answers, at most four, the last one last."""
    threads: Mapping[str, Thread] = NO_THREADS
    """The run's conversations by `Outcome.thread`, as many as are remembered."""


class Verdict(msgspec.Struct, frozen=True):
    """What somebody says of a step after its answer went out."""

    decision_id: str
    success: float
    """1 right, 0 wrong, or a score between."""
    source: str
    """`caller` or another name that the caller chose, `run:<source>` for a run's verdict spread over its steps,
    `judge:<name>`, or a free signal: `resend`, `truncation`, `tool_parse`."""
    at: float
    """Unix time."""
    reason: str | None = None
    weight: float = 1.0
    """Below 1 for a step's share of its run's verdict: the chance that it is the step's own."""


class Trial(msgspec.Struct, frozen=True):
    """One attempt as evidence of success. What is not known is None and counts for nothing."""

    arm: str
    success: float | None = None
    """What a verdict says of its answer, 0..1."""
    accepted: bool | None = None
    """What the check set said of its answer."""
    t: float = 1.0
    """P(the check set accepts a right answer)."""
    f: float = 1.0
    """P(it accepts a wrong one)."""
    checks: tuple[str, ...] = ()
    """Names of the check set, sorted; t and f are learned under them."""
    seen: tuple[float, float] = (1.0, 1.0)
    """P(what free signals say of it | a right answer), and the same of a wrong one; equal numbers say nothing."""
    feedback: bool = False
    """Whether the model was shown why the attempt before was wrong, rather than asked the same again."""


class Evidence(msgspec.Struct, frozen=True):
    """All that one step says of success: its attempts in order, for one joint update."""

    step_class: str
    trials: tuple[Trial, ...]
    x: tuple[float, ...] = ()
    """Step facts, scaled: `step.vector`."""
    text: bytes = b""
    """Hashed words of the step, `beliefs.text.hashed`; empty where the policy does not ask for them."""
    weight: float = 1.0
    """How much it counts: below 1 for a run's verdict spread over its steps."""
    at: float = 0.0
    """Unix time."""
