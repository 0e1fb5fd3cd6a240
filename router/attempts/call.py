"""One call to one deployment: send, read up to an answer or the commit point, judge, and note what it took."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from router import relay
from router.attempts.admission import Admission, Verdict
from router.attempts.budget import FaultBudget
from router.attempts.native import CHAT, READINGS, Reading
from router.attempts.wording import worded
from router.checks import garbled, judge
from router.errors import BadRequest, CallerFault, UpstreamFault
from router.health import Health
from router.outcome import Attempt, CheckResult
from router.plan import Candidate
from router.record import Incoming, Record
from router.settings import Settings
from router.step import StepRequest
from router.trace import Trace, span
from router.upstream.base import Reply, Upstream
from router.wire import answer as wire_answer
from router.wire import fault
from router.wire.answer import Answer, Usage

FAIR_S = 10.0
"""Silence for so long is the deployment's fault, whatever was expected of it."""
SLOW_SHARE = 0.5
"""Of the time that an answer gets where there is an alternative: what takes longer is slow, though it comes."""
OVERLOADED = frozenset({503, 529})
"""Statuses by which a server refuses for its load; 529 is Anthropic's."""


class Answered(msgspec.Struct):
    """A whole answer, judged: ready to be sent as it came."""

    body: bytes
    rejected: bool
    """Whether a check refused it; returned all the same where no attempt is left."""
    native: bool = False
    """Whether it is in the caller's own dialect already."""
    answer: Answer | None = None
    """What judges get of it."""


class Tools(msgspec.Struct, frozen=True):
    """What every walk uses, built once by `app`."""

    upstream: Upstream
    health: Health
    admission: Admission
    budget: FaultBudget
    settings: Settings
    clock: Callable[[], float]

    def record(self, incoming: Incoming) -> Record:
        """Of a step that begins now."""
        return Record(incoming, self.clock, self.settings.journal_text, self.settings.trace_ratio)


class Running(msgspec.Struct, frozen=True):
    """An attempt that is under way."""

    candidate: Candidate
    position: int
    started: float
    fair: float
    """Seconds that suffice for an answer, or for the beginning of a stream."""
    span: str

    @property
    def key(self) -> str:
        return self.candidate.key


