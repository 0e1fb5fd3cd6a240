"""`POST /v1/outcomes`: what the caller says of a decision, a step or a run after its answer went out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from router.api import contract
from router.api.asgi import read_body
from router.errors import BadRequest
from router.evidence import SIGNALS
from router.feedback import Feedback
from router.keys import Grant
from router.limits import Quota
from router.settings import Settings
from router.store.base import Store
from router.verdicts import Filed, Kind, Said
from router.wire import body as strict

IDENT = r"^[!-~]{1,128}$"
KINDS: tuple[Kind, ...] = ("decision", "step", "run")
RESERVED = SIGNALS | {"checks", "none", "run", "upstream"}
"""What Turnout itself says, and the names under which the metrics count it."""


class Verdict(BaseModel):
    """Exactly one id, and exactly one of `success` and `score`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    decision_id: str | None = Field(default=None, pattern=IDENT, description="From `x-turnout-decision-id`.")
    step_id: str | None = Field(default=None, pattern=IDENT, description="The step's last answer is meant.")
    run_id: str | None = Field(default=None, pattern=IDENT, description="Spread over the run's steps.")
    success: bool | None = Field(default=None, description="Whether the answer was right.")
    score: float | None = Field(default=None, ge=0, le=1, description="1 right, 0 wrong, or between.")
    source: str = Field(default="caller", pattern=r"^[a-z][a-z0-9_.-]{0,31}$", description="Who says so.")
    reason: str | None = Field(default=None, max_length=500)
    idempotency_key: str | None = Field(default=None, pattern=IDENT, description="The same in every repetition.")

    @model_validator(mode="after")
    def _whole(self) -> Verdict:
        _exactly_one(self, tuple(f"{kind}_id" for kind in KINDS))
        _exactly_one(self, ("success", "score"))
        if self.source in RESERVED:
            raise ValueError("source: is a name that Turnout itself uses")
        return self

    def said(self, at: float) -> Said:
        kind, name = next((k, name) for k in KINDS if (name := getattr(self, f"{k}_id")) is not None)
        success = float(self.success) if self.score is None else self.score  # type: ignore[arg-type]
        return Said(kind, name, success, self.source, at, self.reason, self.idempotency_key)


def _exactly_one(verdict: Verdict, names: tuple[str, ...]) -> None:
    given = [name for name in names if getattr(verdict, name) is not None]
    if len(given) != 1:
        raise ValueError(f"{given[1] if given else names[0]}: exactly one of {', '.join(names)} must be given")


class Receipt(BaseModel):
    """What became of a verdict; the same however often it is told."""

    id: str
    object: Literal["turnout.outcome"] = "turnout.outcome"
    decisions: int = Field(description="Decisions for whose answers it counts.")
    applied: bool = Field(description="Whether there was an answer to judge.")


def routes(
    store: Store, feedback: Feedback, quota: Quota, settings: Settings, authorised: Callable[..., Grant]
) -> APIRouter:
    router = APIRouter(tags=["outcomes"])

    @router.post(
        "/v1/outcomes",
        summary="Say how a step turned out",
        openapi_extra=contract.taking(Verdict.model_json_schema()),
        responses={status: {"description": text} for status, text in REFUSALS.items()},
    )
    async def outcomes(request: Request, grant: Grant = Depends(authorised)) -> Receipt:
        """A verdict counts once, however often it is sent. Only the key that asked for a step may judge it."""
        quota.take(grant.key_id, settings.outcomes_per_minute, "verdicts")
        verdict = read(await read_body(request.receive, request.headers, settings.max_body_bytes))
        filed: Filed = await store.judge(grant.key_id, verdict.said(time.time()))
        for change in filed.changes:
            feedback.tell((change,))
            await asyncio.sleep(0)  # a run's verdict may move the beliefs a few hundred times
        return Receipt(id=filed.id, decisions=filed.decisions, applied=filed.decisions > 0)

    return router


REFUSALS: dict[int | str, str] = {
    400: "The body is no verdict; `param` names the field.",
    404: "Unknown, forgotten, or of another key.",
    409: "The same source has said something else, or the idempotency key belongs to another verdict.",
    429: "Too many verdicts in a minute; `retry-after` says when to come back.",
}


def read(body: bytes) -> Verdict:
    """Raises BadRequest naming the field at fault."""
    try:
        verdict = Verdict.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False, include_input=False)[0]) from None
    strict.read(body)  # no key twice: of two verdicts in one, neither is meant
    return verdict


def _refusal(first: Any) -> BadRequest:
    kind, where = first["type"], ".".join(str(part) for part in first["loc"])[:64]
    if kind == "json_invalid":
        return BadRequest("The body is not valid JSON.", code="invalid_json")
    if kind == "extra_forbidden":
        return BadRequest(f"Unknown field {where}. Fields are: {', '.join(Verdict.model_fields)}.", param=where)
    if kind == "value_error":  # ours: `field: what is wrong`
        text = str(first["ctx"]["error"])
        return BadRequest(f"{text}.", param=text.partition(":")[0])
    if not where:
        return BadRequest("The body must be a JSON object.")
    return BadRequest(f"{where}: {first['msg']}.", param=where)
