"""Outcomes of steps whose traces are known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pydantic import HttpUrl

from router.outcome import Attempt, CheckResult, Outcome
from router.trace import Trace

TRACE = Trace("0af7651916cd43dd8448eb211c80319c", "b" * 16, "c" * 16, 1, "congo=1")
FAILED = CheckResult("schema", False, "no object")


def attempt(number: int = 1, **changes: Any) -> Attempt:
    fields: dict[str, Any] = {
        **{"arm": "n/off", "model": "n", "deployment": "d", "position": number - 1, "started": 0.5, "seconds": 1.5},
        **{"status": 200, "input_tokens": 100, "output_tokens": 40, "cost_usd": 0.25, "finish_reason": "stop"},
    }
    return Attempt(**{**fields, "span_id": f"{number:016x}", **changes})


def decision(**place: Any) -> Any:
    """As much of a decision as spans tell of."""
    where = {"name": "d", "model": "maker/n-1", "litellm_provider": None, "api_base": None, **place}
    deployment = SimpleNamespace(**{"base_url": HttpUrl("http://gpu:8000/v1"), **where})
    chosen = SimpleNamespace(arms=("n/off", "q/off"), p_success=0.9, cost=0.002, seconds=3.0)
    return SimpleNamespace(
        chosen=chosen,
        options={"n/off": (SimpleNamespace(deployment=deployment, p=0.75, cost=0.001),)},
        **{"kind": "accuracy", "reason": "the cheapest that meets 0.9", "accuracy_met": True},
        **{"propensity": 1.0, "beliefs_version": 7},
    )


def outcome(*attempts: Attempt, **changes: Any) -> Outcome:
    fields: dict[str, Any] = {
        **{"decision_id": "dec_1", "key_id": "key", "policy": "default", "policy_version": "v1", "step_class": "code"},
        **{"stream": False, "seconds": 2.0, "overhead_s": 0.0001, "status": 200, "result": "accepted", "trace": TRACE},
        **{"decision": decision(), "run_id": "run_1", "step_id": "step_1", "started_at": 1_800_000_000.0},
    }
    return Outcome(attempts=attempts, **{**fields, **changes})
