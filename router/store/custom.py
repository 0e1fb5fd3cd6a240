"""How one caller complains, and so what it says that it does not. Pure.

Of a caller that asks again after each wrong answer, or tells of each, not a word means a right one; of a caller that
never says anything it means nothing. Which of the two somebody is, is told by what it does: a hidden Markov model of
two states, and in the one that complains, how many of the wrong answers, in expectation, were complained of.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from router.evidence import bounded

TURNS = 1 / 1_000
"""P(a caller changes its ways) with each answer: programs are changed, and then they say no more than before."""
STRAY = 0.01
"""P that one who does not complain of wrong answers seems to, once: a step sent again for another reason. And P that
one who only complains tells of a right answer, for each that it could."""
MEMORY = 2_000.0
"""Wrong answers that are remembered."""
LEAST = 0.01
"""A silence that says less than this says nothing."""


class Way(NamedTuple):
    """A way of complaining. Judgement, not measurement."""

    speaks: float
    """P that a caller takes it, before anything is seen of it."""
    told: float
    """Share of the wrong answers that are then complained of, at first sight."""
    strength: float
    """Wrong answers that this is worth."""
    verdicts: bool = False
    """Whether right answers could be told of in the same way."""


AGAIN_OWN = Way(0.5, 0.99, 100.0)
"""A step is asked for again by a caller that said it judges by itself."""
AGAIN = Way(0.1, 0.8, 30.0)
"""The same by one that said nothing of the kind."""
BLAME = Way(0.005, 0.97, 100.0, verdicts=True)
"""A verdict says that an answer was wrong, by a caller of whose right answers no verdict tells."""


class Custom(msgspec.Struct, frozen=True):
    """What is known of a caller's complaints of one kind."""

    way: Way
    speaks: float
    """P(it complains of wrong answers, and of nothing else)."""
    told: float = 0.0
    """Wrong answers that it complained of, and"""
    untold: float = 0.0
    """those that it did not, in expectation."""
    answers: float = 0.0
    posts: float = 0.0
    """Verdicts of either kind, out of `answers`: who tells of both says nothing by silence."""

    @property
    def share(self) -> float:
        """Of wrong answers, those that are complained of by one who complains."""
        known = self.told + self.untold + self.way.strength
        return (self.told + self.way.told * self.way.strength) / known

    @property
    def says(self) -> float:
        """P(a wrong answer would have been complained of): what silence is worth."""
        found = self.speaks * self.share
        return found if found >= LEAST else 0.0

    def complained(self, p: float, ratio: float = 0.0) -> Custom:
        """After a complaint. `p`: P(the answer was right) before it; `ratio`: right answers that are complained of, for
        one wrong one."""
        p = bounded(p)
        common = 1.0 - p + p * ratio
        other = max(STRAY, self._even) * common if self.way.verdicts else STRAY
        return self._turned(self.share * common, other, told=(1.0 - p) / common, post=float(self.way.verdicts))

    def praised(self, p: float) -> Custom:
        """After a verdict that an answer was right."""
        p = bounded(p)
        return self._turned(STRAY * p, max(STRAY, self._even) * p, post=1.0)

    def silent(self, p: float, ratio: float = 0.0) -> Custom:
        """After an answer that was not complained of in time."""
        p = bounded(p)
        still = (1.0 - p) * (1.0 - self.share)
        found = still + p * (1.0 - ratio * self.share)
        return self._turned(found, 1.0 - self._even, untold=still / found)

    @property
    def _even(self) -> float:
        """Share of all answers that get a verdict, of a caller that tells of right and wrong alike."""
        return self.posts / (self.answers + 1.0)

    def _turned(
        self, found: float, other: float, *, told: float = 0.0, untold: float = 0.0, post: float = 0.0
    ) -> Custom:
        """After what is seen with probability `found` of one who complains, and `other` of one who does not."""
        before = self.speaks * (1.0 - 2.0 * TURNS) + TURNS
        speaks = before * found / (before * found + (1.0 - before) * other)
        keep = min(1.0, MEMORY / (self.told + self.untold + 1.0))
        return Custom(
            self.way,
            speaks,
            keep * (self.told + told),
            keep * (self.untold + speaks * untold),
            keep * (self.answers + 1.0),
            keep * (self.posts + post),
        )


def unknown(way: Way) -> Custom:
    return Custom(way, way.speaks)
