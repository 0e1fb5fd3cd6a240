"""What each lane came to: success, cost per success and time with 95% intervals, from the ledger and the answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from router.catalog import Catalog
from router.policy import Policy

RESAMPLES = 500
Z95 = 1.96


class Done(msgspec.Struct, frozen=True):
    """One job in one lane."""

    success: bool
    cost: float
    """USD."""
    seconds: float
    """Simulated."""
    attempts: int
    """Answers that models gave."""
    loss: float = 0.0
    """USD that its failure costs; 0 where it succeeded."""


class Interval(msgspec.Struct, frozen=True):
    value: float
    low: float
    high: float


class Row(msgspec.Struct, frozen=True):
    title: str
    success: Interval
    cost_per_success: Interval
    """USD; infinite where nothing succeeded."""
    cost_with_failures: float
    """USD of one job, what its failure costs included: what the policy weighs."""
    seconds: Interval
    """Mean of one job, simulated."""
    attempts: float
    """Mean answers of one job."""
    refused: int
    """Requests that were answered with an error."""


def loss(policy: Policy, step_class: str) -> float:
    """USD that a wrong result of a step of this class costs by the policy; 0 where it does not say."""
    known = policy.by_name.get(step_class)
    said = known.failure_cost if known is not None and known.failure_cost is not None else policy.objective.failure_cost
    return said or 0.0


def account(
    entries: Mapping[str, Sequence[Mapping[str, Any]]],
    solved: Mapping[str, bool],
    catalog: Catalog,
    losses: Mapping[str, float],
) -> list[Done]:
    """One lane's jobs in the order of `solved`, each with all that the ledger has of its steps.

    `entries` is the ledger's part for the lane: step → entries; a job's steps are named after it, with `+` and more.
    `losses`: job → USD that its failure costs.
    """
    spent: dict[str, tuple[float, float, int]] = {}
    for step, attempts in sorted(entries.items()):
        job = step.partition("+")[0]
        cost, seconds, count = spent.get(job, (0.0, 0.0, 0))
        for entry in attempts:
            prices = catalog.models[entry["arm"].partition("/")[0]].deployments[0].usd
            cost += prices.cost(entry["prompt_tokens"], entry["output_tokens"])
            seconds += entry["seconds"]
            count += entry["attempt"] > 0
        spent[job] = (cost, seconds, count)
    return [
        Done(success, *spent.get(job, (0.0, 0.0, 0)), loss=0.0 if success else losses[job])
        for job, success in solved.items()
    ]


def row(title: str, done: Sequence[Done], seed: int, refused: int = 0) -> Row:
    """The lane's numbers. Bootstrap over jobs, the same resamples in all lanes of one size."""
    n = len(done)
    samples = [Random(seed * 1000 + i).choices(done, k=n) for i in range(RESAMPLES)]
    return Row(
        title,
        wilson(sum(d.success for d in done), n),
        _bootstrap(done, samples, _cost_per_success),
        sum(d.cost + d.loss for d in done) / n,
        _bootstrap(done, samples, _mean_seconds),
        sum(d.attempts for d in done) / n,
        refused,
    )


def wilson(k: int, n: int) -> Interval:
    """Share k of n with Wilson's 95% score interval."""
    p, z2 = k / n, Z95 * Z95
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Interval(p, max(0.0, middle - half), min(1.0, middle + half))


def _cost_per_success(done: Sequence[Done]) -> float:
    successes = sum(d.success for d in done)
    return sum(d.cost for d in done) / successes if successes else math.inf


def _mean_seconds(done: Sequence[Done]) -> float:
    return sum(d.seconds for d in done) / len(done)


def _bootstrap(done: Sequence[Done], samples: Sequence[Sequence[Done]], measure: Any) -> Interval:
    values = sorted(measure(sample) for sample in samples)
    return Interval(measure(done), values[int(0.025 * len(values))], values[int(0.975 * len(values))])


HEAD = ("lane", "success %", "USD per success", "USD per step with failures", "seconds", "attempts", "refused")
"""Column titles of `cells`."""


def cells(r: Row) -> tuple[str, ...]:
    """The row as text, intervals in parentheses."""
    return (
        r.title,
        _shown(r.success, 100, 1),
        _shown(r.cost_per_success, 1, 5),
        f"{r.cost_with_failures:.5f}",
        _shown(r.seconds, 1, 1),
        f"{r.attempts:.2f}",
        str(r.refused),
    )


def _shown(i: Interval, factor: float, digits: int) -> str:
    value, low, high = (f"{x * factor:.{digits}f}" for x in (i.value, i.low, i.high))
    return f"{value} ({low}-{high})"


def compared(ours: Row, other: Row) -> str:
    """One sentence: cost per success, success and time of a lane against another's."""
    saved = 1 - ours.cost_per_success.value / other.cost_per_success.value
    points = (ours.success.value - other.success.value) * 100
    faster = other.seconds.value / ours.seconds.value
    cost = f"{abs(saved):.0%} {'less' if saved >= 0 else 'more'} cost per success"
    pace = f"{faster:.1f} times as fast" if faster >= 1 else f"{1 / faster:.1f} times as slow"
    return f"Against {other.title}: {cost}, {points:+.1f} points of success, {pace}."
