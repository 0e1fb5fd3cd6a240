"""What is an arm's own in the length of its answers: how much it says, how much it thinks, how sure one can be."""

from __future__ import annotations

import msgspec

from router.beliefs.length import Length
from router.beliefs.sample import Average

STEP = 0.07
"""Of the shift of q90. Over n answers coverage is within (range of the shift) / (STEP * n) of 0.9."""
LOWEST, HIGHEST = -1.0, 8.0
"""Bounds of the shift, in distances from q50 to q90."""
SHRINK = 5.0
"""Answers that what is known one level up counts as."""
MEMORY = 300.0
"""Answers that an arm's peculiarities remember."""
LONG = 2_000.0
"""Answers that offsets remember: they last, and their noise adds to that of every answer."""
RIDGE, STEEPEST = 0.1, 2.0
"""Of the slope of reasoning over visible tokens: square of what counts as one answer, and its bound."""


class Habit(msgspec.Struct, frozen=True, array_like=True):
    """What is an arm's own: at one class, at all, or of all arms of its model."""

    offset: Average = Average()
    """Log of its visible tokens over those of the class."""
    thought: Average = Average()
    """Log of 1 + reasoning tokens."""
    thought_square: Average = Average()
    """Its squared distance from what was expected."""
    lean: Average = Average()
    """Its distance from the mean, times how far the step's visible answer was expected off its class's."""
    lean_square: Average = Average()
    """The square of the latter."""
    shift: float = 0.0
    seen: Average = Average()
    """Output tokens."""
    meant: Average = Average()
    """What their expectation was, before this very correction."""

    @property
    def factor(self) -> float:
        """By which the expectation is corrected."""
        if self.meant.mean <= 0:
            return 1.0
        return self.seen.towards(self.meant.mean, SHRINK) / self.meant.mean

    def with_gap(self, gap: float) -> Habit:
        """With an answer whose visible tokens were those of the class times e^gap."""
        return msgspec.structs.replace(self, offset=self.offset.add(gap, LONG))

    def with_thought(self, thought: float, apart: float) -> Habit:
        """`thought`: log of 1 + reasoning tokens of an answer; `apart`: see `lean`."""
        known = bool(self.thought.weight)
        off = thought - self.thought.mean if known else 0.0
        rest = off - self.slope(0.0) * apart
        return msgspec.structs.replace(
            self,
            thought=self.thought.add(thought, MEMORY),
            thought_square=self.thought_square.add(rest * rest, MEMORY),
            lean=self.lean.add(off * apart, MEMORY),
            lean_square=self.lean_square.add(apart * apart, MEMORY),
        )

    def slope(self, parent: float) -> float:
        """How much more it thinks where more is to be said, logs both: ridge regression towards `parent`."""
        ridge = SHRINK * RIDGE
        product = self.lean.weight * self.lean.mean + ridge * parent
        return min(max(product / (self.lean.weight * self.lean_square.mean + ridge), 0.0), STEEPEST)

    def judged(self, total: int, length: Length, shift: float, *, cut: bool, max_tokens: int | None) -> Habit:
        """After `total` tokens are held against what was expected of them, with this `shift` of q90."""
        # Where q90 lies beyond max_tokens, or the answer was cut off below it, nobody knows whether it held.
        if total > length.uncut:
            shift += STEP * 0.9
        elif not cut and (max_tokens is None or length.uncut < max_tokens):
            shift -= STEP * 0.1
        return msgspec.structs.replace(
            self,
            shift=min(max(shift, LOWEST), HIGHEST),
            seen=self.seen.add(total, MEMORY),
            meant=self.meant.add(length.mean / self.factor, MEMORY),
        )

    def capped(self, weight: float) -> Habit:
        """The same, worth `weight` answers at most."""
        averages = {name: part.capped(weight) for name, part in msgspec.structs.asdict(self).items() if name != "shift"}
        return msgspec.structs.replace(self, **averages)


NEW = Habit()
