"""Every plan that was compared, in words: for people who ask why."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from router.plan.records import Decision, Plan, built
from router.plan.search import EVEN, Found


class Listed(msgspec.Struct, frozen=True):
    plan: Plan
    chosen: bool
    frontier: bool
    """Whether nothing beats it in both cost and P."""
    why: str
    """Why it was chosen or lost."""


def everything(decision: Decision, limit: int | None = None) -> tuple[Listed, ...]:
    """All plans compared, the chosen one first, then those allowed and sure enough, by objective; at most `limit`.

    Repeats the search; not for the hot path.
    """
    found = decision.again()
    best = found.number(decision.chosen.arms)
    frontier = set(found.frontier())
    order = [best, *(n for n in _order(decision, found) if n != best)]
    return tuple(
        Listed(built(found.row(n), decision.options), n == best, n in frontier, _why(n, decision, found))
        for n in order[:limit]
    )


def _order(decision: Decision, found: Found) -> list[int]:
    barred = np.zeros(len(found.cost), dtype=bool) if found.allowed is None else ~found.allowed
    short = found.low.p < (decision.terms.accuracy or 0.0) - EVEN
    return [int(n) for n in np.lexsort((found.objective, short, barred))]


def _why(number: int, decision: Decision, found: Found) -> str:
    terms, plan = decision.terms, decision.chosen
    if number == found.number(plan.arms):
        return decision.reason
    if number == found.best:
        instead = "the run's draw was another" if decision.kind == "exploration" else "the loop stays where it is"
        return f"the best by objective, ${float(found.objective[number]):.6f}; {instead}"
    cap = terms.max_cost if terms.max_cost is not None else math.inf
    row = found.row(number)
    if not row.allowed:
        most = sum(decision.options[arm][0].cost for arm in row.arms)
        if most > cap:
            return f"all its attempts cost ${most:.6f}, over the cap of ${cap:g}"
        return f"takes over {terms.deadline:g} s in more than 1 of 10 cases"
    if not decision.deadline_met:
        return f"slower: {row.seconds:.1f} s against {plan.seconds:.1f} s"
    if terms.accuracy is not None and row.p_low < terms.accuracy - EVEN:
        best = "" if decision.accuracy_met else f", and below the best of {plan.p_low:.4f}"
        return f"P {row.p_low:.4f} is below {terms.accuracy:g}{best}"
    if row.cost >= plan.cost and row.p <= plan.p_success + EVEN:
        return f"beaten in both: ${row.cost:.6f} and P {row.p:.4f} against ${plan.cost:.6f} and P {plan.p_success:.4f}"
    return f"objective ${row.objective:.6f} against ${plan.objective:.6f}"
