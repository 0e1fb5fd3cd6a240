"""Whether an arm succeeds as often as it is believed to, over a lagged window; what is missing is added to its logits.

Every outcome is held against the chance that was believed before it. When a window is full, the arm's shift takes the
Newton step that would have made the two agree, and then stays until the next window is full: what is served now never
corrects itself. Logits are shifted, probabilities never, so all plans stay consistent with one another.
"""

from __future__ import annotations

import msgspec
import numpy as np

from router.beliefs.latent import Array, Index
from router.beliefs.likelihood import Try

WINDOW = 200
"""Outcomes of an arm after which its shift is looked at again."""
CAUTION = 12.0
"""Information, in units of p (1 - p), that a window is held against: with 200 outcomes of p = 0.7, some 1 in 4."""
MOST = 1.0
"""Largest shift, in logits: what is wrong beyond it is not calibration."""


class Calibration(msgspec.Struct, frozen=True, eq=False):
    shift: Array
    """(A,): logits to add, now."""
    surprise: Array
    """(A,): slopes of the log likelihood by the logit, summed over the window so far."""
    information: Array
    seen: Array

    def observe(self, arm: int, slope: float, information: float, weight: float = 1.0) -> Calibration:
        """After one outcome: slope of its log likelihood by the arm's logit, before it, and what a verdict's expected
        curvature is; `weight`: how much of a verdict it is."""
        shift, surprise, known, seen = (a.copy() for a in (self.shift, self.surprise, self.information, self.seen))
        surprise[arm] += slope
        known[arm] += weight * information
        seen[arm] += weight
        if seen[arm] >= WINDOW:
            moved = shift[arm] + surprise[arm] / (known[arm] + CAUTION)
            shift[arm] = min(MOST, max(-MOST, moved))
            surprise[arm] = known[arm] = seen[arm] = 0.0
        return Calibration(shift, surprise, known, seen)

    def anew(self, arms: Index) -> Calibration:
        """The windows of these arms begun again: what is in them was seen before a change."""
        surprise, known, seen = (a.copy() for a in (self.surprise, self.information, self.seen))
        surprise[arms] = known[arms] = seen[arms] = 0.0
        return Calibration(self.shift, surprise, known, seen)


def blank(arms: int) -> Calibration:
    zero = np.zeros(arms)
    return Calibration(zero, zero, zero, zero)


def surprise(one: Try, p: float, rise: float) -> tuple[float, float]:
    """Slope of one attempt's log likelihood by its arm's logit, and how much of a verdict it is, 0..1.

    `p`: the chance believed before it; `rise`: its derivative by the logit.
    """
    if one.score is not None:
        return (one.score - p) * rise / (p * (1.0 - p)), 1.0
    apart = one.right - one.wrong
    return apart * rise / (one.wrong + apart * p), (apart / max(one.right, one.wrong)) ** 2
