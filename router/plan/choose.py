"""One decision, purely: gates, prices, every plan, the best one, and why."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from msgspec.structs import replace

from router.beliefs import Beliefs
from router.beliefs.lengths import Asked
from router.catalog import Catalog
from router.errors import Infeasible, RateLimited, Unavailable
from router.plan.affinity import kept
from router.plan.exploring import explored
from router.plan.few import Choice, few, fits
from router.plan.gates import Gate
from router.plan.offers import Skill, asked, known, options, shifts, skills
from router.plan.records import Candidate, Decision, Options, Situation, built
from router.plan.search import Found, Space, search
from router.policy import MAX_ATTEMPTS
from router.step import Facts
from router.terms import Terms

MOST_PLANS = 5_000
"""Plans compared at most: 8 arms with three retries."""
REASONS = 12
"""Most reasons listed in an error."""


def decide(facts: Facts, terms: Terms, beliefs: Beliefs, catalog: Catalog, situation: Situation) -> Decision:
    """The plan for one step. Raises Infeasible with the reasons; RateLimited or
    Unavailable where only health is in the way."""
    terms, failed = beliefs.informed(terms, shown=_shown(facts, terms, situation)), situation.failed
    for later in range(situation.assume_failed, 0, -1):
        earlier = min(MAX_ATTEMPTS, terms.max_attempts + later)
        failed += _decide(facts, terms, beliefs, catalog, situation, failed, earlier).chosen.arms[:1]
    return _decide(facts, terms, beliefs, catalog, situation, failed, min(MAX_ATTEMPTS, terms.max_attempts))


def _shown(facts: Facts, terms: Terms, situation: Situation) -> bool:
    """Whether retries see what was wrong: a request that grew since it failed does, one sent again as it was does not.

    Where nothing has failed yet, retries to come are the caller's, who knows the error, or the server's, which sends
    the same again.
    """
    if situation.failed or situation.assume_failed:
        return facts.input_bytes > situation.before > 0
    return terms.verify == "caller"


def _decide(
    facts: Facts,
    terms: Terms,
    beliefs: Beliefs,
    catalog: Catalog,
    situation: Situation,
    failed: tuple[str, ...],
    attempts: int,
) -> Decision:
    shifted = shifts(beliefs.success, terms.step_class, facts)
    spreads = (terms.sigma, terms.tau)
    able = skills(beliefs.success, catalog.arms, terms.step_class, *spreads, terms.confidence, failed, shifted)
    question = asked(facts, terms, situation)
    found, gates = _feasible(facts, terms, beliefs, catalog, situation, able, question)
    attempts = attempts if terms.f < 1.0 else 1  # nothing else could tell a wrong answer, and start a retry
    space, best = _best(found, able, terms, situation.most, failed, attempts)
    picked = loop = None
    if situation.looped and terms.affinity and not failed:
        best, loop = kept(best, space, found, terms, situation.looped)
    if situation.lot and terms.exploration and not (failed or situation.assume_failed or facts.thinking):
        picked = explored(best, space, terms, catalog.arms, situation.lot)
        best = picked.choice if picked else best
    told = picked if picked and picked.arm else loop if loop and loop.gain and loop.stays else None
    kind, reason = told.why if told else _why(best, terms)
    return Decision(
        chosen=built(best.row, found),
        options=found,
        gates=gates,
        considered=best.considered,
        accuracy_met=best.accuracy_met,
        deadline_met=best.deadline_met,
        hold=terms.hold == "always" or (_auto(terms, attempts) and len(best.row.arms) > 1),
        kind=kind,
        reason=reason,
        beliefs_version=beliefs.version,
        terms=terms,
        asked=question,
        space=space,
        attempts=best.attempts,
        propensity=picked.propensity if picked else 1.0,
        drawn=picked.draw if picked else None,
        loop=loop,
    )


def _feasible(
    facts: Facts,
    terms: Terms,
    beliefs: Beliefs,
    catalog: Catalog,
    situation: Situation,
    able: Mapping[str, Skill],
    question: Asked,
) -> tuple[Options, tuple[Gate, ...]]:
    """What can be planned with, and the gates that are closed. Raises where there is nothing."""
    found, gates = options(facts, terms, beliefs, catalog, situation, able, question)
    if not found and situation.slow:  # better a slow answer than none
        bearable = replace(situation, unhealthy=situation.unhealthy - situation.slow, slow=frozenset())
        found, gates = options(facts, terms, beliefs, catalog, bearable, able, question)
    if not found:
        raise _closed(gates, situation)
    return found, gates


def _auto(terms: Terms, attempts: int) -> bool:
    """Whether a streamed answer is held exactly where its plan has a retry."""
    return terms.hold == "auto" and terms.verify == "checks" and attempts > 1


def _best(
    found: Options,
    able: Mapping[str, Skill],
    terms: Terms,
    most: Mapping[str, int],
    failed: tuple[str, ...],
    attempts: int,
) -> tuple[Space, Choice]:
    """The search.

    With `hold: auto`, checks and retries count only if the answer is held, so the step is first looked at as one shot;
    it is held only where that falls short and a retry helps.
    """
    for longest in (1, attempts) if _auto(terms, attempts) else (attempts,):
        space = _space(_shortlist(found, longest, terms), found, able, failed, most)
        if fits(len(space.arms), longest):
            best = few(space, found, terms, longest)
        else:
            best = _chosen(search(space, terms, longest))
        if best.accuracy_met and best.deadline_met:
            break
    return space, best


def _chosen(found: Found) -> Choice:
    return Choice(found.row(found.best), len(found.cost), found.accuracy_met, found.deadline_met, found.shape.attempts)


def _shortlist(found: Options, attempts: int, terms: Terms) -> tuple[str, ...]:
    """All arms, unless their plans were too many; then those not beaten in all respects by another mode of the same
    model, and of these, by turns, the cheapest per success and the surest."""
    most = _most(attempts)
    if len(found) <= most:
        return tuple(found)
    first = [here[0] for here in found.values()]
    rest = [c for c in first if not any(_beats(other, c) for other in first)]
    surest = sorted(rest, key=lambda c: (-c.p, c.cost))
    cheapest = sorted(rest, key=lambda c: (c.cost + terms.time_value * c.seconds) / max(c.p, 1e-12))
    turns = dict.fromkeys(c.arm for pair in zip(cheapest, surest, strict=True) for c in pair)
    kept = frozenset(list(turns)[:most])
    return tuple(arm for arm in found if arm in kept)


@cache
def _most(attempts: int) -> int:
    """How many arms can be looked at."""
    most = 1
    while sum((most + 1) ** i for i in range(1, attempts + 1)) <= MOST_PLANS:
        most += 1
    return most


def _beats(one: Candidate, other: Candidate) -> bool:
    """Whether `one`, of the same model, is better in something and worse in nothing."""
    if one.model != other.model or one is other:
        return False
    mine = (-one.p, -one.p_low, one.cost, one.seconds, one.seconds_q90)
    theirs = (-other.p, -other.p_low, other.cost, other.seconds, other.seconds_q90)
    return mine != theirs and all(a <= b for a, b in zip(mine, theirs, strict=True))


def _space(
    arms: tuple[str, ...],
    found: Options,
    able: Mapping[str, Skill],
    failed: tuple[str, ...],
    most: Mapping[str, int],
) -> Space:
    """The arms as parallel tuples; models are numbered anew, those that only failed before come last."""
    number: dict[int, int] = {}
    for arm in (*arms, *(a for a in failed if a in able)):
        number.setdefault(able[arm].model, len(number))
    firsts = [found[arm][0] for arm in arms]
    return Space(
        arms=arms,
        models=tuple([number[able[arm].model] for arm in arms]),
        logits=tuple([able[arm].logit for arm in arms]),
        low=tuple([able[arm].low for arm in arms]),
        cost=tuple([c.cost for c in firsts]),
        time=tuple([c.time for c in firsts]),
        failed=known(failed, {a: (number[able[a].model], able[a].logit) for a in failed if a in able}),
        failed_low=known(failed, {a: (number[able[a].model], able[a].low) for a in failed if a in able}),
        most=tuple([most.get(arm, MAX_ATTEMPTS) for arm in arms]) if most else (),
    )


def _why(best: Choice, terms: Terms) -> tuple[str, str]:
    """What decided, as a fixed word and as a sentence."""
    if not best.deadline_met:
        return "deadline_unmet", f"no plan ends within {terms.deadline:g} s in 9 of 10 cases: the fastest"
    if not best.accuracy_met:
        return "accuracy_unmet", f"no plan reaches P >= {terms.accuracy:g}: the highest P"
    bound = "" if terms.accuracy is None else f" with P >= {terms.accuracy:g}"
    worth = " and time" if terms.time_value else ""
    if terms.failure_cost is not None:
        return "failure_cost", f"least expected cost{worth} with ${terms.failure_cost:g} for a failure{bound}"
    if terms.accuracy is not None:
        return "accuracy", f"least expected cost{worth}{bound}"
    return "cost_per_success", f"least expected cost{worth} per success"


def _closed(gates: tuple[Gate, ...], situation: Situation) -> Infeasible | RateLimited | Unavailable:
    """What to tell the caller where nothing is feasible."""
    arms_shut = {g.arm for g in gates if g.deployment is None}
    places: dict[tuple[str, str], set[str]] = {}
    for g in gates:
        if g.deployment is not None and g.arm not in arms_shut:
            places.setdefault((g.arm, g.deployment), set()).add(g.kind)
    if any(kinds == {"health"} for kinds in places.values()):
        if situation.limited:
            return RateLimited(
                "Every model that could take this step is rate limited.", retry_after=situation.retry_after
            )
        return Unavailable(
            "No deployment that could take this step is healthy right now.", retry_after=situation.retry_after
        )
    return Infeasible(f"No model can take this step. {_told(gates)}.")


def _told(gates: tuple[Gate, ...]) -> str:
    """The reasons, each once for all modes of a model; of arms that may not be used only where there are no others."""
    barred = {g.arm for g in gates if g.kind == "allow-list"}
    reasons: dict[tuple[str, str], str] = {}
    for g in [g for g in gates if g.arm not in barred] or gates:
        place = g.arm.split("/")[0] + (f" at {g.deployment}" if g.deployment else "")
        reasons.setdefault((place, g.kind), g.reason)
    lines = [f"{place}: {kind}: {reason}" for (place, kind), reason in reasons.items()]
    more = f" | and {len(lines) - REASONS} more" if len(lines) > REASONS else ""
    return " | ".join(lines[:REASONS]) + more
