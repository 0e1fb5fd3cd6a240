"""`/admin/*`: what the server decided lately, what it believes and by which policies. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query

from router.api.explain import render
from router.beliefs.latent import moments, spread
from router.beliefs.published import Success
from router.config import Config
from router.errors import NotFound
from router.outcome import Outcome
from router.policy import Policy, StepClass
from router.recent import KEPT, Bin, Recent, Seen
from router.reports import Asked

CERTAIN = 0.9
"""Of the interval in which a belief's P(success) lies."""


def routes(config: Callable[[], Config], recent: Recent) -> APIRouter:
    router, views = APIRouter(prefix="/admin", tags=["admin"]), Views(config, recent)
    router.add_api_route("/decisions", views.decisions, summary="The last decisions")
    router.add_api_route("/decisions/{decision_id}", views.decision, summary="One decision opened")
    router.add_api_route("/beliefs", views.beliefs, summary="What is believed")
    router.add_api_route("/calibration", views.calibration, summary="Predicted against observed")
    router.add_api_route("/policies", views.policies, summary="Policies and their versions")
    return router


class Views:
    """What there is to see, each as JSON-ready data."""

    def __init__(self, config: Callable[[], Config], recent: Recent) -> None:
        self._config, self._recent = config, recent

    def decisions(
        self,
        limit: Annotated[int, Query(ge=1, le=KEPT, description="Decisions at most.")] = 50,
        after: Annotated[int, Query(ge=0, description="Only those with a greater `number`.")] = 0,
    ) -> dict[str, Any]:
        """The latest first, in short. Of this process, since it started; the journal has them all."""
        return {"object": "list", "data": [_short(seen) for seen in self._recent.last(limit, after)]}

    def decision(self, decision_id: str) -> dict[str, Any]:
        """Gates, plans, beliefs, what came back and what was said of it. 404 once it is forgotten."""
        seen = self._recent.find(decision_id)
        if seen is None:
            raise NotFound(
                f"The decision {decision_id[:64]!r} is not among the last {KEPT} of this process. "
                "Look in the journal: turnout journal show --decision ID.",
                param="decision_id",
                code="decision_not_found",
            )
        return _whole(seen)

    def beliefs(
        self,
        policy: Annotated[str | None, Query(description="Whose classes; the default policy's where left out.")] = None,
    ) -> dict[str, Any]:
        """P(success) and length of each arm at each class, facts of the step aside; speed of each deployment."""
        now = self._config()
        name = policy or now.default
        if name not in now.policies:
            raise NotFound(
                f"There is no policy {name[:64]!r}. Policies are: {', '.join(now.policies)}.",
                param="policy",
                code="policy_not_found",
            )
        return {
            "object": "turnout.beliefs",
            "version": now.beliefs.version,
            "policy": name,
            "classes": [_class(c, now) for c in now.policies[name].classes],
            "deployments": _speeds(now),
        }

    def calibration(self) -> dict[str, Any]:
        """First answers that callers judged since the start, by the tenth that their predicted P(success) fell in."""
        return {"object": "list", "data": [_bin(b) for b in self._recent.bins if b.count]}

    def policies(self) -> dict[str, Any]:
        """Each policy with the digest of its file, and when others began to serve, the latest first."""
        now = self._config()
        return {
            "object": "list",
            "default": now.default,
            "data": [_policy(p, now.versions.get(p.name, "")) for p in now.policies.values()],
            "loads": [{"at": load.at, "versions": load.versions} for load in reversed(self._recent.loads)],
        }


