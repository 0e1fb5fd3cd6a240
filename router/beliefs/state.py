"""All beliefs at one moment, as one frozen value: what the planner reads, and what an outcome turns into the next."""

from __future__ import annotations

import msgspec

from router.beliefs import length, speed, success
from router.beliefs.length import Lengths
from router.beliefs.speed import Speeds
from router.beliefs.success import Successes
from router.beliefs.tokens import Counts
from router.catalog import Catalog


class Beliefs(msgspec.Struct, frozen=True, eq=False):
    """What is believed now. An observation changes only the part it speaks of; the rest is shared."""

    version: int
    """Counts observations."""
    success: Successes
    length: Lengths
    speed: Speeds
    tokens: Counts

    @classmethod
    def prior(cls, catalog: Catalog) -> Beliefs:
        """Beliefs before any outcome, from the catalog's published numbers."""
        return cls(0, success.prior(catalog), length.prior(catalog), speed.prior(catalog), Counts())

    def observe(self, model: str, counted: int, reported: int) -> Beliefs:
        """The beliefs after `model` reported its input tokens; `counted`: `Candidate.input_counted` of that step.

        Without two positive numbers nothing is learned.
        """
        if counted <= 0 or reported <= 0:
            return self
        return msgspec.structs.replace(
            self, version=self.version + 1, tokens=self.tokens.observe(model, counted, reported)
        )
