"""Walks a sequence of arms through recorded outcomes: the next attempt is made only if the one before was rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from router.learning.trace import Step, Tried
from router.plan import Decision
from router.simulate.draws import uniform


class Judge(msgspec.Struct, frozen=True):
    """Who looks at each answer."""

    t: float = 1.0
    """P(a right answer is accepted)."""
    f: float = 0.0
    """P(a wrong one is); 1: nobody looks."""
    seed: int = 0

    def accepts(self, step: Step, arm: str, number: int, right: bool) -> bool:
        """Of attempt `number` of `arm`; the same in every sequence that comes to it."""
        share = self.t if right else self.f
        if share in (0.0, 1.0):
            return share == 1.0
        return uniform(self.seed, "verdict", step.step_id, arm, number) < share


class Made(msgspec.Struct, frozen=True):
    """One attempt."""

    arm: str
    """As the trace calls it."""
    right: bool
    accepted: bool
    came: Tried


class Walked(msgspec.Struct, frozen=True):
    attempts: tuple[Made, ...]

    @property
    def success(self) -> bool:
        """Whether the answer that was returned, the last one, is right."""
        return bool(self.attempts) and self.attempts[-1].right

    @property
    def cost_usd(self) -> float:
        return sum(made.came.cost_usd for made in self.attempts)

    @property
    def seconds(self) -> float:
        return sum(made.came.latency_s for made in self.attempts)


def walk(step: Step, arms: Sequence[str], judge: Judge) -> Walked:
    """Attempts `arms`, names of the trace, in order. An arm that could not take the step is passed over."""
    made: list[Made] = []
    times: Counter[str] = Counter()
    for arm in arms:
        came = step.arms.get(arm)
        if came is None:
            continue
        right = came.right(times[arm])
        made.append(Made(arm, right, judge.accepts(step, arm, times[arm], right), came))
        times[arm] += 1
        if made[-1].accepted:
            break
    return Walked(tuple(made))


class Seen(msgspec.Struct, frozen=True):
    """One step as a policy took it."""

    step: Step
    decision: Decision | None
    """None where no arm could take the step."""
    walked: Walked
    names: Mapping[str, str]
    """Name in the trace → arm of the catalog."""
