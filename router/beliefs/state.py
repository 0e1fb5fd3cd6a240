"""All beliefs at one moment, as one frozen value: what the planner reads, and what an outcome turns into the next."""

from __future__ import annotations

import msgspec

from router.beliefs import length, speed, success
from router.beliefs.length import Lengths
from router.beliefs.rates import CheckRates
from router.beliefs.speed import Speeds
from router.beliefs.success import Successes
from router.beliefs.tokens import Counts
from router.catalog import Catalog
from router.outcome import Evidence
from router.policy import Rates
from router.terms import Terms


class Beliefs(msgspec.Struct, frozen=True, eq=False):
    """What is believed now. An observation changes only the part it speaks of; the rest is shared."""

    version: int
    """Counts observations."""
    success: Successes
    length: Lengths
    speed: Speeds
    tokens: Counts
    checks: CheckRates = CheckRates()

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

    def learn(self, said: Evidence, earlier: Evidence | None = None) -> Beliefs:
        """The beliefs after what is known of one step's success.

        `earlier`: what was learned of this very step before; only what is new then counts.
        """
        keep = self.success.memory.keep(0.0)
        checks = self.checks
        if earlier is not None:
            checks = checks.observe(earlier.step_class, earlier.trials, -earlier.weight, keep)
        checks = checks.observe(said.step_class, said.trials, said.weight, keep)
        learned = self.success.observe(said, earlier)
        if learned is self.success and checks is self.checks:
            return self
        return msgspec.structs.replace(self, version=self.version + 1, success=learned, checks=checks)

    def informed(self, terms: Terms) -> Terms:
        """`terms` with what outcomes say of its class's spreads and its checks' rates; what a policy says is their
        prior, and stays where there are no outcomes."""
        spread = self.success.spread(terms.step_class, terms.sigma, terms.tau)
        t, f = terms.t, terms.f
        if terms.verify == "checks" and (terms.checks, terms.step_class) in self.checks.counts:
            rates = self.checks.rates(terms.checks, terms.step_class, Rates(t=t, f=f))
            t, f = rates.t, rates.f
        if (spread.sigma, spread.tau, t, f) == (terms.sigma, terms.tau, terms.t, terms.f):
            return terms
        return msgspec.structs.replace(terms, sigma=spread.sigma, tau=spread.tau, t=t, f=f)
