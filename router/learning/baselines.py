"""What Turnout is held against: each model alone, one at random, fixed cascades, and the oracle that knows it all."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from router.learning.tally import COST, SUCCESS, Kind, Tally
from router.learning.trace import Step
from router.learning.walk import Judge, Walked, walk
from router.policy import MAX_ATTEMPTS

MOST_IN_CASCADES = 8
"""Arms that cascades are made of, which is 28 pairs."""


def all_of(steps: Sequence[Step], judges: Sequence[Judge]) -> list[Tally]:
    """Every baseline, one pass for each judge (a seed). They know the mean costs of the whole trace."""
    alone = [always(steps, arm) for arm in sorted({name for step in steps for name in step.arms})]
    pairs = [cascade(steps, pair, judges) for pair in _pairs(alone)]
    return [*alone, at_random(steps), *pairs, oracle(steps)]


def always(steps: Sequence[Step], arm: str) -> Tally:
    """One attempt of one arm."""
    tally = _tally(f"always {arm}", "always", len(steps))
    for at, step in enumerate(steps):
        tally.add(at, walk(step, (arm,), NOBODY))
    return tally


def at_random(steps: Sequence[Step]) -> Tally:
    """One attempt of an arm drawn evenly from those that could take the step: its expectation, with nothing drawn."""
    tally = _tally("random", "random", len(steps))
    for at, step in enumerate(steps):
        for arm in step.arms:
            tally.add(at, walk(step, (arm,), NOBODY), weight=1.0 / len(step.arms))
    return tally


def cascade(steps: Sequence[Step], pair: tuple[str, str], judges: Sequence[Judge]) -> Tally:
    """The first arm, and the second where the first's answer is rejected and the step allows a retry."""
    tally = Tally(f"{pair[0]} then {pair[1]}", "cascade", len(steps))
    for judge in judges:
        for at, step in enumerate(steps):
            tally.add(at, walk(step, pair[: most(step)], judge))
        tally.passes += 1
    return tally


def oracle(steps: Sequence[Step]) -> Tally:
    """The cheapest way to a right answer within the attempts allowed; where there is none, the cheapest arm once."""
    tally = _tally("oracle", "oracle", len(steps))
    for at, step in enumerate(steps):
        tally.add(at, _best(step))
    return tally


NOBODY = Judge(t=1.0, f=1.0)


def most(step: Step) -> int:
    """Attempts that the step allows; as many as any plan has where it does not say."""
    return MAX_ATTEMPTS if step.retries is None else min(MAX_ATTEMPTS, 1 + step.retries)


def _tally(name: str, kind: Kind, steps: int) -> Tally:
    tally = Tally(name, kind, steps)
    tally.passes = 1
    return tally


def _best(step: Step) -> Walked:
    perfect = Judge()
    ways = (walk(step, (arm,) * most(step), perfect) for arm in step.arms)
    right = [way for way in ways if way.success]
    if not right:
        right = [walk(step, (arm,), perfect) for arm in step.arms]
    return min(right, key=lambda way: (way.cost_usd, way.seconds, way.attempts[0].arm))


class _Mean(msgspec.Struct, frozen=True):
    arm: str
    cost: float
    success: float


def _pairs(alone: Sequence[Tally]) -> list[tuple[str, str]]:
    """Every pair of different arms, the cheaper first, of at most MOST_IN_CASCADES arms."""
    means = [
        _Mean(t.name.removeprefix("always "), float(t.sums[:, COST].mean()), float(t.sums[:, SUCCESS].mean()))
        for t in alone
    ]
    kept = sorted(_kept(means), key=lambda m: (m.cost, m.arm))
    return [(kept[i].arm, kept[j].arm) for i in range(len(kept)) for j in range(i + 1, len(kept))]


def _kept(means: list[_Mean]) -> list[_Mean]:
    """The arms that no other beats in both cost and success, and then the others by cost per success."""
    edge, rest, best = [], [], -1.0
    for mean in sorted(means, key=lambda m: (m.cost, -m.success, m.arm)):
        if mean.success > best:
            edge.append(mean)
            best = mean.success
        else:
            rest.append(mean)
    rest.sort(key=lambda m: (m.cost / max(m.success, 1e-12), m.arm))
    if len(edge) > MOST_IN_CASCADES:  # from the cheapest to the surest, evenly
        step = (len(edge) - 1) / (MOST_IN_CASCADES - 1)
        edge = [edge[round(i * step)] for i in range(MOST_IN_CASCADES)]
    return [*edge, *rest][:MOST_IN_CASCADES]
