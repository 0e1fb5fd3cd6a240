"""A logged decision made again, under the policy that made it or another: what each of its draws comes to. Pure.

The journal keeps what was believed of every arm that no gate kept out, so plans are compared anew without the beliefs
of that moment. What it does not keep (other models' warm caches, what earlier failures said of each arm alone) is taken
as the record has it; `weighing.Log` counts the decisions that cannot be made again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from router.beliefs.latent import solve
from router.beliefs.length import Z90, LogNormal
from router.catalog import Catalog
from router.hints import NONE, Hints
from router.journal import OutcomeRecord
from router.journal.records import Asked, Offer
from router.plan.choose import MOST_PLANS
from router.plan.exploring import ANY, drawable, variants
from router.plan.few import Choice
from router.plan.gates import ask, standing
from router.plan.search import Found, Row, Space, search
from router.policy import MAX_ATTEMPTS, Policy
from router.step import Facts
from router.terms import Target, Terms, resolve

SURE = 1e-6
"""Probabilities closer to 0 or 1 than this are taken as this far away: a logit has to be finite."""
BY_POLICY = frozenset({"license", "runtime", "region", "thinking", "allow-list", "price cap", "deadline"})
"""Gates that a policy closes; the others close whatever the policy."""


class Atom(NamedTuple):
    """A part of all draws within which every step of a run goes the same way."""

    p: float
    upper: float
    """The draw's first number is below this; 1 for those that never explore."""
    arm: str | None


class Ways(msgspec.Struct, frozen=True):
    """What one policy makes of one step."""

    terms: Terms
    base: Row | None
    """The plan without a draw; None: nothing that the record tells of could take the step."""
    drawn: Mapping[str, Row]
    """Arm → its variant's plan, where that is another one."""
    unknown: bool = False
    """Whether arms could be chosen of which the record says nothing."""

    def row(self, atom: Atom) -> Row | None:
        """The plan at a draw."""
        exploration = self.terms.exploration
        if atom.arm is None or exploration is None or atom.upper > exploration.share:
            return self.base
        return self.drawn.get(atom.arm, self.base)


def atoms(policy: Policy, catalog: Catalog) -> tuple[Atom, ...]:
    """All draws of a policy; their probabilities sum to one."""
    shares = sorted({e.share for c in policy.classes if (e := policy.explores(c)) is not None})
    terms = resolve(Target(policy), ANY, NONE)
    names = drawable(catalog.arms, ask(ANY, terms), policy.exploration.arms)
    if not shares or not names:
        return (Atom(1.0, 1.0, None),)
    found, low = [], 0.0
    for share in shares:
        found += [Atom((share - low) / len(names), share, name) for name in names]
        low = share
    return (*found, Atom(1.0 - low, 1.0, None)) if low < 1.0 else tuple(found)


def again(record: OutcomeRecord, policy: Policy, catalog: Catalog, actual: Policy) -> Ways:
    """The step of `record`, decided by `actual`, as `policy` decides it. The record must have a decision."""
    facts, hints = record.facts or Facts(), _hints(record)
    terms, real = _resolved(record, policy, facts, hints), _resolved(record, actual, facts, hints)
    assert record.asked is not None
    terms = _learned(terms, real, record.asked)
    if record.drawn is None and real.exploration is not None:  # this very request was not to be drawn for
        terms = msgspec.structs.replace(terms, exploration=None)
    stands = {arm.name for arm, _ in standing(catalog.arms, ask(facts, terms))[0]}
    offers = tuple(o for o in record.offers if o.arm in stands and o.cost <= _cap(terms))
    unknown = bool(_lost(record, terms, stands, {arm.name for arm, _ in standing(catalog.arms, ask(facts, real))[0]}))
    if not offers:
        return Ways(terms, None, {}, unknown)
    stays = record.chosen.arms[0] if record.why == "affinity" and record.chosen and policy.affinity else None
    base, drawn = _rows(_shortened(offers, terms), terms, catalog.arms, stays)
    return Ways(terms, base, drawn, unknown)


def _hints(record: OutcomeRecord) -> Hints:
    return msgspec.convert(dict(record.hints), Hints) if record.hints else NONE


def _resolved(record: OutcomeRecord, policy: Policy, facts: Facts, hints: Hints) -> Terms:
    assert record.asked is not None
    failed = max(len(record.judged_before), (hints.attempt or 1) - 1)
    free = msgspec.structs.replace(hints, run_retries=None, run_max_cost=None)
    terms = resolve(Target(policy), facts, free, streamed=record.stream, failed=failed)
    if hints.run_retries is not None:  # what the run had left is in what was asked
        terms = msgspec.structs.replace(terms, max_attempts=min(terms.max_attempts, record.asked.max_attempts))
    if hints.run_max_cost is not None and record.asked.max_cost is not None:
        cap = min(_cap(terms), record.asked.max_cost)
        terms = msgspec.structs.replace(terms, max_cost=cap, exploration=None)
    return terms


