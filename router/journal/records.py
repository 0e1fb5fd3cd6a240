"""The records of the journal, one JSON object a line: what became of a step, and what was said of it later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from router.hints import NONE, Hints
from router.outcome import Attempt, Outcome, Verdict
from router.reports import Asked as Expected
from router.step import Facts

VERSION = 1
"""Grows when a field changes its meaning or goes; new fields leave it as it is."""
PLANS = 8
"""Plans of the frontier that a record keeps at most, beside the chosen one."""
REASON = 500
"""Characters of a verdict's reason."""


class Asked(msgspec.Struct, frozen=True):
    """What policy and hints together asked of the step."""

    accuracy: float | None
    failure_cost: float | None
    time_value: float
    confidence: float
    max_attempts: int
    verify: str
    checks: tuple[str, ...]
    t: float
    f: float
    sigma: float
    tau: float
    deadline: float
    max_cost: float | None


class Shut(msgspec.Struct, frozen=True):
    """A gate that closed on an arm, or on one of its deployments."""

    arm: str
    deployment: str | None
    kind: str


class Offer(msgspec.Struct, frozen=True):
    """What one arm was believed to do, at the deployment it was planned with: predictions, before anything ran."""

    arm: str
    deployment: str
    p: float
    cost: float
    seconds: float
    first_token_s: float
    tokens_per_s: float
    load: float
    input_tokens: float
    output_q50: float
    output_q90: float
    input_counted: int = 0
    """Input tokens as counted before what models had reported; 0 in records that are older than this field."""
    room: int = 1
    """Requests that the deployment serves at full speed."""
    judge_usd: float = 0.0
    """Within `cost`: what judges were expected to cost."""


class Path(msgspec.Struct, frozen=True):
    """A plan: arms in order, each tried only if the one before was rejected."""

    arms: tuple[str, ...]
    p: float
    p_low: float
    cost: float
    seconds: float
    reach: tuple[float, ...]
    """P that each attempt is made."""


class Drawn(msgspec.Struct, frozen=True):
    """What the run's one draw came to."""

    arm: str | None
    """The arm that plans begin with where that is allowed; None: the policy as it is."""
    p: float
    """Probability of that."""


class OutcomeRecord(msgspec.Struct, frozen=True, kw_only=True, tag="outcome", tag_field="kind"):
    """One step, once."""

    v: int
    at: float
    """Unix time at which the step ended; it began `seconds` before."""
    decision_id: str
    run_id: str | None = None
    step_id: str | None = None
    key_id: str = ""
    trace_id: str | None = None
    policy: str = ""
    policy_version: str = ""
    beliefs_version: int | None = None
    step_class: str = "none"
    stream: bool = False
    again: bool = False
    judged_before: tuple[str, ...] = ()
    facts: Facts | None = None
    hints: Mapping[str, Any] = {}
    """Only those that were given; without the ids, which have fields of their own."""
    asked: Asked | None = None
    gates: tuple[Shut, ...] = ()
    offers: tuple[Offer, ...] = ()
    expected: Expected | None = None
    """What the answer's length was judged by."""
    considered: int = 0
    """Plans compared."""
    plans: tuple[Path, ...] | None = None
    """Those on the frontier of cost and P, cheapest first, at most PLANS; None where they were not worked out again."""
    chosen: Path | None = None
    propensity: float | None = None
    drawn: Drawn | None = None
    """None where nothing was drawn."""
    why: str | None = None
    accuracy_met: bool | None = None
    deadline_met: bool | None = None
    hold: bool = False
    attempts: tuple[Attempt, ...] = ()
    result: str
    status: int
    error: str | None = None
    reason: str | None = None
    committed: bool = False
    seconds: float
    overhead_s: float
    cost_usd: float
    text: str | None = None
    """Beginning and end of the last user message; None unless the settings ask for it."""


class VerdictRecord(msgspec.Struct, frozen=True, kw_only=True, tag="verdict", tag_field="kind"):
    """What somebody says of a step, at any time after it."""

    v: int
    at: float
    decision_id: str
    success: float
    source: str
    reason: str | None = None
    weight: float = 1.0
    """Below 1 for a step's share of its run's verdict."""


Record = OutcomeRecord | VerdictRecord

KINDS: tuple[str, ...] = ("outcome", "verdict")

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(OutcomeRecord | VerdictRecord)


def encode(record: Record) -> bytes:
    """One line, its end included."""
    return _ENCODER.encode(record) + b"\n"


