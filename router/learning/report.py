"""The numbers of a replay side by side: what `--json` writes and the table and the plot show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from router.learning import bootstrap
from router.learning.bootstrap import finite
from router.learning.replay import Way
from router.learning.tally import ATTEMPTS, COST, REFUSED, UNMET, Array, Interval, Kind, Tally
from router.learning.trace import Step


class Row(msgspec.Struct, frozen=True):
    """One way of routing."""

    name: str
    kind: Kind
    success: Interval
    """Share of steps whose returned answer was right."""
    cost_per_success: Interval
    """USD."""
    seconds: Interval
    """Mean of a step that was tried, all its attempts together."""
    cost_usd: float | None
    """Mean of a step."""
    attempts: float | None
    """Mean of a step."""
    refused: float | None
    """Steps that nothing could take."""
    accuracy_unmet: float | None
    """Steps whose required accuracy no plan met."""
    first: Mapping[str, float]
    """Arm → share of the tried steps that it was tried first at."""


class Report(msgspec.Struct, frozen=True):
    version: int
    steps: int
    units: int
    """Runs, and steps outside of any, that the intervals resample."""
    arms: tuple[str, ...]
    learn: str
    verify_tpr: float
    verify_fpr: float
    seeds: int
    resamples: int
    results: tuple[Row, ...]

    def json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def report(steps: Sequence[Step], tallies: Sequence[Tally], way: Way, seed: int = 0) -> Report:
    """The tallies with their intervals; `seed`: of the resamples."""
    unit = bootstrap.units(steps)
    samples = bootstrap.resampled(tallies, unit, seed)
    return Report(
        version=1,
        steps=len(steps),
        units=int(unit.max()) + 1,
        arms=tuple(sorted({name for step in steps for name in step.arms})),
        learn=way.learn,
        verify_tpr=way.t,
        verify_fpr=way.f,
        seeds=way.seeds,
        resamples=bootstrap.RESAMPLES,
        results=tuple(_row(tally, samples[:, i]) for i, tally in enumerate(tallies)),
    )


def _row(tally: Tally, samples: Array) -> Row:
    mean, total = tally.mean, sum(tally.first.values())
    return Row(
        name=tally.name,
        kind=tally.kind,
        success=bootstrap.success(tally, samples),
        cost_per_success=bootstrap.cost_per_success(tally, samples),
        seconds=bootstrap.seconds(tally, samples),
        cost_usd=finite(float(mean[:, COST].mean())),
        attempts=finite(float(mean[:, ATTEMPTS].mean())),
        refused=finite(float(mean[:, REFUSED].sum())),
        accuracy_unmet=finite(float(mean[:, UNMET].sum())),
        first={arm: float(f"{tally.first[arm] / total:.6g}") for arm in sorted(tally.first)},
    )
