"""Replays a trace under a policy: the planner and beliefs that serve, told of each step and then of what came of it.

Nothing of a step's outcome is known before its decision. Steps come one after another, each outcome at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec

from router import plan
from router.beliefs import Beliefs
from router.beliefs.speed import prior as paces
from router.catalog import Catalog
from router.errors import Infeasible
from router.hints import Hints
from router.learning import lessons
from router.learning.features import facts
from router.learning.scene import Scene, scene
from router.learning.tally import Tally
from router.learning.tariff import Bill
from router.learning.trace import Step
from router.learning.walk import Judge, Seen, Walked, walk
from router.lots import Lots
from router.plan import Lot, Situation
from router.policy import MAX_ATTEMPTS, Policy
from router.step import Facts
from router.terms import Target, Terms, classify, resolve

Learn = Literal["off", "chosen", "full"]


class Way(msgspec.Struct, frozen=True):
    """How a policy is replayed."""

    learn: Learn = "chosen"
    """What is revealed after a step: nothing, the arms that were tried, or all."""
    t: float = 1.0
    """P(the judge accepts a right answer)."""
    f: float = 0.0
    """P(it accepts a wrong one)."""
    seeds: int = 1
    """Passes. The first keeps the trace's order, the others shuffle its runs."""


Watch = Callable[[Seen], None]


def replay(steps: Sequence[Step], policy: Policy, catalog: Catalog, way: Way, watch: Sequence[Watch] = ()) -> Tally:
    """The policy's tally. `watch` is told of every step of every pass, in order."""
    tally = Tally(policy.name, "policy", len(steps))
    first = scene(steps, catalog, _falls_in(steps, policy))
    for seed in range(way.seeds):
        stage = Stage(policy, first, way, seed)
        for at in order(steps, seed):
            seen = stage.take(steps[at])
            tally.add(at, seen.walked, unmet=seen.decision is not None and not seen.decision.accuracy_met)
            for tell in watch:
                tell(seen)
        tally.passes += 1
    return tally


def order(steps: Sequence[Step], seed: int) -> Iterator[int]:
    """The trace's own order for seed 0, else its runs shuffled; steps of one run keep theirs."""
    if seed == 0:
        yield from range(len(steps))
        return
    runs: dict[tuple[bool, str], list[int]] = {}
    for at, step in enumerate(steps):
        runs.setdefault((step.run_id is None, step.run_id or step.step_id), []).append(at)
    groups = list(runs.values())
    random.Random(seed).shuffle(groups)
    for group in groups:
        yield from group


def _falls_in(steps: Sequence[Step], policy: Policy) -> dict[str, str]:
    """Class of the trace → the policy's class that its first step falls into."""
    found: dict[str, str] = {}
    for step in steps:
        if step.step_class is not None and step.step_class not in found:
            found[step.step_class] = classify(policy, facts(step), Hints(step=step.step_class)).name
    return found


class Stage:
    """One pass: what is believed at the moment, and what things cost as far as the steps so far tell."""

    def __init__(self, policy: Policy, first: Scene, way: Way, seed: int) -> None:
        self._target, self._scene, self._way = Target(policy), first, way
        self._judge, self._lots = Judge(way.t, way.f, seed), Lots(f"pass {seed}", None)
        self._beliefs = Beliefs.prior(first.catalog)
        if any(policy.reads(c) for c in policy.classes):
            self._beliefs = self._beliefs.reading()
        self._names = {arm: name for name, arm in first.names.items()}
        self._bills = {model: Bill() for model in first.priced}
        self._passed = 0
        self._history = lessons.History()

    def take(self, step: Step) -> Seen:
        """Decides, walks, learns."""
        known = facts(step)
        terms = self._terms(step, known)
        if terms.words:
            known = facts(step, words=True)
        situation = Situation(
            step=step.step_class,
            past=self._history.of(step.run_id),
            lot=self._lot(step, terms),
            most={self._scene.names[name]: len(came.attempts) or 1 for name, came in step.arms.items()},
        )
        names, decision = self._scene.names, None
        try:
            decision = plan.decide(known, terms, self._beliefs, self._scene.catalog, situation)
        except Infeasible:
            seen = Seen(step, None, Walked(()), names)
        else:
            walked = walk(step, [self._names[arm] for arm in decision.chosen.arms], self._judge)
            seen = Seen(step, decision, walked, names)
        self._count(seen)
        if decision is not None and self._way.learn != "off":
            lesson = lessons.Lesson(seen, known, terms, situation, self._way.learn == "full")
            self._beliefs = lessons.learned(self._beliefs, lesson)
            self._history.add(seen)
        return seen

    def _lot(self, step: Step, terms: Terms) -> Lot | None:
        """Drawn for its run, as in serving; the same in each replay of the same pass."""
        return Lot(*self._lots.of("", step.run_id or step.step_id)) if terms.exploration else None

    def _terms(self, step: Step, known: Facts) -> Terms:
        """The policy's terms for the step, its own accuracy and retries before the policy's."""
        retries = None if step.retries is None else min(step.retries, MAX_ATTEMPTS - 1)
        hints = Hints(step=step.step_class, accuracy=step.accuracy, retries=retries, verify="caller")
        terms = resolve(self._target, known, hints)
        models = terms.models
        if len(step.arms) < len(self._scene.names):
            models = (*models, frozenset(self._scene.names[name] for name in step.arms))
        step_class = step.step_class or terms.step_class
        return msgspec.structs.replace(terms, step_class=step_class, t=self._way.t, f=self._way.f, models=models)

    def _count(self, seen: Seen) -> None:
        """Notes what answers cost; after 1, 2, 4, 8, ... steps the planner is told of it."""
        if not self._bills:
            return
        options = seen.decision.options if seen.decision is not None else {}
        for name, came in seen.step.arms.items():
            if offered := options.get(seen.names[name]):
                bill = self._bills.get(offered[0].model)
                if bill is not None:
                    bill.add(offered[0], came)
        self._passed += 1
        if self._passed & (self._passed - 1) == 0:
            self._reprice()

    def _reprice(self) -> None:
        """A speed that was learned from answers stays; one that was only read off the trace is brought up to date."""
        self._scene = self._scene.with_tariffs({m: bill.tariff() for m, bill in self._bills.items()})
        speed = self._beliefs.speed
        fresh = {k: v for k, v in paces(self._scene.catalog).paces.items() if k not in speed.tracks}
        speed = msgspec.structs.replace(speed, paces={**speed.paces, **fresh})
        self._beliefs = msgspec.structs.replace(self._beliefs, speed=speed)
