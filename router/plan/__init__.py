"""The pure planner: which arm should try a step, and which the next if that fails."""

from router.plan.choose import decide
from router.plan.gates import Gate
from router.plan.listing import Listed, everything
from router.plan.records import Candidate, Decision, Draw, Loop, Lot, Plan, Situation

__all__ = [
    "Candidate",
    "Decision",
    "Draw",
    "Gate",
    "Listed",
    "Loop",
    "Lot",
    "Plan",
    "Situation",
    "decide",
    "everything",
]
