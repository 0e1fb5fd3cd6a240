"""Affinity: inside a tool loop the model that has answered so far goes on, unless leaving it gains enough.

Each step's objective has the run's warm prompt caches priced in already. But who leaves a loop also pays for the way
back: the cache that is not kept warm has to be filled again. So the gain of a switch has to beat, `affinity` times
over, what the warm cache saves at this step.
"""

from __future__ import annotations

import msgspec

from router.plan.few import Choice
from router.plan.records import Candidate, Loop, Options
from router.plan.search import DUST, Space, search
from router.terms import Terms


def kept(best: Choice, space: Space, options: Options, terms: Terms, model: str) -> tuple[Choice, Loop | None]:
    """The plan of a step whose loop `model` has answered so far, and why; None where it can no longer be asked.

    Where even the best plan falls short of what is asked, nothing is traded for a warm cache; nor is the accuracy, the
    deadline or the cap ever.
    """
    mine = [arm for arm in space.arms if options[arm][0].model == model]
    if not mine:
        return best, None
    first = options[best.row.arms[0]][0]
    if first.model == model:
        return best, Loop(model, True, 0.0, _loss(first, best.row.p, terms))
    if not (best.accuracy_met and best.deadline_met):
        return best, Loop(model, False, 0.0, 0.0)
    plans = search(space, terms, best.attempts)
    rows = [row for arm in mine if (row := plans.begun(arm, terms)) is not None]
    if not rows:
        return best, Loop(model, False, 0.0, 0.0)
    row = min(rows, key=lambda r: r.objective)
    gain, loss = row.objective - best.row.objective, _loss(options[row.arms[0]][0], row.p, terms)
    if loss <= 0.0 or gain > loss + DUST:
        return best, Loop(model, False, gain, loss)
    return msgspec.structs.replace(best, row=row), Loop(model, True, gain, loss)


def _loss(candidate: Candidate, p: float, terms: Terms) -> float:
    """What the warm cache saves at this step, in the objective's USD, `affinity` times."""
    saved = candidate.warm_usd + terms.time_value * candidate.warm_s
    if terms.accuracy is None and terms.failure_cost is None:
        saved /= max(p, 1e-12)
    return terms.affinity * saved
