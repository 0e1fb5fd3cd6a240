"""What a decision is made of, as frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import msgspec

from router.beliefs.length import LogNormal, matched
from router.beliefs.lengths import Asked
from router.beliefs.published import Source
from router.catalog import Deployment, Mode
from router.outcome import Past
from router.plan.gates import Gate
from router.plan.search import ON_TIME, Found, Row, Space, mixture_quantile, search
from router.terms import Terms


class Situation(msgspec.Struct, frozen=True):
    """The moment of a decision."""

    unhealthy: frozenset[str] = frozenset()
    """`model:deployment` keys that must not be called now."""
    inflight: Mapping[str, int] = {}
    """`model:deployment` → requests it is serving for us."""
    warm: Mapping[str, int] = {}
    """Model → input tokens of this run that its prompt cache holds, priced as cached."""
    failed: tuple[str, ...] = ()
    """Arms whose answers to this very step are known to be wrong."""
    assume_failed: int = 0
    """How many more answers failed that nobody remembers: taken to be the planner's own first choices."""
    retry_after: float = 3.0
    """Seconds to name where only health is in the way."""
    slow: frozenset[str] = frozenset()
    """Those of `unhealthy` that only answer too slowly: they are called where there is nobody else."""
    limited: bool = False
    """Whether all that are unhealthy only asked to be left alone for a while."""
    step: str | None = None
    """The step's name, if the caller gave one."""
    past: tuple[Past, ...] = ()
    """The run's latest answers, the last one last."""
    lot: Lot | None = None
    """The run's draw; None: nothing is explored."""
    looped: str | None = None
    """The model that answered the step before in the same tool loop, where that is known."""
    before: int = 0
    """Bytes of the messages when this very step was last asked for; 0 where nobody remembers."""
    most: Mapping[str, int] = {}
    """Arm → how often a plan may hold it, at least 1; others as often as there are attempts."""


class Lot(msgspec.Struct, frozen=True):
    """One draw for a whole run: two independent numbers, uniform in [0, 1)."""

    explores: float
    arm: float


class Draw(msgspec.Struct, frozen=True):
    """What a run's lot comes to under the terms of one of its steps: one of a few variants of the policy."""

    arm: str | None
    """The arm that plans begin with where that is allowed; None: the policy as it is."""
    p: float
    """Probability of this variant: the same for all steps of a run whose classes explore alike."""


class Candidate(msgspec.Struct, frozen=True):
    """One arm at one deployment, priced for one step. Tokens and USD are of the whole attempt, all `n` choices."""

    arm: str
    model: str
    mode: Mode
    deployment: Deployment
    p: float
    """P(success) of this arm as the next attempt, given the failures already known."""
    p_low: float
    """The same at the policy's confidence."""
    evidence: Source
    cost: float
    """Expected USD of one attempt."""
    cost_q90: float
    seconds: float
    """Expected seconds of one attempt, at the load of the moment."""
    seconds_q90: float
    time: LogNormal
    first_token_s: float
    tokens_per_s: float
    """Of one choice, at its median length."""
    input_tokens: int
    input_counted: int
    """Before the online correction: what `Beliefs.observe` compares with."""
    output_q50: float
    output_q90: float
    output_mean: float
    reasoning_mean: float
    load: float
    """Requests in flight over concurrency."""
    warm_usd: float = 0.0
    """USD that the run's warm prompt cache saves here, and seconds."""
    warm_s: float = 0.0
    judge_usd: float = 0.0
    """USD that judges of the answer are expected to cost, within `cost`, and seconds, within `seconds`."""
    judge_s: float = 0.0

    @property
    def key(self) -> str:
        return f"{self.model}:{self.deployment.name}"


Options = Mapping[str, tuple[Candidate, ...]]
"""Arm → its feasible deployments, the one that is planned with first; arms by model and mode."""


class Loop(msgspec.Struct, frozen=True):
    """A tool loop that a step goes on with, and what came of it."""

    model: str
    """The model that answered the step before."""
    stays: bool
    """Whether the plan begins with it."""
    gain: float
    """USD of the objective by which the best plan beats the best that stays; 0 where the best one stays anyway."""
    loss: float
    """USD of the objective that a switch has to gain more than."""

    @property
    def why(self) -> tuple[str, str]:
        """As a fixed word and as a sentence."""
        return (
            "affinity",
            f"stays with {self.model} inside a tool loop: leaving gains ${self.gain:.6f}, its warm cache is worth "
            f"${self.loss:.6f}",
        )


class Plan(msgspec.Struct, frozen=True, dict=True):
    """A sequence of attempts, each made only if the one before was rejected."""

    attempts: tuple[Candidate, ...]
    arms: tuple[str, ...]
    p_success: float
    p_low: float
    """At the policy's confidence: what has to meet the accuracy."""
    cost: float
    """Expected USD."""
    seconds: float
    """Expected."""
    reach: tuple[float, ...]
    """P that each attempt is made."""
    objective: float
    """What plans are compared by, in USD, per success where neither accuracy nor failure cost is given."""

    @cached_property
    def seconds_q90(self) -> float:
        """0.9 quantile of the time, from the mixture over how many attempts run."""
        mean = variance = 0.0
        parts = []
        for i, candidate in enumerate(self.attempts):
            mean, variance = mean + candidate.time.mean, variance + candidate.time.variance
            after = self.reach[i + 1] if i + 1 < len(self.reach) else 0.0
            parts.append((self.reach[i] - after, matched(mean, variance)))
        return mixture_quantile(parts, ON_TIME)


def built(row: Row, options: Options) -> Plan:
    attempts = tuple(options[arm][0] for arm in row.arms)
    return Plan(attempts, row.arms, row.p, row.p_low, row.cost, row.seconds, row.reach, row.objective)


class Decision(msgspec.Struct, frozen=True, dict=True):
    """The plan that was chosen, and everything needed to say why."""

    chosen: Plan
    options: Options
    gates: tuple[Gate, ...]
    considered: int
    """Plans compared."""
    accuracy_met: bool
    deadline_met: bool
    hold: bool
    """Whether a streamed answer must be buffered until its checks pass."""
    kind: str
    """What decided, of a fixed few: accuracy, failure_cost, cost_per_success, accuracy_unmet, deadline_unmet,
    exploration, affinity."""
    reason: str
    """The same in words."""
    beliefs_version: int
    terms: Terms
    asked: Asked
    """What the answer's length was judged by."""
    space: Space
    attempts: int
    """Longest plan considered."""
    propensity: float = 1.0
    """Probability that the run's one draw leads to this plan here; 1 without exploration."""
    drawn: Draw | None = None
    """None where nothing was drawn."""
    loop: Loop | None = None
    """The tool loop that the step goes on with, where it is known who has answered it so far."""

    def again(self) -> Found:
        """The search behind the decision: pure, so it is repeated where its arrays are wanted rather than kept."""
        return search(self.space, self.terms, self.attempts, every=True)

    @cached_property
    def frontier(self) -> tuple[Plan, ...]:
        """The allowed plans that nothing beats in both cost and P, and the chosen one, cheapest first."""
        found = self.again()
        numbers = sorted({*found.frontier(), found.number(self.chosen.arms)}, key=lambda n: (found.cost[n], n))
        plans = [built(found.row(n), self.options) for n in numbers]
        return tuple(self.chosen if p.arms == self.chosen.arms else p for p in plans)  # which was added up otherwise
