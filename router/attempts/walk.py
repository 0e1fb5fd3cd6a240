"""Walks a plan position by position.

A fault (connection, 429, 5xx, invalid body) keeps the position and moves to another deployment, then to the next-best
arm. Only an answer that the checks reject moves to the next position.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping

from router import relay
from router.attempts.call import Answered, Caller, Tools
from router.attempts.judging import Case, Judges
from router.errors import DeadlineExceeded, Overloaded, RateLimited, TurnoutError, Unavailable, UpstreamFault
from router.outcome import Attempt, Names
from router.plan import Candidate, Decision
from router.step import StepRequest
from router.terms import Terms
from router.trace import Trace

FAULTS_PER_POSITION = 3
PATIENCE_FLOOR_S = 10.0
"""No attempt is given up sooner while the deadline allows it."""
SPILL_S = 0.5
"""Seconds in a queue while another deployment is free: bursts pass, and what was planned is worth a moment."""
LONGEST_RETRY_S = 60.0
LATE_S = 0.01
"""So near to the deadline it has passed: timers have only milliseconds."""
SLOW_TOKENS_PER_S, SLOW_PREFILL_PER_S = 10.0, 500.0
"""An endpoint that writes and reads this fast is alive: the catalog's speeds are a prior, and some hosts are slow."""


