"""All beliefs at one moment, as one frozen value: what the planner reads, and what an outcome turns into the next."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from router.beliefs import lengths, speed, success
from router.beliefs.drift import Alarm, Drift, news
from router.beliefs.lengths import Asked, Lengths
from router.beliefs.rates import CheckRates
from router.beliefs.speed import Speeds, Timing
from router.beliefs.success import Successes
from router.beliefs.tokens import Counts
from router.catalog import Catalog
from router.outcome import Attempt, Evidence
from router.policy import Rates
from router.reports import Heard
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
    costs: Drift = Drift()
    """Whether attempts still cost what is expected of them."""

    @classmethod
    def prior(cls, catalog: Catalog) -> Beliefs:
        """Beliefs before any outcome, from the catalog's published numbers."""
        return cls(0, success.prior(catalog), lengths.prior(catalog), speed.prior(catalog), Counts())

    def reading(self) -> Beliefs:
        """The same, the words of steps being learned from henceforth; where they are not read they teach nothing."""
        return msgspec.structs.replace(self, success=self.success.reading())

    def observe(self, model: str, counted: int, reported: int) -> Beliefs:
        """The beliefs after `model` reported its input tokens; `counted`: `Candidate.input_counted` of that step.

        Without two positive numbers nothing is learned.
        """
        if counted <= 0 or reported <= 0:
            return self
        return msgspec.structs.replace(
            self, version=self.version + 1, tokens=self.tokens.observe(model, counted, reported)
        )

    def heard(self, said: Heard) -> Beliefs:
        """The beliefs after one step, by what its attempts report of themselves: tokens and times, not success."""
        found = self.counted(said)
        for report in said.reports:
            found = found.answered(report.attempt, said.asked, n=said.n, busy=report.busy, room=report.room)
            if report.expected_usd > 0 and report.attempt.cost_usd > 0 and report.attempt.finish_reason != "length":
                ratio = math.log(report.attempt.cost_usd / report.expected_usd)
                found = found._paid(report.attempt.model, said.asked.step_class, ratio)
        return found

    def _paid(self, model: str, step_class: str, log_ratio: float) -> Beliefs:
        """After an attempt that cost so much more than was expected. What it cost follows from its length."""
        costs = self.costs.ratio((model, step_class), log_ratio)
        length = self.length if costs.alarms is self.costs.alarms else self.length.widened(model, step_class)
        return msgspec.structs.replace(self, version=self.version + 1, costs=costs, length=length)

    def changes(self, before: Beliefs) -> Iterator[Alarm]:
        """What was found to have changed since `before`."""
        yield from news("success", before.success.drift, self.success.drift)
        yield from news("length", before.length.changes, self.length.changes)
        yield from news("cost", before.costs, self.costs)

    def counted(self, said: Heard) -> Beliefs:
        """The beliefs after one step, by what its attempts report of their input tokens alone."""
        found = self
        for report in said.reports:
            if not report.attempt.estimated:
                found = found.observe(report.attempt.model, report.counted, report.attempt.input_tokens)
        return found

    def answered(self, attempt: Attempt, asked: Asked, *, n: int = 1, busy: int = 0, room: int = 1) -> Beliefs:
        """The beliefs after one attempt, by how long its answer was and how long it took.

        `asked`: `Decision.asked` of its step; `n`: choices that share its tokens; `busy`, `room`: requests that its
        deployment was serving for us when it began, and serves at full speed. An attempt without a whole answer teaches
        nothing.
        """
        if not attempt.answered or attempt.output_tokens <= 0:
            return self
        tokens = attempt.output_tokens / n
        reasoning = min(tokens, attempt.reasoning_tokens / n)
        cut = attempt.finish_reason == "length"
        timing = Timing(
            attempt.seconds,
            tokens,
            attempt.input_tokens - attempt.cached_tokens,
            attempt.first_token_s,
            busy,
            room,
        )
        return msgspec.structs.replace(
            self,
            version=self.version + 1,
            length=self.length.observe(attempt.arm, asked, round(tokens - reasoning), round(reasoning), cut=cut),
            speed=self.speed.observe(f"{attempt.model}:{attempt.deployment}", timing),
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

    def informed(self, terms: Terms, *, shown: bool = False) -> Terms:
        """`terms` with what outcomes say of its class's spreads and its checks' rates; what a policy says is their
        prior, and stays where there are no outcomes. `shown`: whether retries are shown what was wrong."""
        spread = self.success.spread(terms.step_class, terms.sigma, terms.tau)
        t, f = terms.t, terms.f
        if terms.verify == "checks" and (terms.checks, terms.step_class) in self.checks.counts:
            rates = self.checks.rates(terms.checks, terms.step_class, Rates(t=t, f=f))
            t, f = rates.t, rates.f
        tau = spread.kept(shown)
        if (spread.sigma, tau, t, f) == (terms.sigma, terms.tau, terms.t, terms.f):
            return terms
        return msgspec.structs.replace(terms, sigma=spread.sigma, tau=tau, t=t, f=f)
