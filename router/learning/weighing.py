"""Logged runs weighed for another policy: how likely each was under the policy that made it, and under the other.

A run draws once, so its probability is a sum over draws, never a product over steps: P(run) is the sum of the draws'
probabilities over those whose plan agrees, at every step, with what was really run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from router.catalog import Catalog
from router.evidence import SIGNALS, by_caller
from router.journal import OutcomeRecord, StepRecord
from router.learning.again import Atom, Ways, again, atoms
from router.outcome import Verdict
from router.plan.search import Row
from router.policy import Policy

Array = NDArray[np.float64]
SUCCESS, JUDGED, COST, STEPS, SECONDS = range(5)
TOLERANCE = 1e-3
"""Propensities that differ by less are the same: the journal rounds what they follow from."""


class Runs(msgspec.Struct, frozen=True, eq=False):
    """N runs, and V draws of the policy that is asked about."""

    came: Array
    """(N, 5): successes, steps that were judged, USD, steps, seconds."""
    p: Array
    """(N,): P(run), its draw being that of the policy that logged."""
    agrees: Array
    """(N, V): P(draw) where the draw agrees with all that was run, else 0."""
    share: Array
    """(V,): P(draw)."""
    foretold: Array
    """(N, V, 3): P(success), USD and seconds of the run's first step, as believed then."""
    foretold_real: Array
    """(N, 3): the same of the plan that was chosen."""
    lost: Array
    """(N,): the probability that the policy takes where the log could never have gone."""


class Log(msgspec.Struct):
    """What was read."""

    steps: int = 0
    judged: int = 0
    others: int = 0
    """Steps of another policy, or of another version of it."""
    versions: dict[str, int] = {}
    """Versions of the policy that were passed over, and their steps."""
    refused: int = 0
    """Steps that ended before there was a decision."""
    differ: int = 0
    """Decisions that come out otherwise when they are made again."""


class _Run:
    """One run while it is read."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.log = np.ones(sizes[0], dtype=bool)
        self.agrees = [np.ones(n, dtype=bool) for n in sizes]
        self.covered = [np.ones((n, sizes[0])) for n in sizes]
        self.steps: dict[str, float | None] = {}
        self.cost = self.seconds = 0.0
        self.foretold: list[Array] = []
        self.real: Array | None = None


def success(record: StepRecord) -> float | None:
    """What is known of a step's success: the mean of what its caller said, else of judges, else of its run's verdict.

    A step that ended in an error is a failure. What only passed format checks, or only was not complained of, is not
    known to be right. A share of a run's failure counts by the chance that it is this step's.
    """
    if record.status >= 500 or record.result == "error":
        return 0.0
    said = [Verdict(record.decision_id, v.success, v.source, v.at, None, v.weight) for v in record.verdicts]
    for counts in (by_caller, lambda v: v.source.startswith("judge:"), lambda v: v.source.startswith("run:")):
        if found := [1.0 - v.weight * (1.0 - v.success) for v in said if v.source not in SIGNALS and counts(v)]:
            return sum(found) / len(found)
    return None


def agrees(plan: Sequence[str], record: OutcomeRecord) -> bool:
    """Whether whoever plans so would have run just what was run.

    Attempts at a position of the plan follow from the plan up to there. Where the last answer of a whole plan was
    rejected, a longer plan would have gone on.
    """
    assert record.chosen is not None
    ran = 1 + max((a.position for a in record.attempts), default=0)
    if tuple(plan[:ran]) != record.chosen.arms[:ran]:
        return False
    return record.result != "rejected" or ran < len(record.chosen.arms) or len(plan) == ran


def beyond(row: Row | None, ways: Ways, other: tuple[str, ...] | None, there: Ways) -> float:
    """The probability with which plan `row` does what plan `other` of the policy that logged would not have done."""
    if row is None or other is None or ways.unknown:
        return 1.0
    if row.arms == other and (len(other) == 1 or _judged_alike(ways, there)):
        return 0.0
    if len(row.arms) > 1 and not _judged_alike(ways, there):
        return 1.0
    same = next((i for i, (a, b) in enumerate(zip(row.arms, other, strict=False)) if a != b), None)
    if same is None:
        same = min(len(row.arms), len(other))
        return row.reach[same] if same < len(row.arms) else _rejected(row, ways)
    return row.reach[same]


def _rejected(row: Row, ways: Ways) -> float:
    """P(all answers of the plan are rejected), at most: the last one's is not in the row."""
    t, f = ways.terms.t, ways.terms.f
    return min(row.reach[-1], (1.0 - row.p) * (1.0 - f) + row.p * (1.0 - t))


def _judged_alike(ways: Ways, there: Ways) -> bool:
    return (ways.terms.verify, ways.terms.checks) == (there.terms.verify, there.terms.checks)