class Walk:
    """One walk over one plan."""

    def __init__(
        self,
        tools: Tools,
        request: StepRequest,
        terms: Terms,
        decision: Decision,
        began: float,
        headers: Mapping[str, str] = {},
        trace: Trace | None = None,
        names: Callable[[], Names] = Names,
    ) -> None:
        """`headers`: the caller's, of which a deployment gets those that its catalog entry names; `names`: the step's,
        for judges."""
        self._request, self._names = request, names
        self._tools, self._terms, self._decision = tools, terms, decision
        self._limit = began + terms.deadline
        self._live = request.stream and not decision.hold
        self._attempt_s = tools.settings.attempt_timeout
        self._queue_s = tools.settings.queue_timeout
        """Seconds that the step may still wait for a free place."""
        self._caller = Caller(tools, request, terms.checks, decision.hold, began, headers, trace)
        plan = decision.chosen.attempts
        # The caller judges outside: what comes after its verdict is the caller's to ask for.
        self._plan = plan[:1] if terms.verify == "caller" else plan

    @property
    def attempts(self) -> list[Attempt]:
        """Attempts that are over, faults included."""
        return self._caller.attempts

    @property
    def tried(self) -> int:
        """Attempts begun, a live stream's included."""
        return len(self.attempts) + (self._caller.live is not None)

    @property
    def current(self) -> str | None:
        """The arm that answers, or answered last."""
        if self._caller.live is not None:
            return self._caller.live[0].candidate.arm
        return self.attempts[-1].arm if self.attempts else None

    @property
    def native(self) -> bool:
        """Whether the live stream is in the caller's own dialect."""
        return self._caller.live is not None and self._caller.live[1].native

    @property
    def spent(self) -> float:
        """USD paid so far."""
        return sum(a.cost_usd + a.judge_usd for a in self.attempts)

    def left(self) -> float:
        """Seconds to the deadline."""
        return self._limit - self._tools.clock()

    def late(self) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"No whole answer within the deadline of {self._terms.deadline:g} s. Raise deadline, or prefer speed.",
            param="deadline",
        )

    def finish(self, error: BaseException | None) -> None:
        """Notes how a live stream ended."""
        self._caller.finish(error)

    async def close(self) -> None:
        """Lets go of the upstream of a live stream that ended."""
        await self._caller.close()

    async def run(self) -> Answered | relay.Live:
        """The answer to send. Raises TurnoutError where no upstream could give one."""
        best: Answered | None = None
        self._tools.budget.step()
        for position, candidate in enumerate(self._plan):
            if position and not self._affordable(candidate):
                break
            try:
                got = await self._position(position, candidate)
            except TurnoutError:
                if best is None:
                    raise
                break  # an answer that a check refused is better than none
            if isinstance(got, relay.Live):
                return got
            if self._terms.judges and not got.rejected and not self._live:
                await self._judge(position, got)
            if not got.rejected:
                return got
            best = got
        assert best is not None
        return best

    async def _judge(self, position: int, got: Answered) -> None:
        """Asks the judges in turn, up to the first that rejects the answer. Its deployment serves others by now."""
        assert got.answer is not None
        settings = self._tools.settings
        judges = Judges(self._tools.upstream, settings.connect_timeout, settings.journal_text > 0, self._tools.clock)
        case = Case(self._names(), self._terms.step_class, self._request, got.answer, position + 1)
        for name, judge in self._terms.judges:
            heard = await judges.ask(name, judge, case, self.left())
            self.attempts[-1] = heard.noted(self.attempts[-1])
            if heard.check is not None and not heard.check.passed:
                got.rejected = True
                return

    def _affordable(self, candidate: Candidate) -> bool:
        cap = self._terms.max_cost
        return self.left() > 0 and (cap is None or self.spent + candidate.cost <= cap)

    async def _position(self, position: int, candidate: Candidate) -> Answered | relay.Live:
        """One position of the plan: the candidate, or what stands in for it when it fails."""
        failure: UpstreamFault | None = None
        faults, shed = 0, False
        queue = list(self._substitutes(candidate))
        while queue and faults < FAULTS_PER_POSITION:
            substitute = queue.pop(0)
            if failure and not self._affordable(substitute):
                continue
            if not self._tools.health.begin(substitute.key):
                continue
            if not await self._place(substitute, queue):
                shed = True
                continue
            if faults and not self._tools.budget.take():
                self._put_back(substitute)
                break
            last = faults == FAULTS_PER_POSITION - 1 or not any(self._affordable(c) for c in queue)
            fair = self._fair(substitute)
            patience = self.left() if last else min(fair, max(self.left() / 2, self.left() - 30.0))
            try:
                return await self._caller.attempt(position, substitute, min(patience, self._attempt_s), fair)
            except UpstreamFault as error:
                failure = _worse(failure, error)
                if error.kind == "unsupported":
                    queue = [c for c in queue if c.model != substitute.model]  # elsewhere it is the same model
                else:
                    faults += 1
        raise self._nobody(candidate, failure, shed)

    async def _place(self, candidate: Candidate, others: list[Candidate]) -> bool:
        """Gets a place at the deployment: at once, or in its queue, for a moment where another is free, else for as
        long as the deadline and the setting leave."""
        admission, key = self._tools.admission, candidate.key
        if admission.enter(key, candidate.deployment.most):
            return True
        elsewhere = any(admission.free(c.key) and self._affordable(c) for c in others)
        allowed = min(self._queue_s, self.left() - candidate.seconds, SPILL_S if elsewhere else math.inf)
        began = self._tools.clock()
        try:
            entered = await admission.wait(key, max(0.0, allowed), candidate.seconds, elsewhere=bool(others))
        except asyncio.CancelledError:
            self._tools.health.abandoned(key)
            raise
        finally:
            self._queue_s -= self._tools.clock() - began
        if not entered:
            self._tools.health.abandoned(key)
        return entered

    def _put_back(self, candidate: Candidate) -> None:
        """Gives up a place that was not used."""
        self._tools.health.abandoned(candidate.key)
        self._tools.admission.leave(candidate.key, self._tools.clock(), "unknown")

    def _nobody(self, candidate: Candidate, failure: UpstreamFault | None, shed: bool) -> TurnoutError:
        """What to tell where no deployment has answered."""
        if self.left() <= LATE_S:
            return self.late()
        if failure is not None:
            return failure
        if shed:
            wait = self._tools.admission.wait_s(candidate.key, candidate.seconds)
            return Overloaded(
                "Every model that could take this step has as many calls as it can serve. Come back later.",
                retry_after=min(max(1.0, wait), LONGEST_RETRY_S),
            )
        closed = self._tools.health.closed(
            frozenset(o.key for options in self._decision.options.values() for o in options)
        )
        if closed.limited:
            return RateLimited("Every model that could take this step is rate limited.", retry_after=closed.wait)
        return Unavailable("No model is healthy right now.", retry_after=closed.wait)

    def _substitutes(self, candidate: Candidate) -> Iterator[Candidate]:
        """The candidate, the arm's other deployments, then the other arms: as sure ones first, the best value first."""
        options = self._decision.options
        others = sorted(
            (name for name in options if name != candidate.arm),
            key=lambda name: _rank(options[name][0], candidate, self._terms),
        )
        here = [c for c in options.get(candidate.arm, ()) if c is not candidate]
        free = self._tools.admission.free
        if not free(candidate.key) and (idle := next((c for c in here if free(c.key)), None)) is not None:
            here.remove(idle)
            yield idle  # the same model without a queue
        yield candidate
        yield from here
        for name in others:
            yield from options.get(name, ())

    def _fair(self, candidate: Candidate) -> float:
        """Seconds that suffice for the first content if relayed live, for the whole answer otherwise: several times
        what is expected."""
        reading = candidate.input_tokens / SLOW_PREFILL_PER_S
        if self._live:
            expected = min(10.0 * candidate.first_token_s + reading, self._tools.settings.first_token_timeout)
        else:
            expected = max(3.0 * candidate.seconds_q90, reading + candidate.output_q90 / SLOW_TOKENS_PER_S)
        return max(PATIENCE_FLOOR_S, expected)


def _rank(option: Candidate, wanted: Candidate, terms: Terms) -> tuple[bool, float]:
    """Order among stand-ins: those at least as sure as what was planned, then by cost and time per success."""
    return option.p < wanted.p - 1e-9, (option.cost + terms.time_value * option.seconds) / max(option.p, 1e-9)


def _worse(old: UpstreamFault | None, new: UpstreamFault) -> UpstreamFault:
    """What to tell the caller of two faults: a rate limit with the shortest wait that was named, or a refusal of such a
    request, only where all said so; else another model may take it later."""
    if old is None:
        return new
    if old.kind == new.kind == "rate_limited":
        return min((old, new), key=lambda e: math.inf if e.retry_after is None else e.retry_after)
    return old if _GRAVITY.get(new.kind, 2) < _GRAVITY.get(old.kind, 2) else new


_GRAVITY = {"unsupported": 0, "rate_limited": 1}
"""Kind → how much it outweighs others; 2 for those that are not here."""
