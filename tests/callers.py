"""A drawn world whose truth is known, and callers of different habits: what is believed of it after so many steps.

The way is that of serving: decisions, outcomes, the store, its windows, and the beliefs. Only the models are drawn.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from random import Random
from typing import Literal, NamedTuple

from router.beliefs import Beliefs
from router.beliefs.latent import solve
from router.hints import Hints
from router.outcome import Attempt, Outcome
from router.plan import Situation, decide
from router.store.decisions import RESEND_S
from router.store.memory import MemoryStore
from router.terms import Terms
from router.verdicts import Change, Said
from tests.plan.small import FACTS, catalog
from tests.plan.small import Q122 as QWEN
from tests.plan.small import N as NEMOTRON

CATALOG = catalog()
ARMS = (NEMOTRON, QWEN)
SIGMA, TAU = 1.5, 1.0


class Caller(NamedTuple):
    """What somebody does about an answer."""

    asks_again: float = 0.0
    """P that it asks again where the answer was wrong and it has a try left."""
    blames: float = 0.0
    """P that it tells a wrong answer."""
    praises: float = 0.0
    """P that it tells a right one."""
    verify: Literal["caller", "none"] = "caller"
    retries: int = 2
    steps: bool = True
    """Whether it names its steps."""


class Loop:
    """Serving without a network. `truth`: arm → P(a first attempt is right)."""

    def __init__(self, seed: int, caller: Caller, truth: Mapping[str, float]) -> None:
        self.beliefs = Beliefs.prior(CATALOG)
        self._rng, self._caller, self._now = Random(seed), caller, 0.0
        self._mu = {arm: solve(p, SIGMA, TAU) for arm, p in truth.items()}
        self._store = MemoryStore(clock=lambda: self._now)
        self._made = 0

    def run(self, steps: int) -> None:
        async def all_of_them() -> None:
            for number in range(steps):
                await self._step(number)
            self._now += 2 * RESEND_S

        asyncio.run(all_of_them())

    def p(self, arm: str) -> float:
        """What is believed of a first attempt, under the spreads that are believed."""
        spreads = self.beliefs.success.spread("task", SIGMA, TAU)
        return self.beliefs.success.of(arm, "task", spreads.sigma, spreads.tau).p

    async def _step(self, number: int) -> None:
        z = SIGMA * self._rng.gauss(0, 1)
        kept = {arm: TAU * self._rng.gauss(0, 1) for arm in ARMS}
        failed: tuple[str, ...] = ()
        for _ in range(1 + self._caller.retries):
            arm = self._rng.choice(ARMS)
            right = self._rng.random() < 1.0 / (1.0 + math.exp(-(self._mu[arm] + z + kept[arm])))
            name = await self._ask(arm, f"step-{number}" if self._caller.steps else None, failed)
            told = self._caller.praises if right else self._caller.blames
            if self._rng.random() < told:
                self._now += 5.0
                self._learn(
                    (await self._store.judge("key", Said("decision", name, float(right), "caller", 0.0))).changes
                )
            failed = (*failed, arm)
            if right or self._rng.random() >= self._caller.asks_again:
                return

    async def _ask(self, arm: str, step_id: str | None, failed: tuple[str, ...]) -> str:
        self._made += 1
        self._now += 20.0
        terms = Terms(
            policy="p",
            step_class="task",
            verify=self._caller.verify,
            models=(frozenset((arm,)),),
            t=1.0,
            f=0.0 if self._caller.verify == "caller" else 1.0,
            max_attempts=1 + self._caller.retries - len(failed),
        )
        decision = decide(FACTS, terms, self.beliefs, CATALOG, Situation(failed=failed))
        model = arm.partition("/")[0]
        made = Attempt(arm, model, "main", 0, 0.0, 1.0, finish_reason="stop")
        outcome = Outcome(
            decision_id=f"d{self._made}",
            key_id="key",
            policy="p",
            step_class="task",
            stream=False,
            seconds=1.0,
            overhead_s=0.0,
            status=200,
            result="returned",
            attempts=(made,),
            decision=decision,
            facts=FACTS,
            hints=Hints(),
            step_id=step_id,
            judged_before=failed,
            again=bool(failed),
            started_at=self._now - 1.0,
        )
        self._learn(await self._store.record(outcome))
        return outcome.decision_id

    def _learn(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if change.moves:
                self.beliefs = self.beliefs.learn(change.said, change.earlier)
