"""Turns texts into vectors at the first of an embedder's deployments that answers, the cheapest first."""

from __future__ import annotations

import asyncio
import math

from router.attempts.admission import Verdict
from router.attempts.call import FAIR_S, Tools, ill, refusal
from router.deployment import Deployment
from router.embedder import Embedder
from router.errors import (
    CallerFault,
    DeadlineExceeded,
    Overloaded,
    RateLimited,
    TurnoutError,
    Unavailable,
    UpstreamFault,
)
from router.outcome import Attempt
from router.trace import Trace, span
from router.upstream.base import Call, Reply
from router.wire import embeddings, fault
from router.wire.usage import Usage

PATH = "/embeddings"
FAULTS = 3
"""Attempts at most: the same as for one position of a plan."""
LATE_S = 0.01
"""So near to the deadline it has passed."""
EXPECTED_S = 0.5
"""Of a call, until there is experience."""


class Embed:
    """The attempts of one request. `attempts` is whole whatever happens: every way out leaves a note."""

    def __init__(
        self,
        tools: Tools,
        embedder: Embedder,
        request: embeddings.Request,
        began: float,
        deadline: float,
        trace: Trace | None = None,
    ) -> None:
        """`deadline`: seconds after `began`."""
        self._tools, self._embedder, self._request = tools, embedder, request
        self._began, self._deadline, self._trace = began, deadline, trace
        self._span = ""
        """Of the call that is under way."""
        self.attempts: list[Attempt] = []

    @property
    def counted(self) -> int:
        """Input tokens, by their bytes where they did not come as tokens."""
        tokens = self._request.tokens
        return tokens if tokens is not None else math.ceil(self._request.size / self._embedder.bytes_per_token)

    @property
    def spent(self) -> float:
        """USD."""
        return sum(a.cost_usd for a in self.attempts)

    async def run(self) -> bytes:
        """The answer to send. Raises TurnoutError where no deployment gave one."""
        failure: UpstreamFault | None = None
        shed = False
        queue = sorted(self._embedder.deployments, key=lambda d: d.usd.input)
        self._tools.budget.step()
        while queue and len(self.attempts) < FAULTS and self._left() > LATE_S:
            deployment = queue.pop(0)
            if not self._tools.health.begin(self._key(deployment)):
                continue
            if not await self._place(deployment, queue):
                shed = True
                continue
            if failure is not None and not self._tools.budget.take():
                self._put_back(deployment)
                break
            try:
                return await self._attempt(deployment, self._left() / (2 if queue else 1))
            except UpstreamFault as error:
                failure = error
                if error.kind == "unsupported":  # elsewhere it is the same model
                    break
        raise self._nobody(failure, shed)

    def _left(self) -> float:
        return self._began + self._deadline - self._tools.clock()

    def _key(self, deployment: Deployment) -> str:
        return f"{self._embedder.name}:{deployment.name}"

    async def _place(self, deployment: Deployment, others: list[Deployment]) -> bool:
        """Gets a place at the deployment: at once, or in its queue where there is nowhere else to go."""
        admission, key = self._tools.admission, self._key(deployment)
        if admission.enter(key, deployment.most):
            return True
        allowed = 0.0 if others else min(self._tools.settings.queue_timeout, self._left())
        try:
            entered = await admission.wait(key, allowed, EXPECTED_S, elsewhere=bool(others))
        except asyncio.CancelledError:
            self._tools.health.abandoned(key)
            raise
        if not entered:
            self._tools.health.abandoned(key)
        return entered

    def _put_back(self, deployment: Deployment) -> None:
        """Gives up a place that was not used."""
        self._tools.health.abandoned(self._key(deployment))
        self._tools.admission.leave(self._key(deployment), self._tools.clock(), "unknown")

    def _nobody(self, failure: UpstreamFault | None, shed: bool) -> TurnoutError:
        """What to tell where no deployment has answered."""
        if self._left() <= LATE_S:
            return DeadlineExceeded(f"No answer within the deadline of {self._deadline:g} s.", param="deadline")
        if failure is not None:
            return failure
        name = self._embedder.name
        if shed:
            return Overloaded(f"{name} has as many calls as it can serve. Come back later.", retry_after=1.0)
        closed = self._tools.health.closed(frozenset(map(self._key, self._embedder.deployments)))
        if closed.limited:
            return RateLimited(f"{name} is rate limited.", retry_after=closed.wait)
        return Unavailable(f"No deployment of {name} can be asked right now.", retry_after=closed.wait)

    async def _attempt(self, deployment: Deployment, patience: float) -> bytes:
        """One call, its place taken already and given back at its end."""
        tools, key, started = self._tools, self._key(deployment), self._tools.clock()
        self._span = span()
        load: Verdict = "unknown"
        try:
            body, used = await self._call(deployment, patience)
            tools.health.succeeded(key)
            load = "served"
            self._note(deployment, started, status=200, usage=used)
            return body
        except UpstreamFault as error:
            load = ill(tools.health, key, error, self._tells(error, started))
            self._note(deployment, started, fault=error.kind, status=error.upstream_status)
            raise
        except CallerFault as error:
            tools.health.abandoned(key)
            self._note(deployment, started, fault="caller", status=error.status)
            raise
        except asyncio.CancelledError:
            tools.health.abandoned(key)
            self._note(deployment, started, fault="cancelled")
            raise
        finally:
            tools.admission.leave(key, started, load)

    def _tells(self, error: UpstreamFault, started: float) -> bool:
        """Whether a fault tells of the deployment's health: not where the caller's deadline left it too little time."""
        if error.kind != "timeout":
            return error.kind != "unsupported"
        return self._tools.clock() - started >= min(FAIR_S, self._tools.settings.idle_timeout)

    async def _call(self, deployment: Deployment, patience: float) -> tuple[bytes, Usage | None]:
        settings = self._tools.settings
        body = embeddings.render(self._request, deployment.model)
        told = self._trace.headers(self._span) if self._trace is not None else ()
        call = Call(deployment, body, False, settings.connect_timeout, settings.idle_timeout, path=PATH, trace=told)
        try:
            async with asyncio.timeout(patience):
                reply = await self._tools.upstream.send(call)
                try:
                    return await self._read(reply)
                finally:
                    await reply.close()
        except TimeoutError:
            raise UpstreamFault("timeout", "The upstream took too long to answer.") from None

    async def _read(self, reply: Reply) -> tuple[bytes, Usage | None]:
        if reply.status != 200:
            raise fault.from_reply(reply.status, reply.headers, await refusal(reply))
        body = await reply.read(self._tools.settings.max_answer_bytes)
        return embeddings.look_over(body, self._request)

    def _note(
        self,
        deployment: Deployment,
        started: float,
        *,
        fault: str | None = None,
        status: int | None = None,
        usage: Usage | None = None,
    ) -> None:
        """Adds the attempt. An answer without usage costs what its texts were counted to be."""
        tokens = usage.prompt_tokens if usage else self.counted if fault is None else 0
        self.attempts.append(
            Attempt(
                arm=self._embedder.name,
                model=self._embedder.name,
                deployment=deployment.name,
                position=0,
                started=started - self._began,
                seconds=self._tools.clock() - started,
                status=status,
                input_tokens=tokens,
                estimated=usage is None and fault is None,
                cost_usd=deployment.usd.cost(tokens, 0),
                fault=fault,
                span_id=self._span,
            )
        )
