"""What Turnout learns from so many outcomes of the demo's traffic, without a network: the demo's second act.

The agent, its judge and its habits are those of the lanes, the planner, the store and the beliefs those that serve, and
the models the simulated ones. Only bytes on sockets are left out, and time is a number: so it is quick, and the same
seed learns the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec

from router import plan, step
from router.beliefs import Beliefs
from router.catalog import Arm, Catalog
from router.hints import Hints
from router.outcome import Attempt, CheckResult, Outcome, Recall
from router.plan import Candidate, Decision, Situation
from router.plan.records import Lot
from router.policy import Policy
from router.reports import heard
from router.simulate.asked import read
from router.simulate.draws import hexadecimal, uniform
from router.simulate.lanes import TURNOUT, Agent, body, hints
from router.simulate.report import Done, loss
from router.simulate.server import MODES
from router.simulate.speech import Said, speak
from router.simulate.workload import Job, jobs
from router.simulate.world import World, pace
from router.step import Facts
from router.store.memory import MemoryStore
from router.terms import Target, Terms, resolve
from router.wire import ask, chat

OTHER = 1_000
"""Added to the seed: other tasks and other draws than those of the first act, which is asked again afterwards."""
PAUSE_S = 1.0
"""Simulated seconds between two requests: what an agent does in between."""
BEGAN = 1_767_225_600.0
"""Unix time at which the traffic begins; any would do."""


def learned(catalog: Catalog, policy: Policy, seed: int, outcomes: int) -> Beliefs:
    """The beliefs after `outcomes` requests of the demo's traffic. `catalog` as `server.simulated` makes it."""
    serving = Serving(catalog, policy, seed + OTHER)

    async def practise() -> None:
        agent = serving.agent()
        for job in jobs(outcomes, seed + OTHER):
            if serving.outcomes >= outcomes:
                break
            await agent.work(job)

    asyncio.run(practise())
    return serving.beliefs


def played(catalog: Catalog, policy: Policy, seed: int, work: Sequence[Job], beliefs: Beliefs | None) -> list[Done]:
    """The jobs as the lane `Turnout: auto` takes them, with `beliefs` that stay as they are; None: the catalog's."""
    serving = Serving(catalog, policy, seed, beliefs or Beliefs.prior(catalog), learns=False)

    async def play() -> list[Done]:
        agent, done = serving.agent(), []
        for job in work:
            cost, seconds, attempts = serving.cost, serving.seconds, serving.attempts
            right = await agent.work(job)
            lost = 0.0 if right else loss(policy, job.profile.step_class)
            spent = (serving.cost - cost, serving.seconds - seconds, serving.attempts - attempts)
            done.append(Done(right, *spent, lost))
        return done

    return asyncio.run(play())


def asked(job: Job) -> dict[str, Any]:
    """The body of a job's first request to Turnout."""
    return {**body(job, job.messages(), "auto", TURNOUT.name), "turnout": hints(job, job.task.id, 1)}


