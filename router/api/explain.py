"""`POST /v1/route`: what would be done with a step, and why, without doing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request

from router import plan
from router.api import contract
from router.api.asgi import header_map, read_body, request_id
from router.api.dialect import Dialect
from router.keys import Grant
from router.limits import Admission
from router.pipeline import Pipeline
from router.plan import Candidate, Decision, Loop, Plan
from router.record import Incoming, Record
from router.settings import Settings
from router.step import Facts
from router.terms import Terms

PLANS = 200
"""Plans listed at most, the best first."""

Spoken = Literal["chat", "messages", "responses", "completions"]


def routes(
    pipeline: Pipeline,
    dialects: Mapping[str, Dialect],
    admission: Admission,
    settings: Settings,
    authorised: Callable[..., Grant],
) -> APIRouter:
    """`dialects`: by the names in `Spoken`."""
    router = APIRouter(tags=["decisions"])

    @router.post("/v1/route", summary="Explain a decision", openapi_extra=contract.taking(contract.REQUEST))
    async def route(request: Request, dialect: Spoken = "chat", grant: Grant = Depends(authorised)) -> dict[str, Any]:
        """Takes the body of a step in any dialect; returns the decision, gates and plans. Sends nothing upstream."""
        admission.asked(grant)
        headers, left = header_map(request.scope), admission.left(grant)
        body = await read_body(request.receive, headers, settings.max_body_bytes)
        incoming = Incoming(body, headers, grant.key_id, request_id(headers), grant=grant, left=left)
        return await explain(pipeline, (await dialects[dialect].ask(incoming)).incoming)

    return router


async def explain(pipeline: Pipeline, incoming: Incoming) -> dict[str, Any]:
    """The decision on a chat request as JSON-ready data. Raises TurnoutError as the request itself would."""
    record = Record(incoming, pipeline.clock)
    _, terms, decision = await pipeline.decide(incoming, record)
    assert record.facts is not None
    return render(decision, terms, record.facts)


def render(decision: Decision, terms: Terms, facts: Facts) -> dict[str, Any]:
    """A decision in words and numbers: USD, seconds, probabilities."""
    return {
        "object": "turnout.decision",
        "policy": terms.policy,
        "step_class": terms.step_class,
        "reason": decision.reason,
        "accuracy_met": decision.accuracy_met,
        "deadline_met": decision.deadline_met,
        "considered": decision.considered,
        "propensity": decision.propensity,
        "drawn": None if decision.drawn is None else {"arm": decision.drawn.arm, "p": decision.drawn.p},
        "hold": decision.hold,
        "beliefs_version": decision.beliefs_version,
        "chosen": {**_plan(decision.chosen), "parameters": _parameters(decision.chosen.attempts[0])},
        "frontier": [_plan(p) for p in decision.frontier],
        "plans": [{**_plan(each.plan), "why": each.why} for each in plan.everything(decision, PLANS)],
        "arms": [_candidate(c) for options in decision.options.values() for c in options],
        "loop": _loop(decision.loop),
        "gates": [
            {"arm": g.arm, "deployment": g.deployment, "kind": g.kind, "reason": g.reason} for g in decision.gates
        ],
        "terms": _terms(terms),
        "facts": _facts(facts),
    }


def _plan(p: Plan) -> dict[str, Any]:
    return {
        "arms": list(p.arms),
        "deployments": [c.deployment.name for c in p.attempts],
        "p_success": round(p.p_success, 6),
        "expected_cost_usd": round(p.cost, 9),
        "expected_seconds": round(p.seconds, 3),
        "q90_seconds": round(p.seconds_q90, 3),
        "reach": [round(r, 6) for r in p.reach],
    }


def _loop(loop: Loop | None) -> dict[str, Any] | None:
    """The tool loop that the step goes on with, and whether leaving its model was worth it."""
    if loop is None:
        return None
    return {
        "model": loop.model,
        "stays": loop.stays,
        "gain_usd": round(loop.gain, 9),
        "needed_usd": round(loop.loss, 9),
    }


def _parameters(c: Candidate) -> dict[str, Any]:
    """The body parameters that select the arm's thinking mode at its deployment, for those who call it themselves."""
    return c.deployment.thinking.get(c.mode, {})


def _candidate(c: Candidate) -> dict[str, Any]:
    return {
        "arm": c.arm,
        "deployment": c.deployment.name,
        "p_success": round(c.p, 6),
        "evidence": c.evidence,
        "cost_usd": round(c.cost, 9),
        "seconds": round(c.seconds, 3),
        "input_tokens": round(c.input_tokens),
        "output_tokens": {"q50": round(c.output_q50), "q90": round(c.output_q90)},
        "first_token_s": round(c.first_token_s, 3),
        "tokens_per_s": round(c.tokens_per_s, 1),
    }


def _terms(t: Terms) -> dict[str, Any]:
    return {
        "accuracy": t.accuracy,
        "failure_cost": t.failure_cost,
        "time_value": t.time_value,
        "confidence": t.confidence,
        "max_attempts": t.max_attempts,
        "verify": t.verify,
        "checks": list(t.checks),
        "t": t.t,
        "f": t.f,
        "sigma": t.sigma,
        "tau": t.tau,
        "exploration_share": t.exploration.share if t.exploration else 0.0,
        "words": t.words,
        "deadline": t.deadline,
        "max_cost": t.max_cost,
    }


def _facts(f: Facts) -> dict[str, Any]:
    """All but the hashed words, which say nothing to a person."""
    return {name: getattr(f, name) for name in f.__struct_fields__ if name != "text"}
