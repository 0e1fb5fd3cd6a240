"""The choice where plans are few: one attempt is all there is, or one model is asked for.

Most steps are such: streamed, judged by nobody, or pinned. The rules are those of `search`, without its arrays, whose
code is long and, between two requests, no longer in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import msgspec

from router.beliefs.length import matched
from router.plan.probability import Layout, Table, layout
from router.plan.records import Options
from router.plan.search import DUST, EVEN, ON_TIME, Row, Space, tables
from router.terms import Terms

FEW = 12
"""Plans from which on arrays are faster."""


class Choice(msgspec.Struct, frozen=True):
    """What was chosen among all plans."""

    row: Row
    considered: int
    accuracy_met: bool
    deadline_met: bool
    attempts: int
    """Longest plan considered."""


class Odds(msgspec.Struct, frozen=True):
    """What is known of one plan before anything is priced."""

    sequence: tuple[int, ...]
    p: float
    reach: tuple[float, ...]


def fits(arms: int, attempts: int) -> bool:
    """Whether the plans are few, or need no table because each is one attempt."""
    return attempts == 1 or sum([arms**n for n in range(1, attempts + 1)]) <= FEW


def few(space: Space, options: Options, terms: Terms, attempts: int) -> Choice:
    """The best plan of up to `attempts` attempts, as `search` would choose it."""
    if attempts == 1:  # an arm's P is its plan's
        firsts = [options[arm][0] for arm in space.arms]
        plans = tuple([Odds((i,), c.p, (1.0,)) for i, c in enumerate(firsts)])
        low = [c.p_low for c in firsts]
    else:
        shape, (mean, below) = layout(space.models, attempts), tables(space, terms, attempts)
        plans = odds(shape, mean)
        low = [o.p for o in odds(shape, below)]
    return _choice(_rows(plans, low, space, terms), plans, space, terms, attempts)


def _choice(rows: list[Row], plans: tuple[Odds, ...], space: Space, terms: Terms, attempts: int) -> Choice:
    best, met = _pick(rows, terms)
    on_time = _on_time(plans[best.number], space, terms.deadline)
    if not on_time:
        timely = [r for r in rows if _on_time(plans[r.number], space, terms.deadline)]
        on_time = bool(timely)
        if timely:
            best, met = _pick(timely, terms)
        else:
            best = _first(rows, (_seconds, 0.0), (_cost, DUST))
            met = terms.accuracy is None or best.p_low >= terms.accuracy - EVEN
    return Choice(best, len(plans), met, on_time, attempts)


@lru_cache(maxsize=256)
def odds(shape: Layout, chances: Table) -> tuple[Odds, ...]:
    """Every plan, numbered as in `layout`."""
    return tuple(_plan(shape, chances, number) for number in range(len(chances.p)))


def _plan(shape: Layout, chances: Table, number: int) -> Odds:
    sequence = shape.sequence(number)
    reach = tuple(float(chances.reach[state]) for state in shape.before(sequence))
    return Odds(sequence, float(chances.p[number]), reach)


def _rows(plans: tuple[Odds, ...], low: Sequence[float], space: Space, terms: Terms) -> list[Row]:
    """The plans that hold no arm too often and stay within the cap even if all their attempts are made, priced."""
    seconds, cap, most = space.seconds, terms.max_cost, space.most
    return [
        _row(number, plan, low[number], space, seconds, terms)
        for number, plan in enumerate(plans)
        if (cap is None or sum([space.cost[a] for a in plan.sequence]) <= cap)
        and (not most or all(plan.sequence.count(a) <= most[a] for a in plan.sequence))
    ]


def _row(number: int, plan: Odds, p_low: float, space: Space, seconds: tuple[float, ...], terms: Terms) -> Row:
    cost = time = 0.0
    for arm, reach in zip(plan.sequence, plan.reach, strict=True):
        cost += reach * space.cost[arm]
        time += reach * seconds[arm]
    objective = cost + terms.time_value * time
    if terms.failure_cost is not None:
        objective += terms.failure_cost * (1.0 - plan.p)
    elif terms.accuracy is None:
        objective /= max(plan.p, 1e-12)
    arms = tuple([space.arms[a] for a in plan.sequence])
    return Row(number, arms, plan.p, p_low, cost, time, plan.reach, objective, True)


def _on_time(plan: Odds, space: Space, deadline: float) -> bool:
    """Whether 90% of the mixture over how many attempts run ends within the deadline."""
    total = mean = variance = 0.0
    for i, arm in enumerate(plan.sequence):
        time = space.time[arm]
        mean, variance = mean + time.mean, variance + time.variance
        after = plan.reach[i + 1] if i + 1 < len(plan.reach) else 0.0
        law = matched(mean, variance) if i else time
        total += (plan.reach[i] - after) * law.cdf(deadline)
    return total >= ON_TIME


def _pick(rows: Sequence[Row], terms: Terms) -> tuple[Row, bool]:
    """The best plan that reaches the accuracy, else the surest; and whether it reaches it."""
    accuracy = terms.accuracy
    sure = rows if accuracy is None else [r for r in rows if r.p_low >= accuracy - EVEN]
    if sure:
        return _first(sure, (_objective, DUST), (_surest, EVEN), (_seconds, 0.0)), True
    return _first(rows, (_surest, EVEN), (_cost, DUST), (_seconds, 0.0)), False


def _objective(row: Row) -> float:
    return row.objective


def _surest(row: Row) -> float:
    return -row.p_low


def _cost(row: Row) -> float:
    return row.cost


def _seconds(row: Row) -> float:
    return row.seconds


def _first(rows: Sequence[Row], *keys: tuple[Callable[[Row], float], float]) -> Row:
    """The first plan that is least by each key in turn; values within a key's tolerance are equal."""
    for key, tolerance in keys:
        if len(rows) == 1:
            break
        least = min(map(key, rows)) + tolerance
        rows = [r for r in rows if key(r) <= least]
    return rows[0]
