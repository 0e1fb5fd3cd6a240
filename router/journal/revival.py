"""A record of the journal as the outcome that it was made of, as far as learning and judging need it."""

from __future__ import annotations

import msgspec

from router.hints import Hints
from router.journal.records import Asked, Offer, OutcomeRecord
from router.outcome import Outcome
from router.reports import Asked as Expected
from router.step import Facts
from router.trace import Trace


class Deployed(msgspec.Struct, frozen=True):
    name: str
    concurrency: int


class Option(msgspec.Struct, frozen=True):
    """Of a plan.Candidate, what an outcome is learned by."""

    arm: str
    deployment: Deployed
    p: float
    input_counted: int
    load: float
    cost: float
    judge_usd: float = 0.0


class Chosen(msgspec.Struct, frozen=True):
    attempts: tuple[Option, ...]


class Decided(msgspec.Struct, frozen=True):
    """Of a plan.Decision, the same."""

    terms: Asked
    chosen: Chosen
    options: dict[str, tuple[Option, ...]]
    asked: Expected


def revived(record: OutcomeRecord) -> Outcome:
    """Without a decision where the record had none, or is older than the fields that one is made of."""
    return Outcome(
        decision_id=record.decision_id,
        key_id=record.key_id,
        policy=record.policy,
        step_class=record.step_class,
        stream=record.stream,
        seconds=record.seconds,
        overhead_s=record.overhead_s,
        status=record.status,
        result=record.result,
        attempts=record.attempts,
        decision=_decision(record),
        policy_version=record.policy_version,
        facts=record.facts or Facts(),
        hints=Hints(attempt=attempt) if isinstance(attempt := record.hints.get("attempt"), int) else Hints(),
        run_id=record.run_id,
        step_id=record.step_id,
        committed=record.committed,
        error=record.error,
        trace=Trace(record.trace_id) if record.trace_id is not None else None,
        started_at=record.at - record.seconds,
        judged_before=record.judged_before,
        again=record.again,
    )


def _decision(record: OutcomeRecord) -> Decided | None:
    if record.asked is None or record.expected is None or record.chosen is None:
        return None
    offers = {offer.arm: offer for offer in record.offers}
    used = {(a.arm, a.deployment) for a in record.attempts if a.answered}
    if not {arm for arm, _ in used} | set(record.chosen.arms[:1]) <= offers.keys():
        return None
    options: dict[str, tuple[Option, ...]] = {arm: (_option(offer, offer.deployment),) for arm, offer in offers.items()}
    for arm, deployment in sorted(used):
        if deployment != offers[arm].deployment:  # another one stood in, of whose load nothing is known
            options[arm] = (*options[arm], _option(offers[arm], deployment))
    first = tuple(options[arm][0] for arm in record.chosen.arms[:1])
    return Decided(record.asked, Chosen(first), options, record.expected)


def _option(offer: Offer, deployment: str) -> Option:
    load = offer.load if deployment == offer.deployment else 0.0
    return Option(
        offer.arm, Deployed(deployment, offer.room), offer.p, offer.input_counted, load, offer.cost, offer.judge_usd
    )
