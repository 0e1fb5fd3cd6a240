"""Asks a user's own judges of an answer that the checks of form let through.

A judge that fails, is late or talks nonsense has given no verdict: the answer stands, and the record says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from router.errors import UpstreamFault
from router.judges import Judge
from router.outcome import Attempt, CheckResult, Judging, Names
from router.step import StepRequest
from router.upstream.base import Call, Upstream
from router.wire.answer import Answer, Choice

MAX_REPLY = 65_536
"""Bytes of a verdict."""
MAX_REASON = 500
UNTOLD = "the judge rejected it"
"""In place of a judge's own reason, which may quote the answer, where no text is to be kept."""
Spoken = Literal["accepted", "rejected", "timeout", "unreachable", "status", "invalid"]
REACHED = frozenset({"accepted", "rejected", "timeout", "status", "invalid"})
"""What may have to be paid for."""
_FAULTS: dict[str, Spoken] = {"timeout": "timeout", "invalid_body": "invalid", "too_large": "invalid"}


class Case(msgspec.Struct, frozen=True):
    """One answer to be judged."""

    names: Names
    step_class: str
    request: StepRequest
    answer: Answer
    attempt: int
    """1 is the plan's first."""


class Heard(msgspec.Struct, frozen=True):
    """What one judge said."""

    judging: Judging
    check: CheckResult | None
    """None where there is no verdict."""

    def noted(self, attempt: Attempt) -> Attempt:
        """The attempt with what was said of it."""
        checks = attempt.checks if self.check is None else (*attempt.checks, self.check)
        return msgspec.structs.replace(attempt, checks=checks, judgings=(*attempt.judgings, self.judging))


class _Verdict(msgspec.Struct):
    success: bool | None = None
    score: float | None = None
    reason: Any = None


class Judges:
    """Asks judges through the client that serves for models: it never retries, redirects or uses a proxy by itself."""

    def __init__(self, upstream: Upstream, connect_s: float, keep_text: bool, clock: Callable[[], float]) -> None:
        """`keep_text`: whether a judge's own reasons go into the record."""
        self._upstream, self._connect_s, self._keep_text, self._clock = upstream, connect_s, keep_text, clock

    async def ask(self, name: str, judge: Judge, case: Case, left: float) -> Heard:
        """One judge's verdict, waited for at most `left` seconds. Never raises but where the caller leaves."""
        began, reason = self._clock(), ""
        try:
            async with asyncio.timeout(min(judge.timeout, max(left, 0.0))):
                result, reason = _read(await self._send(judge, question(name, case)), judge)
        except TimeoutError:
            result = "timeout"
        except UpstreamFault as fault:
            result = "status" if fault.upstream_status else _FAULTS.get(fault.kind, "unreachable")
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            result = "invalid"
        judging = Judging(name, result, self._clock() - began, judge.cost if result in REACHED else 0.0)
        if judging.silent:
            return Heard(judging, None)
        passed = result == "accepted"
        return Heard(judging, CheckResult(name, passed, "" if passed else self._told(reason)))

    async def _send(self, judge: Judge, body: bytes) -> bytes:
        call = Call(judge.place, body, False, self._connect_s, judge.timeout, path=judge.path)
        reply = await self._upstream.send(call)
        try:
            if reply.status != 200:
                raise UpstreamFault("status", "The judge refused.", upstream_status=reply.status)
            return await reply.read(MAX_REPLY)
        finally:
            await reply.close()

    def _told(self, reason: str) -> str:
        return reason[:MAX_REASON] if self._keep_text and reason else UNTOLD


def question(name: str, case: Case) -> bytes:
    """The JSON that a judge gets. Raises UnicodeError for text that is none."""
    names, request = case.names, case.request
    return msgspec.json.encode(
        {
            "judge": name,
            "decision_id": names.decision_id,
            "run_id": names.run_id,
            "step_id": names.step_id,
            "step_class": case.step_class,
            "attempt": case.attempt,
            "messages": request.fields["messages"],
            "choices": [_choice(c) for c in case.answer.choices],
        }
    )


def _choice(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.content or None}
    if choice.refusal:
        message["refusal"] = choice.refusal
    if choice.tool_calls:
        message["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in choice.tool_calls
        ]
    return {"index": choice.index, "finish_reason": choice.finish_reason, "message": message}


def _read(body: bytes, judge: Judge) -> tuple[Spoken, str]:
    """The verdict and its reason. Raises msgspec.MsgspecError where there is none in it."""
    said = msgspec.json.decode(body, type=_Verdict)
    good = said.success
    if good is None:
        if said.score is None or not 0.0 <= said.score <= 1.0:
            raise msgspec.ValidationError("neither success nor a score from 0 to 1")
        good = said.score >= judge.threshold
    return ("accepted" if good else "rejected"), said.reason if isinstance(said.reason, str) else ""
