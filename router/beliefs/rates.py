"""How far a set of checks can be believed at a class of steps: t and f, from verdicts that came after its checks.

Whether a verdict comes depends on what the checks said: an accepted answer is used and complained of, a rejected one is
seen only if it was the last, or audited. So the answers without a verdict count too, as what their check said of them:
given that, a verdict says nothing more than it says, and the few rejects that were judged stand for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from router.outcome import Trial
from router.policy import Rates

STRENGTH = 20.0
"""Pseudo-observations of right, and of wrong, answers that a policy's t and f are worth."""
BASE_STRENGTH = 2.0
"""The same of the share of right answers, at one half."""
STEP = 1 / 512
"""Rates are told on this grid, so that what is cached by them survives most outcomes."""
ROUNDS = 60
NOTHING = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

Counts = tuple[float, float, float, float, float, float]
"""Right and accepted, right and rejected, wrong and accepted, wrong and rejected, accepted and rejected unjudged."""


class CheckRates(msgspec.Struct, frozen=True, eq=False):
    """Counts of what checks and verdicts said, forgotten slowly."""

    counts: Mapping[tuple[tuple[str, ...], str], Counts] = {}
    """(check set, step class) → counts."""

    def rates(self, check_set: tuple[str, ...], step_class: str, prior: Rates) -> Rates:
        """t and f of the sorted `check_set` at `step_class`; exactly `prior` where no verdict ever came."""
        found = self.counts.get((check_set, step_class))
        if found is None or not sum(found[:4]):
            return prior
        return _learned(found, prior.t, prior.f)

    def observe(self, step_class: str, trials: Sequence[Trial], weight: float, keep: float) -> CheckRates:
        """After one step. A negative weight takes it back, before the same step is told with later verdicts."""
        counts = dict(self.counts)
        for trial in trials:
            if not trial.checks or trial.accepted is None:
                continue
            key = (trial.checks, step_class)
            before = counts.get(key, NOTHING)
            fade = keep if weight > 0 else 1.0
            said = _said(trial)
            counts[key] = _counts([max(0.0, fade * b + weight * s) for b, s in zip(before, said, strict=True)])
        return CheckRates(counts) if counts != self.counts else self


def _counts(values: Sequence[float]) -> Counts:
    a, b, c, d, e, f = values
    return (a, b, c, d, e, f)


def _said(trial: Trial) -> Counts:
    """One trial as counts; a score between counts as both, in part."""
    if trial.success is None:
        return (0.0, 0.0, 0.0, 0.0, 1.0, 0.0) if trial.accepted else (0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    s = min(1.0, max(0.0, trial.success))
    return (s, 0.0, 1.0 - s, 0.0, 0.0, 0.0) if trial.accepted else (0.0, s, 0.0, 1.0 - s, 0.0, 0.0)


@lru_cache(maxsize=1024)
def _learned(counts: Counts, t0: float, f0: float) -> Rates:
    """Posterior modes of t and f, by expectation-maximisation over what the unjudged answers were.

    The priors are Beta(1 + n t0, 1 + n (1 - t0)), so that without data the mode is what the policy says.
    """
    right_yes, right_no, wrong_yes, wrong_no, open_yes, open_no = counts
    t, f, base = t0, f0, 0.5
    for _ in range(ROUNDS):
        yes, no = base * t + (1.0 - base) * f, base * (1.0 - t) + (1.0 - base) * (1.0 - f)
        a = right_yes + (open_yes * base * t / yes if yes else 0.0)
        b = right_no + (open_no * base * (1.0 - t) / no if no else 0.0)
        c = wrong_yes + (open_yes * (1.0 - base) * f / yes if yes else 0.0)
        d = wrong_no + (open_no * (1.0 - base) * (1.0 - f) / no if no else 0.0)
        t = (a + STRENGTH * t0) / (a + b + STRENGTH)
        f = (c + STRENGTH * f0) / (c + d + STRENGTH)
        base = (a + b + BASE_STRENGTH / 2) / (a + b + c + d + BASE_STRENGTH)
    return Rates(t=min(1.0, max(STEP, round(t / STEP) * STEP)), f=min(1.0, max(0.0, round(f / STEP) * STEP)))
