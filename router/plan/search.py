"""Looks at every plan at once: expected cost, time and P as arrays, what is allowed, and which is best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from router.beliefs.latent import Array
from router.beliefs.length import LogNormal, matched, phi
from router.plan.probability import Failure, Layout, Table, begun, layout, table
from router.terms import Terms

Mask = NDArray[np.bool_]

EVEN = 1e-9
"""Probabilities closer than this are the same."""
DUST = 1e-12
"""USD that makes no difference."""
ON_TIME = 0.9
"""Share of cases in which a plan must end within the deadline."""


class Space(msgspec.Struct, frozen=True, eq=False):
    """The arms that plans are made of, as parallel tuples, and the failures already known."""

    arms: tuple[str, ...]
    models: tuple[int, ...]
    """Index of each arm's model."""
    logits: tuple[float, ...]
    low: tuple[float, ...]
    """Logits at the policy's confidence."""
    cost: tuple[float, ...]
    """Expected USD of one attempt."""
    time: tuple[LogNormal, ...]
    """Seconds of one attempt."""
    failed: tuple[Failure, ...] = ()
    failed_low: tuple[Failure, ...] = ()
    most: tuple[int, ...] = ()
    """How often a plan may hold each arm; empty: as often as there are attempts."""

    @property
    def seconds(self) -> tuple[float, ...]:
        return tuple(t.mean for t in self.time)


class Row(msgspec.Struct, frozen=True):
    """One plan out of the arrays."""

    number: int
    arms: tuple[str, ...]
    p: float
    p_low: float
    cost: float
    seconds: float
    reach: tuple[float, ...]
    """P that each attempt is made."""
    objective: float
    allowed: bool


class Found(msgspec.Struct, frozen=True, eq=False):
    """All plans, and the best of them. Arrays are (plans,), numbered as in `layout`."""

    space: Space
    shape: Layout
    mean: Table
    low: Table
    cost: Array
    seconds: Array
    objective: Array
    allowed: Mask | None
    """Within the cap, on time, no arm too often; None where all are."""
    best: int
    accuracy_met: bool
    deadline_met: bool

    def row(self, number: int) -> Row:
        arms = self.shape.sequence(number)
        states = self.shape.before(arms)
        return Row(
            number=number,
            arms=tuple(self.space.arms[a] for a in arms),
            p=float(self.mean.p[number]),
            p_low=float(self.low.p[number]),
            cost=float(self.cost[number]),
            seconds=float(self.seconds[number]),
            reach=tuple(float(self.mean.reach[s]) for s in states),
            objective=float(self.objective[number]),
            allowed=self.allowed is None or bool(self.allowed[number]),
        )

    def number(self, arms: Sequence[str]) -> int:
        """The plan that attempts `arms` in order."""
        return self.shape.number([self.space.arms.index(arm) for arm in arms])

    def begun(self, arm: str, terms: Terms) -> Row | None:
        """The best plan that begins with `arm`; None where it misses the accuracy, the deadline or the cap."""
        those = begun(self.shape, self.space.arms.index(arm))
        mask = None if self.allowed is None else self.allowed[those]
        if mask is not None and not mask.any():
            return None
        p, cost, seconds = self.low.p[those], self.cost[those], self.seconds[those]
        at, met = _pick(terms.accuracy, p, cost, seconds, self.objective[those], mask)
        number = int(those[at])
        if not met or not _on_time(number, self.space, self.shape, self.mean, terms.deadline):
            return None
        return self.row(number)

    def frontier(self) -> list[int]:
        """The allowed plans that no other beats in both cost and P, cheapest first."""
        p = self.mean.p if self.allowed is None else np.where(self.allowed, self.mean.p, -1.0)
        order = np.lexsort((-p, self.cost))
        ranked = p[order]
        before = np.maximum.accumulate(np.concatenate(([0.0], ranked[:-1])))
        return [int(n) for n in order[ranked > before + EVEN]]


def search(space: Space, terms: Terms, attempts: int, *, every: bool = False) -> Found:
    """The best plan of up to `attempts` attempts.

    Never fails: where nothing is on time, the fastest, where nothing reaches the accuracy, the surest, and says so.
    `max_cost` must leave room for each single attempt (a gate sees to that). Plans that are late are only looked for if
    the best one is, or `every` asks for it.
    """
    shape, (mean, low) = layout(space.models, attempts), tables(space, terms, attempts)
    totals = mean.visits @ np.array((space.cost, space.seconds)).T
    cost, seconds = totals[:, 0], totals[:, 1]
    objective = _objective(terms, mean.p, cost, seconds)
    allowed = _capped(space, shape, terms)
    best, met = _pick(terms.accuracy, low.p, cost, seconds, objective, allowed)
    on_time = _on_time(best, space, shape, mean, terms.deadline)
    if every or not on_time:
        timely = _timely(space, shape, mean, terms.deadline)
        both = timely if allowed is None else allowed & timely
        on_time = bool(both.any())
        if on_time:
            allowed = both
            best, met = _pick(terms.accuracy, low.p, cost, seconds, objective, allowed)
        else:
            best = _first(allowed, (seconds, 0.0), (cost, DUST))
            met = terms.accuracy is None or bool(low.p[best] >= terms.accuracy - EVEN)
    return Found(space, shape, mean, low, cost, seconds, objective, allowed, best, met, on_time)


