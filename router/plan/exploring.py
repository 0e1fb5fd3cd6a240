"""Exploration: one draw for a whole run says which arm its plans begin with, and how likely that was is known exactly.

A policy that explores has a few variants: itself, with probability 1 - share, and for each arm that may be drawn, with
an equal part of the share, the policy that begins with this arm. A variant only ever takes what the policy itself would
allow: where no plan that begins with its arm is feasible, on time, sure enough and not much worse than the best, it
does what the policy does. Several variants may thus come to the same plan; its propensity is the sum of theirs.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from router.catalog import Arm
from router.plan.few import Choice
from router.plan.gates import Ask, ask, standing
from router.plan.records import Draw, Lot
from router.plan.search import DUST, Row, Space, search
from router.policy import Exploration
from router.step import Facts
from router.terms import Terms

ANY = Facts()
"""A step that closes no gate by what it is."""


class Picked(msgspec.Struct, frozen=True):
    """What the draw came to at one step."""

    choice: Choice
    draw: Draw
    propensity: float
    """P(this plan), over all draws."""
    arm: str | None
    """The arm that the draw put first; None where the plan is the one that would be chosen without a draw."""

    @property
    def why(self) -> tuple[str, str]:
        """As a fixed word and as a sentence."""
        return (
            "exploration",
            f"drawn for this run (propensity {self.propensity:.4g}): the best that begins with {self.arm}",
        )


def explored(best: Choice, space: Space, terms: Terms, arms: tuple[Arm, ...], lot: Lot) -> Picked | None:
    """What `lot` makes of a step whose best plan is `best`; None where there is nothing to draw.

    Where even the best plan falls short of what is asked, nothing is risked.
    """
    exploration = terms.exploration
    assert exploration is not None
    names = drawable(arms, ask(ANY, terms), exploration.arms)
    if not names or not (best.accuracy_met and best.deadline_met):
        return None
    draw = drawn(exploration, names, lot)
    others = _others(best, space, terms, names)
    each = exploration.share / len(names)
    row = others.get(draw.arm) if draw.arm is not None else None
    if row is None:
        return Picked(best, draw, 1.0 - each * len(others), None)
    return Picked(msgspec.structs.replace(best, row=row), draw, each, draw.arm)


def variants(best: Choice, space: Space, terms: Terms, arms: tuple[Arm, ...]) -> dict[str, Row]:
    """Arm → the plan that its variant takes at a step whose best plan is `best`, where that is another one."""
    if terms.exploration is None or not (best.accuracy_met and best.deadline_met):
        return {}
    names = drawable(arms, ask(ANY, terms), terms.exploration.arms)
    return _others(best, space, terms, names) if names else {}


@lru_cache(maxsize=256)
def drawable(arms: tuple[Arm, ...], wanted: Ask, allowed: frozenset[str] | None) -> tuple[str, ...]:
    """The arms that may be drawn, by name: the same for every step of a run, whatever the step itself needs."""
    possible = {arm.name: arm.model.name for arm, _ in standing(arms, wanted)[0]}
    return tuple(sorted(a for a, model in possible.items() if allowed is None or {a, model} & allowed))


def drawn(exploration: Exploration, names: tuple[str, ...], lot: Lot) -> Draw:
    """The variant that `lot` falls on. A run that explores at a smaller share does so at every larger one."""
    if lot.explores >= exploration.share:
        return Draw(None, 1.0 - exploration.share)
    return Draw(names[int(lot.arm * len(names))], exploration.share / len(names))


def _others(best: Choice, space: Space, terms: Terms, names: tuple[str, ...]) -> dict[str, Row]:
    """Arm → the plan that its variant takes, of those that differ from `best`."""
    assert terms.exploration is not None
    most = best.row.objective * (1.0 + terms.exploration.regret) + DUST
    plans, rows = search(space, terms, best.attempts), {}
    for name in names:
        if name not in space.arms or name == best.row.arms[0]:
            continue
        row = plans.begun(name, terms)
        if row is not None and row.objective <= most:
            rows[name] = row
    return rows