def decode(line: bytes) -> Record:
    """Raises msgspec.DecodeError where the line is no whole record of a kind and version known here."""
    record = _DECODER.decode(line)
    if record.v != VERSION:
        raise msgspec.ValidationError(f"a record of version {record.v}; this reads {VERSION}")
    return record


def of_outcome(outcome: Outcome, *, plans: bool) -> OutcomeRecord:
    """The record of an outcome. `plans` searches for the frontier once more: ten times the work of all the rest."""
    return OutcomeRecord(
        v=VERSION,
        at=outcome.started_at + outcome.seconds,
        decision_id=outcome.decision_id,
        run_id=outcome.run_id,
        step_id=outcome.step_id,
        key_id=outcome.key_id,
        trace_id=outcome.trace_id,
        policy=outcome.policy,
        policy_version=outcome.policy_version,
        step_class=outcome.step_class,
        stream=outcome.stream,
        again=outcome.again,
        judged_before=outcome.judged_before,
        facts=outcome.facts if outcome.text is not None else _silent(outcome.facts),
        hints=_given(outcome.hints),
        attempts=outcome.attempts,
        result=outcome.result,
        status=outcome.status,
        error=outcome.error,
        reason=outcome.reason,
        committed=outcome.committed,
        seconds=outcome.seconds,
        overhead_s=outcome.overhead_s,
        cost_usd=outcome.cost_usd,
        text=outcome.text,
        **(_decided(outcome.decision, plans) if outcome.decision is not None else {}),
    )


def of_verdict(verdict: Verdict) -> VerdictRecord:
    return VerdictRecord(
        v=VERSION,
        at=verdict.at,
        decision_id=verdict.decision_id,
        success=verdict.success,
        source=verdict.source,
        reason=verdict.reason[:REASON] if verdict.reason else None,
        weight=verdict.weight,
    )


def _decided(decision: Any, plans: bool) -> dict[str, Any]:
    """What a plan.Decision gives to the record. It stands above this room, hence no type."""
    terms = decision.terms
    return {
        "beliefs_version": decision.beliefs_version,
        "asked": Asked(**{name: getattr(terms, name) for name in Asked.__struct_fields__}),
        "gates": tuple(Shut(g.arm, g.deployment, g.kind) for g in decision.gates),
        "offers": tuple(_offer(options[0]) for options in decision.options.values()),
        "expected": decision.asked,
        "considered": decision.considered,
        "plans": tuple(_path(p) for p in _few(decision.frontier)) if plans else None,
        "chosen": _path(decision.chosen),
        "propensity": decision.propensity,
        "drawn": None if decision.drawn is None else Drawn(decision.drawn.arm, decision.drawn.p),
        "why": decision.kind,
        "accuracy_met": decision.accuracy_met,
        "deadline_met": decision.deadline_met,
        "hold": decision.hold,
    }


def _few(frontier: tuple[Any, ...]) -> tuple[Any, ...]:
    """At most PLANS of them, evenly spread, both ends kept."""
    last = len(frontier) - 1
    if last < PLANS:
        return frontier
    return tuple(frontier[round(i * last / (PLANS - 1))] for i in range(PLANS))


def _path(p: Any) -> Path:
    return Path(
        p.arms,
        round(p.p_success, 6),
        round(p.p_low, 6),
        round(p.cost, 9),
        round(p.seconds, 4),
        tuple([round(r, 6) for r in p.reach]),
    )


def _offer(c: Any) -> Offer:
    return Offer(
        c.arm,
        c.deployment.name,
        round(c.p, 6),
        round(c.cost, 9),
        round(c.seconds, 4),
        round(c.first_token_s, 4),
        round(c.tokens_per_s, 2),
        round(c.load, 4),
        round(c.input_tokens, 1),
        round(c.output_q50, 1),
        round(c.output_q90, 1),
        c.input_counted,
        c.deployment.concurrency,
        c.judge_usd,
    )


def _silent(facts: Facts | None) -> Facts | None:
    """The facts without the hashes of the step's words: guessed words could be looked for in them."""
    return msgspec.structs.replace(facts, text=b"") if facts is not None and facts.text else facts


_IDS = frozenset({"run_id", "step_id"})


def _given(hints: Hints | None) -> dict[str, Any]:
    if hints is None or hints is NONE:
        return {}
    given = {name: getattr(hints, name) for name in hints.__struct_fields__ if name not in _IDS}
    return {name: value for name, value in given.items() if value != getattr(NONE, name)}