def tables(space: Space, terms: Terms, attempts: int) -> tuple[Table, Table]:
    """The chances of all plans as believed, and at the policy's confidence."""
    rates = (terms.sigma, terms.tau, terms.t, terms.f)
    mean = table(space.models, space.logits, attempts, *rates, space.failed)
    same = space.low == space.logits
    return mean, mean if same else table(space.models, space.low, attempts, *rates, space.failed_low)


def _objective(terms: Terms, p: Array, cost: Array, seconds: Array) -> Array:
    """USD: cost + time_value * time + failure_cost * (1 - P); per success without accuracy and failure cost."""
    spent = cost + terms.time_value * seconds if terms.time_value else cost
    if terms.failure_cost is not None:
        spent = spent + terms.failure_cost * (1.0 - p)
    elif terms.accuracy is None:
        spent = spent / np.maximum(p, 1e-12)
    return spent


def _first(allowed: Mask | None, *keys: tuple[Array, float]) -> int:
    """The first plan that is least by each key in turn; values within a key's tolerance are equal."""
    best, near = 0, allowed
    for values, tolerance in keys:
        left = values if near is None else np.where(near, values, math.inf)
        near = left <= left.min() + tolerance
        best = int(near.argmax())
    return best


def _pick(
    accuracy: float | None, p: Array, cost: Array, seconds: Array, objective: Array, allowed: Mask | None
) -> tuple[int, bool]:
    """The best plan that reaches the accuracy, else the surest; and whether it reaches it.

    Equally good plans, such as all of them where models cost nothing, are told apart by P and time.
    """
    enough = allowed
    if accuracy is not None:
        enough = p >= accuracy - EVEN
        if allowed is not None:
            enough &= allowed
        if not enough.any():
            return _first(allowed, (-p, EVEN), (cost, DUST), (seconds, 0.0)), False
    return _first(enough, (objective, DUST), (-p, EVEN), (seconds, 0.0)), True


def _capped(space: Space, shape: Layout, terms: Terms) -> Mask | None:
    """Plans that hold no arm too often and whose attempts, all made, stay within the cap; None where all do."""
    free = terms.max_cost is None or max(space.cost) * shape.attempts <= terms.max_cost
    if free and not space.most:
        return None
    cap = math.inf if terms.max_cost is None else terms.max_cost
    within: Mask = shape.counts @ np.array(space.cost) <= cap
    if space.most:
        within &= (shape.counts <= np.array(space.most)).all(1)
    return within[shape.ends()]


# The time of a plan is a mixture over how many attempts run; the sum of its first i attempts is taken as log-normal,
# with the moments of the sum. On time means that 90% of the mixture ends within the deadline.


def _on_time(number: int, space: Space, shape: Layout, mean: Table, deadline: float) -> bool:
    """Whether one plan is. Cheaper than looking at all, and mostly enough."""
    at, total, mean_s, variance = 0, 0.0, 0.0, 0.0
    arms = shape.sequence(number)
    for level, arm in enumerate(arms):
        reached = mean.reach[shape.states[level][at]]
        at = at * shape.arms + arm
        goes_on = mean.reach[shape.states[level + 1][at]] if level + 1 < len(arms) else 0.0
        mean_s, variance = mean_s + space.time[arm].mean, variance + space.time[arm].variance
        total += (reached - goes_on) * matched(mean_s, variance).cdf(deadline)
    return bool(total >= ON_TIME)


def _timely(space: Space, shape: Layout, mean: Table, deadline: float) -> Mask:
    """Which of all plans are.

    A sum's moments depend on a multiset only; extending a plan moves the weight of its last attempt's rejection from
    the shorter sum to the longer.
    """
    moments = shape.counts[1:] @ np.array([(t.mean, t.variance) for t in space.time])
    s2 = np.log1p(moments[:, 1] / moments[:, 0] ** 2)
    scores = (math.log(deadline) - np.log(moments[:, 0]) + s2 / 2) / np.sqrt(s2)
    within = np.array([0.0, *map(phi, scores.tolist())])
    ends, shares = np.zeros(1), []
    for before, after in zip(shape.states, shape.states[1:], strict=False):
        gained = within[after].reshape(-1, shape.arms) - within[before][:, None]
        ends = (ends[:, None] + mean.reach[before][:, None] * gained).ravel()
        shares.append(ends)
    out: Mask = np.concatenate(shares) >= ON_TIME
    return out


def mixture_quantile(parts: Sequence[tuple[float, LogNormal]], q: float) -> float:
    """The `q` quantile of a mixture of log-normals, given as (weight, part), by bisection on the log scale."""
    low = min(part.mu - 8.0 * part.s for _, part in parts)
    high = max(part.mu + 8.0 * part.s for _, part in parts)
    for _ in range(50):
        middle = (low + high) / 2
        if sum(weight * phi((middle - part.mu) / part.s) for weight, part in parts) < q:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)
