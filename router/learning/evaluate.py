"""One policy judged by what another has logged, before it serves: estimates, or the reasons why there are none."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
import numpy as np

from router.catalog import Catalog
from router.journal import StepRecord
from router.learning import estimate
from router.learning.estimate import Estimate
from router.learning.weighing import COST, JUDGED, STEPS, Log, Pair, Runs, weighed

LEAST_ESS = 200.0
MOST_LOST = 0.05
"""Of the candidate's probability: on plans that the log could never have taken, and on runs left to the model."""
LEAST_JUDGED = 0.2
"""Share of steps of which somebody has said how good they were."""
MOST_DIFFER = 0.05
"""Share of decisions that come out otherwise when they are made again."""
DISAGREE = 4.0
"""Standard errors of the difference that two estimates, or the sum of weights and what it must be, may be apart."""
LEAST_SUCCESS = -0.01
"""The gate of promotion: the lower bound of the change of success."""


class Numbers(msgspec.Struct, frozen=True):
    """Each with its 95% interval."""

    success: Estimate
    """Share of judged steps that succeeded."""
    cost_per_success: Estimate
    """USD."""
    seconds: Estimate
    """Of a step, all attempts."""


class Evaluation(msgspec.Struct, frozen=True):
    candidate: str
    current: str
    steps: int
    runs: int
    judged: float
    """Share of steps."""
    effective_runs: float
    lost: float
    """Share of the candidate's probability on plans that the log could never have taken."""
    heavy: float
    """Share of it on runs that weigh too much and are left to the model."""
    differ: float
    """Share of decisions that come out otherwise when they are made again."""
    others: int
    """Steps of other policies or versions, passed over."""
    refusals: tuple[str, ...]
    """Why there are no estimates."""
    before: Numbers | None = None
    after: Numbers | None = None
    change: Numbers | None = None
    check: Numbers | None = None
    """The candidate's numbers by self-normalised weights."""

    @property
    def passes(self) -> bool:
        """Whether it is surely cheaper per success, and surely not more than a point worse."""
        c = self.change
        return c is not None and c.success.low >= LEAST_SUCCESS and c.cost_per_success.high < 0.0

    @property
    def verdict(self) -> str:
        """In words."""
        c = self.change
        if c is None:
            return "no estimate"
        if self.passes:
            return "better: cheaper per success, and success is not more than a point lower"
        if c.success.low < LEAST_SUCCESS:
            return f"not shown: success may be {-c.success.low * 100:.1f} points lower"
        return "not shown: it may cost as much per success"


def evaluate(records: Iterable[StepRecord], pair: Pair, catalog: Catalog) -> Evaluation:
    """What the candidate would have come to on the logged runs of the current policy."""
    candidate, current, log = weighed(records, pair, catalog)
    weight = estimate.weights(candidate)
    heavy = float(weight[estimate.heavy(candidate)].sum() / max(1e-12, weight.sum())) if len(weight) else 0.0
    about = Evaluation(
        candidate=pair.candidate.name,
        current=pair.current.name,
        steps=log.steps,
        runs=len(weight),
        judged=log.judged / max(1, log.steps),
        effective_runs=estimate.effective(weight),
        lost=float(candidate.lost.mean()) if len(weight) else 1.0,
        heavy=heavy,
        differ=log.differ / max(1, log.steps),
        others=log.others,
        refusals=(),
    )
    reasons = _refusals(about, log, pair) or _thin(candidate, weight) or _astray(candidate, weight)
    if reasons:
        return msgspec.structs.replace(about, refusals=tuple(reasons))
    after, before = estimate.doubly_robust(candidate), estimate.doubly_robust(current)
    check = estimate.self_normalised(candidate)
    apart = after.minus(check).estimates()
    if any(abs(a.value) > DISAGREE * a.error + 1e-12 for a in apart):
        reason = (
            "The two estimates contradict each other: what was believed of the steps does not fit what came of them."
        )
        return msgspec.structs.replace(about, refusals=(reason,), check=Numbers(*check.estimates()))
    return msgspec.structs.replace(
        about,
        before=Numbers(*before.estimates()),
        after=Numbers(*after.estimates()),
        change=Numbers(*after.minus(before).estimates()),
        check=Numbers(*check.estimates()),
    )


def _refusals(e: Evaluation, log: Log, pair: Pair) -> list[str]:
    if not e.steps:
        return [_nothing(log, pair)]
    found = []
    if pair.candidate.objective.confidence != 0.5 or pair.current.objective.confidence != 0.5:
        found.append("objective.confidence is not 0.5, and the journal does not keep the bounds that it asks for.")
    if e.lost > MOST_LOST:
        why = "" if pair.current.exploration.share else f" {pair.current.name} does not explore: see docs/policies.md."
        found.append(
            f"{e.lost:.0%} of what {e.candidate} would do, {e.current} could never have done "
            f"(at most {MOST_LOST:.0%} may be).{why}"
        )
    if e.effective_runs < LEAST_ESS:
        found.append(
            f"The {e.runs:,} runs say as much of {e.candidate} as {e.effective_runs:.0f} of its own would; "
            f"it takes {LEAST_ESS:.0f}. Log more, or explore more."
        )
    if e.heavy > MOST_LOST:
        found.append(
            f"{e.heavy:.0%} of the evidence is in single runs that would count for more than a hundredth of all."
        )
    if e.judged < LEAST_JUDGED:
        found.append(
            f"Only {e.judged:.1%} of the steps have been judged; it takes {LEAST_JUDGED:.0%}. "
            "Report more outcomes, the good ones too."
        )
    if e.differ > MOST_DIFFER:
        found.append(
            f"{e.differ:.1%} of the decisions come out otherwise when they are made again under {e.current}: the "
            "catalog has changed since, or keys have limits of their own."
        )
    return found


def _nothing(log: Log, pair: Pair) -> str:
    name = pair.current.name
    if log.versions:
        seen = ", ".join(
            f"{v or 'none'} ({n:,} steps)" for v, n in sorted(log.versions.items(), key=lambda i: -i[1])[:5]
        )
        return (
            f"No step was decided by {name} as it is now (version {pair.version}); there are versions {seen}. "
            "Name the file that logged them with --against."
        )
    return f"No step of the policy {name} is in the journal, of {log.others + log.refused:,} that were read."


def _thin(runs: Runs, weight: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[str]:
    """Judged runs have to be enough as well, and some must have succeeded."""
    known = estimate.effective(weight[runs.came[:, JUDGED] > 0])
    if known < LEAST_ESS:
        return [
            f"The runs that were judged say as much as {known:.0f} of the candidate's own; it takes {LEAST_ESS:.0f}."
        ]
    if not (weight @ runs.came[:, [0, COST, STEPS]] > 0).all():
        return ["No run of the candidate's succeeded, or none cost anything: there is no cost per success."]
    return []


def _astray(runs: Runs, weight: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[str]:
    """The weights' mean is known beforehand: the probability on what the log could have done."""
    off = float(weight.mean()) - 1.0
    error = float(weight.std(ddof=1)) / math.sqrt(len(weight))
    if off > DISAGREE * error + 1e-9 or off < -DISAGREE * error - float(runs.lost.mean()) - 1e-9:
        return [
            f"The weights sum to {1.0 + off:.3f} of the runs, and should to 1: draws were not as likely as the policy "
            "and the catalog say."
        ]
    return []
