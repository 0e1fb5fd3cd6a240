"""Walks a plan: the one owner of retries, the deadline and the budget of a step."""

from router.attempts.admission import Admission
from router.attempts.budget import FaultBudget
from router.attempts.call import Answered, Tools
from router.attempts.walk import Walk

__all__ = ["Admission", "Answered", "FaultBudget", "Tools", "Walk"]
