"""The choice where one attempt is all there is: nothing follows it, and an arm's P is its plan's.

Most steps are such: streamed, or judged by nobody. The rules are those of `search`, without its arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from router.plan.records import Candidate, Options
from router.plan.search import DUST, EVEN, ON_TIME, Row
from router.terms import Terms


class Choice(msgspec.Struct, frozen=True):
    """What was chosen among all plans."""

    row: Row
    considered: int
    accuracy_met: bool
    deadline_met: bool
    attempts: int
    """Longest plan considered."""


class _Arm(msgspec.Struct, frozen=True):
    row: Row
    on_time: bool


def single(arms: Sequence[str], options: Options, terms: Terms) -> Choice:
    """The best arm for one attempt, by the candidate that each is planned with."""
    plans = [_plan(number, arm, options[arm][0], terms) for number, arm in enumerate(arms)]
    timely = [p for p in plans if p.on_time]
    if not timely:
        best = _first(plans, (lambda r: r.seconds, 0.0), (lambda r: r.cost, DUST))
        return Choice(best, len(plans), _enough(best, terms), False, 1)
    sure = [p for p in timely if _enough(p.row, terms)]
    if sure:
        best = _first(sure, (lambda r: r.objective, DUST), (lambda r: -r.p_low, EVEN), (lambda r: r.seconds, 0.0))
    else:
        best = _first(timely, (lambda r: -r.p_low, EVEN), (lambda r: r.cost, DUST), (lambda r: r.seconds, 0.0))
    return Choice(best, len(plans), bool(sure), True, 1)


def _plan(number: int, arm: str, c: Candidate, terms: Terms) -> _Arm:
    objective = c.cost + terms.time_value * c.seconds if terms.time_value else c.cost
    if terms.failure_cost is not None:
        objective += terms.failure_cost * (1.0 - c.p)
    elif terms.accuracy is None:
        objective /= max(c.p, 1e-12)
    row = Row(number, (arm,), c.p, c.p_low, c.cost, c.seconds, (1.0,), objective, True)
    return _Arm(row, c.time.cdf(terms.deadline) >= ON_TIME)


def _enough(row: Row, terms: Terms) -> bool:
    return terms.accuracy is None or row.p_low >= terms.accuracy - EVEN


def _first(plans: Sequence[_Arm], *keys: tuple[Callable[[Row], float], float]) -> Row:
    """The first plan that is least by each key in turn; values within a key's tolerance are equal."""
    rows = [p.row for p in plans]
    for key, tolerance in keys:
        if len(rows) == 1:
            break
        least = min(map(key, rows)) + tolerance
        rows = [r for r in rows if key(r) <= least]
    return rows[0]