class Pair(NamedTuple):
    """The two policies, as `weighed` takes them."""

    candidate: Policy
    current: Policy
    version: str
    """Digest of the current policy's file, as the journal has it."""


def weighed(records: Iterable[StepRecord], pair: Pair, catalog: Catalog) -> tuple[Runs, Runs, Log]:
    """The runs of the current policy weighed for the candidate and for itself, and what was read."""
    current, candidate = atoms(pair.current, catalog), atoms(pair.candidate, catalog)
    log, runs = Log(), dict[tuple[str, str], _Run]()
    for record in records:
        if record.policy != pair.current.name or record.policy_version != pair.version:
            log.others += 1
            if record.policy == pair.current.name:
                log.versions[record.policy_version] = log.versions.get(record.policy_version, 0) + 1
            continue
        if record.chosen is None or record.asked is None:
            log.refused += 1
            continue
        key = (record.key_id, f"run {record.run_id}" if record.run_id is not None else record.decision_id)
        run = runs.get(key)
        if run is None:
            run = runs[key] = _Run((len(current), len(candidate)))
        here = again(record, pair.current, catalog, pair.current)
        there = again(record, pair.candidate, catalog, pair.current)
        plans = _real(record, here, current, log)
        _add(run, record, plans, ((here, current), (there, candidate)), log)
    every = list(runs.values())
    return _gathered(every, 1, current, candidate), _gathered(every, 0, current, current), log


def _real(record: OutcomeRecord, here: Ways, current: Sequence[Atom], log: Log) -> list[tuple[str, ...] | None]:
    """The plan at each draw of the policy that logged; that of the run's own draw is known."""
    assert record.chosen is not None
    exploration = here.terms.exploration if record.drawn is not None else None
    plans: list[tuple[str, ...] | None] = []
    propensity, same = 0.0, True
    for atom in current:
        explores = exploration is not None and atom.arm is not None and atom.upper <= exploration.share
        row = here.row(atom)
        plan = row.arms if row is not None else None
        mine = record.drawn is None or record.drawn.arm == (atom.arm if explores else None)
        if mine:
            same, plan = same and plan == record.chosen.arms, record.chosen.arms
        propensity += atom.p * (plan == record.chosen.arms)
        plans.append(plan)
    log.differ += not same or abs(propensity - (record.propensity or 0.0)) > TOLERANCE
    return plans


def _add(
    run: _Run,
    record: StepRecord,
    plans: Sequence[tuple[str, ...] | None],
    sides: Sequence[tuple[Ways, Sequence[Atom]]],
    log: Log,
) -> None:
    log.steps += 1
    verdict = success(record)
    log.judged += verdict is not None
    run.log &= [plan is not None and agrees(plan, record) for plan in plans]
    here = sides[0][0]
    for i, (ways, draws) in enumerate(sides):
        rows = [ways.row(atom) for atom in draws]
        told = [plans[k] if i == 0 else (row.arms if row else None) for k, row in enumerate(rows)]
        run.agrees[i] &= [plan is not None and agrees(plan, record) for plan in told]
        if i:  # the policy that logged goes nowhere else than it goes
            run.covered[i] *= [[1.0 - beyond(row, ways, plan, here) for plan in plans] for row in rows]
        if len(run.foretold) <= i:
            run.foretold.append(np.array([_foretold(row) for row in rows]))
    if run.real is None:
        assert record.chosen is not None
        run.real = np.array([record.chosen.p, record.chosen.cost, record.chosen.seconds])
    run.cost, run.seconds = run.cost + record.cost_usd, run.seconds + record.seconds
    name = record.decision_id if record.step_id is None else f"step {record.step_id}"
    run.steps[name] = verdict


def _foretold(row: Row | None) -> tuple[float, float, float]:
    return (row.p, row.cost, row.seconds) if row is not None else (0.0, 0.0, 0.0)


def _gathered(every: Sequence[_Run], side: int, current: Sequence[Atom], draws: Sequence[Atom]) -> Runs:
    share, e = np.array([a.p for a in draws]), np.array([a.p for a in current])
    came = [_came(run) for run in every]
    covered = [run.covered[side][:, e > 0.0].max(axis=1) if e.any() else np.zeros(len(draws)) for run in every]
    return Runs(
        came=np.array(came).reshape(len(every), 5),
        p=np.array([float(e @ run.log) for run in every]),
        agrees=np.array([share * run.agrees[side] for run in every]).reshape(len(every), len(draws)),
        share=share,
        foretold=np.array([run.foretold[side] for run in every]).reshape(len(every), len(draws), 3),
        foretold_real=np.array([run.real for run in every]).reshape(len(every), 3),
        lost=np.array([float(share @ (1.0 - c)) for c in covered]),
    )


def _came(run: _Run) -> tuple[float, float, float, float, float]:
    said = [s for s in run.steps.values() if s is not None]
    return sum(said), len(said), run.cost, len(run.steps), run.seconds