class Caller:
    """Makes the calls of one step. `attempts` is whole whatever happens: every way out leaves a note."""

    def __init__(
        self,
        tools: Tools,
        request: StepRequest,
        checks: tuple[str, ...],
        held: bool,
        began: float,
        headers: Mapping[str, str],
        trace: Trace | None = None,
    ) -> None:
        self._tools, self._request, self._checks, self._held, self._began = tools, request, checks, held, began
        self._headers, self._trace = headers, trace
        self.attempts: list[Attempt] = []
        self.live: tuple[Running, relay.Live, float] | None = None
        """A stream past its commit point and the seconds to it, until `finish`."""
        self._over: relay.Live | None = None

    async def attempt(self, position: int, candidate: Candidate, patience: float, fair: float) -> Answered | relay.Live:
        """Calls `candidate`, for at most `patience` seconds to a whole answer or the commit point.

        Its place in `admission` is taken already; it is given back when the call is over. More than half of `fair`
        seconds is slow. Raises UpstreamFault where another deployment may be tried, CallerFault where the request
        itself is at fault.
        """
        tools = self._tools
        running = Running(candidate, position, tools.clock(), fair, span())
        load: Verdict | None = "unknown"
        try:
            got = await self._call(running, patience)
            load = None
            if not isinstance(got, relay.Live):
                load = self._well(running, tools.clock() - running.started)
            return got
        except UpstreamFault as error:
            load = ill(tools.health, running.key, error, self._tells(error, running))
            self._note(running, fault=error.kind, status=error.upstream_status)
            raise
        except (BadRequest, CallerFault) as error:
            tools.health.abandoned(running.key)
            self._note(running, fault="caller", status=error.status)
            raise
        except asyncio.CancelledError:
            tools.health.abandoned(running.key)
            self._note(running, fault="cancelled")
            raise
        finally:
            if load is not None:
                tools.admission.leave(running.key, running.started, load)

    def _well(self, running: Running, seconds: float) -> Verdict:
        """Tells health of an answer that took so long, or a stream so long to begin; returns what it says of load."""
        slow = seconds > SLOW_SHARE * running.fair
        self._tools.health.succeeded(running.key, slow)
        return "slow" if slow else "served"

    def _tells(self, error: UpstreamFault, running: Running) -> bool:
        """Whether a fault tells of the deployment's health. That such a request does not suit it says nothing, nor does
        silence in less time than an answer takes: the caller's deadline was short."""
        if error.kind != "timeout":
            return error.kind != "unsupported"
        candidate, live = running.candidate, self._request.stream and not self._held
        expected = 10.0 * candidate.first_token_s if live else candidate.seconds_q90
        return self._tools.clock() - running.started >= min(FAIR_S, self._tools.settings.idle_timeout, expected)

    async def _call(self, running: Running, patience: float) -> Answered | relay.Live:
        told = self._trace.headers(running.span) if self._trace is not None else ()
        call = worded(self._request, running.candidate, self._headers, self._tools.settings, told)
        try:
            async with asyncio.timeout(patience):
                reply = await self._tools.upstream.send(call)
                try:
                    return await self._read(reply, running, READINGS.get(call.path, CHAT))
                except BaseException:
                    await reply.close()
                    raise
        except TimeoutError:
            raise UpstreamFault("timeout", "The upstream took too long to answer.") from None

    async def _read(self, reply: Reply, running: Running, how: Reading) -> Answered | relay.Live:
        request, limit = self._request, self._tools.settings.max_answer_bytes
        if reply.status != 200:
            raise fault.from_reply(reply.status, reply.headers, await refusal(reply))
        if not request.stream:
            body = await reply.read(limit)
            await reply.close()
            return self._judge(running, body, how.from_body(body), how.live.native)
        fault.check_stream_type(reply.headers)
        live = how.live(reply, request)
        if self._held:
            return self._whole(running, await relay.collect(live, limit), how)
        whole = await live.begin(limit)
        if whole is None:
            self.live = (running, live, self._tools.clock() - running.started)
            return live
        await live.close()
        return self._whole(running, whole, how)  # it ended before the commit point, so it can still be judged

    def _whole(self, running: Running, whole: relay.Whole, how: Reading) -> Answered:
        return self._judge(running, whole.body, how.from_stream(whole.body), how.live.native, whole.usage)

    def _judge(self, running: Running, body: bytes, answer: Answer, own: bool, usage: Usage | None = None) -> Answered:
        """Runs the checks on a whole answer and notes the attempt."""
        checks = judge(answer, self._request, self._checks) if self._checks else ()
        self._note(
            running,
            status=200,
            usage=usage or answer.usage,
            size=len(body),
            finish_reason=answer.finish_reason,
            checks=checks,
            garbled=None if "tools" in self._checks else garbled(answer, self._request),
        )
        return Answered(body, any(not c.passed for c in checks), own, answer)

    def finish(self, error: BaseException | None) -> None:
        """Notes how the live stream ended: whole, with a fault, at the deadline, or cut off by the caller."""
        assert self.live is not None
        running, live, first = self.live
        self.live, self._over = None, live
        kind: str | None = None
        load: Verdict = "unknown"
        if error is None:
            load = self._well(running, first)
        elif isinstance(error, UpstreamFault):
            kind = error.kind
            self._tools.health.failed(running.key)
        else:
            kind = "deadline" if isinstance(error, TimeoutError) else "cancelled"
            self._tools.health.abandoned(running.key)
        self._tools.admission.leave(running.key, running.started, load)
        self._note(
            running,
            status=200,
            usage=live.usage,
            size=live.bytes_out,
            finish_reason=live.finish_reason,
            first=first,
            fault=kind,
        )

    async def close(self) -> None:
        """Lets go of the upstream of a live stream that `finish` was told of."""
        if self._over is not None:
            await self._over.close()

    def _note(
        self,
        running: Running,
        *,
        status: int | None = None,
        usage: Usage | None = None,
        size: int = 0,
        finish_reason: str | None = None,
        checks: tuple[CheckResult, ...] = (),
        first: float | None = None,
        fault: str | None = None,
        garbled: bool | None = None,
    ) -> None:
        """Adds the attempt. Where the upstream sent no usage, `size` bytes of its answer stand in for it."""
        candidate, estimated = running.candidate, usage is None and size > 0
        if usage is None:
            written = wire_answer.estimate_tokens(size, self._request.stream)
            usage = Usage(prompt_tokens=round(candidate.input_tokens) if size else 0, completion_tokens=written)
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        self.attempts.append(
            Attempt(
                arm=candidate.arm,
                model=candidate.model,
                deployment=candidate.deployment.name,
                position=running.position,
                started=running.started - self._began,
                seconds=self._tools.clock() - running.started,
                first_token_s=first,
                status=status,
                input_tokens=usage.prompt_tokens,
                cached_tokens=cached,
                output_tokens=usage.completion_tokens,
                reasoning_tokens=usage.reasoning_tokens,
                estimated=estimated,
                cost_usd=candidate.deployment.usd.cost(usage.prompt_tokens, usage.completion_tokens, cached),
                finish_reason=finish_reason,
                checks=checks,
                fault=fault,
                span_id=running.span,
                garbled=garbled,
            )
        )


def ill(health: Health, key: str, error: UpstreamFault, tells: bool) -> Verdict:
    """Tells health of a fault, if it `tells` of the deployment; returns what it says of load."""
    if error.kind == "rate_limited":
        health.limited(key, error.retry_after)
        return "refused"
    if not tells:
        health.abandoned(key)
        return "unknown"
    health.failed(key, error.retry_after)
    if error.upstream_status in OVERLOADED:
        return "refused"
    return "slow" if error.kind == "timeout" else "unknown"


async def refusal(reply: Reply) -> bytes:
    """What an upstream says of its refusal; nothing where that is too long or breaks off: the status says enough."""
    try:
        return await reply.read(fault.MAX_BODY)
    except UpstreamFault:
        return b""