def _short(seen: Seen) -> dict[str, Any]:
    outcome = seen.outcome
    decision = outcome.decision
    return {
        "number": seen.number,
        "decision_id": outcome.decision_id,
        "at": outcome.started_at,
        "run_id": outcome.run_id,
        "step_id": outcome.step_id,
        "step_class": outcome.step_class,
        "policy": outcome.policy,
        "policy_version": outcome.policy_version,
        "stream": outcome.stream,
        "plan": [] if decision is None else list(decision.chosen.arms),
        "p_success": None if decision is None else round(decision.chosen.p_success, 4),
        "expected_cost_usd": None if decision is None else round(decision.chosen.cost, 9),
        "why": None if decision is None else decision.kind,
        "accuracy_met": None if decision is None else decision.accuracy_met,
        "answered": outcome.attempts[-1].arm if outcome.attempts else None,
        "attempts": len(outcome.attempts),
        "cost_usd": round(outcome.cost_usd, 9),
        "seconds": round(outcome.seconds, 3),
        "overhead_ms": round(outcome.overhead_s * 1e3, 3),
        "status": outcome.status,
        "result": outcome.result,
        "error": outcome.error,
        "verdicts": [{"source": v.source, "success": v.success, "at": v.at} for v in seen.verdicts],
    }


def _whole(seen: Seen) -> dict[str, Any]:
    outcome = seen.outcome
    return {
        **_short(seen),
        "hints": _hints(outcome),
        "tries": msgspec.to_builtins(outcome.attempts),
        "decision": _decision(outcome),
    }


def _decision(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.decision is None or outcome.facts is None:
        return None
    return render(outcome.decision, outcome.decision.terms, outcome.facts)


def _hints(outcome: Outcome) -> Any:
    """Those that were given; their names and values are the caller's own."""
    if outcome.hints is None:
        return {}
    given = msgspec.structs.asdict(outcome.hints)
    return msgspec.to_builtins({name: value for name, value in given.items() if value not in (None, (), frozenset())})


def _class(step_class: StepClass, now: Config) -> dict[str, Any]:
    beliefs = now.beliefs
    lengths = beliefs.length.about(Asked(step_class.name, step_class.output.q50, step_class.output.q90))
    spreads = beliefs.success.spread(step_class.name, step_class.sigma, step_class.tau)
    arms = []
    for arm in now.catalog.arms:
        known = beliefs.success.of(arm.name, step_class.name, step_class.sigma, step_class.tau)
        length = lengths.of(arm.name)
        arms.append(
            {
                "arm": arm.name,
                **_chance(known, step_class),
                "evidence": known.source,
                "benchmark": known.benchmark,
                "strength": round(known.strength, 1),
                "output_tokens": {"q50": round(length.q50), "q90": round(length.q90)},
            }
        )
    return {
        "name": step_class.name,
        "sigma": round(spreads.sigma, 3),
        "tau": round(spreads.tau, 3),
        "learned_at": beliefs.success.seen.get(step_class.name),
        "arms": arms,
    }


def _chance(known: Success, step_class: StepClass) -> dict[str, float]:
    """P(success) at the posterior mean, and at both ends of the interval that holds the ability with P = CERTAIN."""
    noise, tail = spread(step_class.sigma, step_class.tau), (1.0 - CERTAIN) / 2
    low, high = known.logit(1.0 - tail), known.logit(tail)
    return {
        "p": round(known.p, 4),
        "low": round(moments(low + noise)[0], 4),
        "high": round(moments(high + noise)[0], 4),
    }


def _speeds(now: Config) -> list[dict[str, Any]]:
    paces = {key: now.beliefs.speed.paces[key] for key in (f"{name}:{d.name}" for name, d in now.catalog.places)}
    return [
        {
            "deployment": key,
            "first_token_s": round(pace.first_token_s, 3),
            "tokens_per_s": round(pace.tokens_per_s(1000.0), 1),
        }
        for key, pace in paces.items()
    ]


def _bin(found: Bin) -> dict[str, Any]:
    low, high = found.interval()
    return {
        "from": found.low,
        "count": found.count,
        "predicted": round(found.predicted / found.count, 4),
        "observed": round(found.right / found.count, 4),
        "low": round(low, 4),
        "high": round(high, 4),
    }


def _policy(policy: Policy, version: str) -> dict[str, Any]:
    return {
        "name": policy.name,
        "version": version,
        "description": policy.description,
        "classes": [c.name for c in policy.classes],
        "exploration_share": policy.exploration.share,
    }