def _cap(terms: Terms) -> float:
    return math.inf if terms.max_cost is None else terms.max_cost


def _learned(terms: Terms, real: Terms, asked: Asked) -> Terms:
    """What had been learned of the checks and of retries stands where both policies begin from the same numbers."""
    same: dict[str, Any] = {}
    judged = (terms.verify, terms.checks) == (real.verify, real.checks)
    for name in ("t", "f", "sigma", "tau"):
        if getattr(terms, name) == getattr(real, name) and (judged or name in ("sigma", "tau")):
            same[name] = getattr(asked, name)
    return msgspec.structs.replace(terms, **same)


def _lost(record: OutcomeRecord, terms: Terms, stands: set[str], stood: set[str]) -> set[str]:
    """Arms that stand under `terms` and of which the record has no offer because of the policy that decided."""
    assert record.asked is not None
    offered = {o.arm for o in record.offers}
    closed = {g.arm for g in record.gates if g.kind not in BY_POLICY}
    asked = record.asked
    capped = asked.max_cost is not None and _cap(terms) > asked.max_cost
    looser = {g.arm for g in record.gates if g.kind == "price cap"} if capped else set()
    if terms.deadline > asked.deadline:
        looser |= {g.arm for g in record.gates if g.kind == "deadline"}
    return ((stands - stood) | (looser & stands)) - offered - closed


def _shortened(offers: tuple[Offer, ...], terms: Terms) -> tuple[Offer, ...]:
    """As many arms as can be compared, those cheapest per success."""
    kept = sorted(offers, key=lambda o: o.cost / max(o.p, SURE))
    while sum(len(kept) ** n for n in range(1, _attempts(terms) + 1)) > MOST_PLANS:
        kept.pop()
    names = {o.arm for o in kept}
    return tuple(o for o in offers if o.arm in names)


def _attempts(terms: Terms) -> int:
    return 1 if terms.f >= 1.0 else min(MAX_ATTEMPTS, terms.max_attempts)


@lru_cache(maxsize=4096)
def _rows(
    offers: tuple[Offer, ...], terms: Terms, arms: tuple[Any, ...], stays: str | None
) -> tuple[Row, Mapping[str, Row]]:
    """The plan without a draw, and those of the draws. Steps that look alike are looked at once."""
    space, longest = _space(offers, terms), _attempts(terms)
    short = terms.hold == "auto" and terms.verify == "checks" and longest > 1
    for attempts in (1, longest) if short else (longest,):
        found = search(space, terms, attempts)
        if found.accuracy_met and found.deadline_met:
            break
    row = _kept(found, terms, stays) or found.row(found.best)
    best = Choice(row, len(found.cost), found.accuracy_met, found.deadline_met, attempts)
    return row, variants(best, space, terms, arms)


def _kept(found: Found, terms: Terms, stays: str | None) -> Row | None:
    """The best plan that stays with the model of `stays`; None where nothing has to."""
    if stays is None or not (found.accuracy_met and found.deadline_met):
        return None
    mine = [arm for arm in found.space.arms if _model(arm) == _model(stays)]
    rows = [row for arm in mine if (row := found.begun(arm, terms)) is not None]
    return min(rows, key=lambda r: r.objective, default=None)


def _model(arm: str) -> str:
    return arm.rpartition("/")[0]


def _space(offers: tuple[Offer, ...], terms: Terms) -> Space:
    number: dict[str, int] = {}
    models = tuple(number.setdefault(_model(o.arm), len(number)) for o in offers)
    logits = tuple(solve(min(1.0 - SURE, max(SURE, o.p)), terms.sigma, terms.tau) for o in offers)
    costs = tuple(o.cost for o in offers)
    return Space(tuple(o.arm for o in offers), models, logits, logits, costs, tuple(_time(o) for o in offers))


def _time(offer: Offer) -> LogNormal:
    """Seconds of an attempt: the mean as it was, as spread out as the answer's length."""
    ratio = max(1.0, offer.output_q90 / max(offer.output_q50, 1.0))
    s = max(1e-3, math.log(ratio) / Z90)
    return LogNormal(math.log(max(offer.seconds, 1e-6)) - s * s / 2, s)
