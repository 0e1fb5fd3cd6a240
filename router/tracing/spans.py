"""A step as spans, made of its outcome: the step itself, and one for each attempt below it. Pure.

Attributes follow OpenTelemetry's conventions for generative AI (`gen_ai.*`, in development; names as in the package
opentelemetry-semantic-conventions 0.66b2); what they do not know is under `turnout.*`. Content is in none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from router.outcome import Attempt, Outcome

Value = str | bool | int | float | tuple[str, ...]
EMBEDDINGS = "embeddings"
"""The class of requests for vectors, and the name of what they ask for."""


class Span(msgspec.Struct, frozen=True):
    name: str
    kind: Literal["server", "client"]
    span_id: str
    parent_id: str | None
    start: int
    """Unix time in nanoseconds, as `end`."""
    end: int
    attributes: Mapping[str, Value]
    error: str | None = None
    """What went wrong, of a few words; None where nothing did. A caller's own mistake is no error of the server's."""


def spans(outcome: Outcome) -> tuple[Span, ...]:
    """The step's own span first. Empty where its trace is not known."""
    trace = outcome.trace
    if trace is None or not trace.span_id:
        return ()
    operation = EMBEDDINGS if outcome.step_class == EMBEDDINGS else "chat"
    step = Span(
        name=f"{operation} {outcome.attempts[-1].model}" if outcome.attempts else operation,
        kind="server",
        span_id=trace.span_id,
        parent_id=trace.parent_id,
        start=_ns(outcome.started_at),
        end=_ns(outcome.started_at + outcome.seconds),
        attributes=_told({"gen_ai.operation.name": operation, **_step(outcome), **_decision(outcome.decision)}),
        error=(outcome.error or "error") if outcome.status >= 500 else None,
    )
    return (step, *(_attempt(outcome, number, operation) for number in range(len(outcome.attempts))))


def _step(outcome: Outcome) -> dict[str, Value | None]:
    wrong = (outcome.error or outcome.result) if outcome.status >= 400 else None
    return {
        "gen_ai.response.model": outcome.attempts[-1].model if outcome.attempts else None,
        "gen_ai.conversation.id": outcome.run_id,
        "gen_ai.request.stream": outcome.stream,
        "http.response.status_code": outcome.status,
        "error.type": wrong,
        "turnout.decision_id": outcome.decision_id,
        "turnout.step_id": outcome.step_id,
        "turnout.class": outcome.step_class,
        "turnout.policy": outcome.policy or None,
        "turnout.policy_version": outcome.policy_version or None,
        "turnout.result": outcome.result,
        "turnout.attempts": len(outcome.attempts),
        "turnout.cost_usd": float(outcome.cost_usd),
        "turnout.overhead_s": outcome.overhead_s,
    }


def _decision(decision: Any) -> dict[str, Value | None]:
    """`decision`: the plan.Decision, or None."""
    if decision is None:
        return {}
    chosen = decision.chosen
    return {
        "turnout.plan": tuple(chosen.arms),
        "turnout.p_success": chosen.p_success,
        "turnout.expected_cost_usd": chosen.cost,
        "turnout.expected_seconds": chosen.seconds,
        "turnout.accuracy_met": decision.accuracy_met,
        "turnout.why": decision.kind,
        "turnout.reason": decision.reason,
        "turnout.propensity": decision.propensity,
        "turnout.beliefs_version": decision.beliefs_version,
    }


def _attempt(outcome: Outcome, number: int, operation: str) -> Span:
    assert outcome.trace is not None
    attempt = outcome.attempts[number]
    began = outcome.started_at + attempt.started
    about = {"gen_ai.operation.name": operation, **_call(attempt), **_place(outcome, attempt)}
    return Span(
        name=f"{operation} {about['gen_ai.request.model']}",
        kind="client",
        span_id=attempt.span_id,
        parent_id=outcome.trace.span_id,
        start=_ns(began),
        end=_ns(began + attempt.seconds),
        attributes=_told({**about, "turnout.attempt": number + 1}),
        error=attempt.fault,
    )


def _call(attempt: Attempt) -> dict[str, Value | None]:
    known = bool(attempt.input_tokens or attempt.output_tokens)
    return {
        "gen_ai.request.model": attempt.model,
        "gen_ai.provider.name": attempt.deployment,
        "gen_ai.response.finish_reasons": (attempt.finish_reason,) if attempt.finish_reason else None,
        "gen_ai.response.time_to_first_chunk": attempt.first_token_s,
        "gen_ai.usage.input_tokens": attempt.input_tokens if known else None,
        "gen_ai.usage.output_tokens": attempt.output_tokens if known else None,
        "gen_ai.usage.cache_read.input_tokens": attempt.cached_tokens or None,
        "gen_ai.usage.reasoning.output_tokens": attempt.reasoning_tokens or None,
        "http.response.status_code": attempt.status,
        "error.type": attempt.fault,
        "turnout.arm": attempt.arm,
        "turnout.model": attempt.model,
        "turnout.deployment": attempt.deployment,
        "turnout.position": attempt.position,
        "turnout.cost_usd": attempt.cost_usd,
        "turnout.estimated": attempt.estimated or None,
        "turnout.accepted": attempt.accepted if attempt.checks else None,
        "turnout.checks_failed": tuple(c.name for c in attempt.checks if not c.passed) or None,
    }


def _place(outcome: Outcome, attempt: Attempt) -> dict[str, Value | None]:
    """What was expected of the attempt, and where it went; nothing where no decision led to it."""
    if outcome.decision is None:
        return {}
    offer = outcome.offer(attempt)
    deployment = offer.deployment
    address = deployment.base_url or deployment.api_base
    return {
        "gen_ai.request.model": deployment.model,
        "gen_ai.provider.name": deployment.litellm_provider or deployment.name,
        "server.address": address.host if address is not None else None,
        "server.port": address.port if address is not None else None,
        "turnout.p_success": offer.p,
        "turnout.expected_cost_usd": offer.cost,
    }


def _told(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    """Without those that are not known."""
    return {name: value for name, value in attributes.items() if value is not None}


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