class Serving:
    """Stands in for the client's `chat.completions`: each request is decided, answered, recorded and learned from."""

    def __init__(
        self, catalog: Catalog, policy: Policy, seed: int, beliefs: Beliefs | None = None, *, learns: bool = True
    ) -> None:
        self.beliefs = beliefs or Beliefs.prior(catalog)
        self.outcomes = self.attempts = 0
        self.cost = self.seconds = 0.0
        """USD, and simulated seconds, of all attempts."""
        self._learns = learns
        self._catalog, self._target = catalog, Target(policy)
        self._seed, self._world = seed, World(catalog, seed)
        self._now = 0.0
        self._store = MemoryStore(clock=lambda: self._now)
        self._times: Counter[tuple[str, str]] = Counter()

    def agent(self) -> Agent:
        client: Any = SimpleNamespace(chat=SimpleNamespace(completions=self))
        return Agent(TURNOUT, {"auto": client})

    async def create(self, *, extra_body: Mapping[str, Any], stream: bool = False, **sent: Any) -> Any:
        """As the OpenAI client's. Raises TurnoutError where no model can take the step."""
        self._now += PAUSE_S
        request = chat.parse(msgspec.json.encode({**sent, **extra_body, "stream": stream}))
        _, said = ask.read(request, {})
        recall = await self._store.recall("", said.step_id, said.run_id)
        refused, forgotten = ask.refused(said, recall, {})
        facts = step.facts(request)
        decision = self._decided(facts, said, recall, refused, forgotten, streamed=stream)
        began, terms = self._now, decision.terms
        attempts, told = self._walked(decision, sent)
        outcome = Outcome(
            decision_id=f"dec_{hexadecimal(self._seed, self.outcomes)}",
            key_id="",
            policy=terms.policy,
            step_class=terms.step_class,
            stream=stream,
            seconds=self._now - began,
            overhead_s=0.0,
            status=200,
            result="returned",
            attempts=attempts,
            decision=decision,
            facts=facts,
            hints=said,
            run_id=said.run_id,
            step_id=said.step_id,
            judged_before=refused,
            again=bool(refused) or (said.attempt or 1) > 1,
            started_at=BEGAN + began,
        )
        self._learn(outcome)
        return _streamed(told) if stream else SimpleNamespace(choices=[SimpleNamespace(message=_message(told))])

    def _decided(
        self, facts: Facts, said: Hints, recall: Recall, refused: tuple[str, ...], forgotten: int, *, streamed: bool
    ) -> Decision:
        """As the pipeline decides."""
        terms = resolve(self._target, facts, said, streamed=streamed, failed=len(refused) + forgotten)
        situation = Situation(
            warm=recall.warm,
            failed=refused,
            assume_failed=forgotten,
            step=said.step,
            past=recall.past,
            before=recall.size,
            lot=self._lot(said.run_id or "") if terms.exploration else None,
        )
        return plan.decide(facts, terms, self.beliefs, self._catalog, situation)

    def _lot(self, run: str) -> Lot:
        """The run's draw, as `lots` makes it of a secret: here of the seed."""
        return Lot(uniform(self._seed, "explores", run), uniform(self._seed, "explored", run))

    def _walked(self, decision: Decision, sent: Mapping[str, Any]) -> tuple[tuple[Attempt, ...], Said]:
        """The attempts that the server makes by itself: the next one only where a check rejects the one before."""
        terms, made = decision.terms, []
        planned = decision.chosen.attempts if terms.verify == "checks" else decision.chosen.attempts[:1]
        for position, candidate in enumerate(planned):
            attempt, said = self._tried(candidate, position, sent, terms)
            made.append(attempt)
            if attempt.accepted:
                break
        return tuple(made), said

    def _tried(
        self, candidate: Candidate, position: int, sent: Mapping[str, Any], terms: Terms
    ) -> tuple[Attempt, Said]:
        arm: Arm = self._catalog.arm[candidate.arm]
        wire = {**sent, "model": arm.model.name, **MODES[arm.mode]}
        asked = read(msgspec.json.encode(wire), arm.model, arm.model.name, arm.model.window(candidate.deployment))
        key = (asked.step.name, arm.name)
        self._times[key] += 1
        said = speak(asked, arm, self._world, self._times[key])
        rate = pace(arm.model, candidate.deployment, asked.prompt_tokens, said.tokens)
        began, seconds = self._now, rate.seconds(said.tokens)
        cost = candidate.deployment.usd.cost(asked.prompt_tokens, said.tokens)
        self._now += seconds
        self.cost, self.seconds, self.attempts = self.cost + cost, self.seconds + seconds, self.attempts + 1
        checks = (CheckResult("schema", said.form in ("right", "wrong")),) if terms.verify == "checks" else ()
        attempt = Attempt(
            arm=arm.name,
            model=arm.model.name,
            deployment=candidate.deployment.name,
            position=position,
            started=began,
            seconds=seconds,
            first_token_s=rate.first_token_s,
            status=200,
            input_tokens=asked.prompt_tokens,
            output_tokens=said.tokens,
            reasoning_tokens=said.reasoning,
            cost_usd=cost,
            finish_reason=said.finish_reason,
            checks=checks,
        )
        return attempt, said

    def _learn(self, outcome: Outcome) -> None:
        self.outcomes += 1
        changes = self._store.remember(outcome)
        if not self._learns:
            return
        if (report := heard(outcome)) is not None:
            self.beliefs = self.beliefs.heard(report)
        for change in changes:
            if change.moves:
                self.beliefs = self.beliefs.learn(change.said, change.earlier)


def _message(said: Said) -> SimpleNamespace:
    calls = [SimpleNamespace(id=c.id, function=SimpleNamespace(name=c.name, arguments=c.arguments)) for c in said.calls]
    return SimpleNamespace(content=said.content, tool_calls=calls)


async def _streamed(said: Said) -> AsyncIterator[SimpleNamespace]:
    yield SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(content=said.content))])
