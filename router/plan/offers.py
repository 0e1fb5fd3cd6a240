"""Prices every arm at every deployment for one step, and closes the gates that depend on the moment."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from router.beliefs import Beliefs
from router.beliefs.length import Z90, Length, matched
from router.beliefs.lengths import Asked
from router.beliefs.published import Source, Success
from router.beliefs.speed import Pace
from router.beliefs.success import Successes, believed
from router.catalog import Arm, Catalog, Deployment, Mode, Model, Prices
from router.plan import gates
from router.plan.gates import Ask, Gate
from router.plan.probability import Failure, chance
from router.plan.records import Candidate, Options, Situation
from router.step import Facts, vector
from router.terms import BYTES_PER_TOKEN, Terms

LAST_TURN = 3
"""Turns from here on are of one kind, as far as the answer's length goes."""
REMEMBERED = 16
"""Known failures of one step beyond these, the latest, teach nothing more."""


class Skill(msgspec.Struct, frozen=True):
    """What is believed of one arm's success at one step."""

    logit: float
    low: float
    p: float
    p_low: float
    source: Source
    model: int
    """Index of its model."""


GRID = 32
"""Steps of a logit in which learned abilities are planned with, so that tables serve many steps and many beliefs."""
Shifts = tuple[int, ...]
"""What a step's facts add to each arm's logit, in steps of 1 / GRID; empty where they add nothing."""


def shifts(successes: Successes, step_class: str, facts: Facts) -> Shifts:
    if not successes.reads:
        return ()
    return tuple([round(s * GRID) for s in successes.shifts(step_class, vector(facts), facts.text).tolist()])


@lru_cache(maxsize=1024)
def skills(
    successes: Successes,
    arms: tuple[Arm, ...],
    step_class: str,
    sigma: float,
    tau: float,
    confidence: float,
    failed: tuple[str, ...],
    shifted: Shifts = (),
) -> Mapping[str, Skill]:
    """Arm → its ability and its P(success) as the next attempt after `failed`."""
    kinds = {name: i for i, name in enumerate(sorted({a.model.name for a in arms}))}
    logits, lows, found = {}, {}, believed(successes, step_class, sigma, tau)
    for i, arm in enumerate(arms):
        belief, start = found[arm.name], successes.scores.of(arm.name, step_class, sigma, tau).mu
        steps = round((belief.mu - start) * GRID) + (shifted[i] if shifted else 0)
        mu = start + steps / GRID
        logits[arm.name] = (kinds[arm.model.name], mu)
        lows[arm.name] = (kinds[arm.model.name], _low(mu, belief, confidence, steps != 0))
    before, before_low = known(failed, logits), known(failed, lows)
    return {
        arm.name: Skill(
            logit=logits[arm.name][1],
            low=lows[arm.name][1],
            p=likely(logits[arm.name], before, sigma, tau),
            p_low=likely(lows[arm.name], before_low, sigma, tau),
            source=found[arm.name].source,
            model=kinds[arm.model.name],
        )
        for arm in arms
    }


likely = lru_cache(maxsize=8192)(chance)


def _low(mu: float, belief: Success, confidence: float, learned: bool) -> float:
    """The logit at `confidence`, as far below `mu` as the belief's is below its mean."""
    gap = belief.mu - belief.logit(confidence)
    return mu - (round(gap * GRID) / GRID if learned else gap)


def known(failed: tuple[str, ...], logits: Mapping[str, Failure]) -> tuple[Failure, ...]:
    """The failures that count, in a fixed order; an arm that the catalog no longer has teaches nothing."""
    return tuple(sorted(logits[arm] for arm in failed[-REMEMBERED:] if arm in logits))


class Offer(msgspec.Struct, frozen=True, eq=False):
    """One arm at one deployment for one kind of step: what does not change from step to step."""

    arm: str
    mode: Mode
    model: Model
    deployment: Deployment
    key: str
    prices: Prices
    cached: float
    """USD per million input tokens that the prompt cache holds."""
    window: int


@lru_cache(maxsize=512)
def offers(arms: tuple[Arm, ...], wanted: Ask) -> tuple[tuple[Offer, ...], tuple[Gate, ...]]:
    """All that no standing gate closes on, and the standing gates that are closed."""
    places, closed = gates.standing(arms, wanted)
    return tuple(_offer(arm, d) for arm, d in places), closed


def _offer(arm: Arm, deployment: Deployment) -> Offer:
    prices = deployment.usd
    return Offer(
        arm=arm.name,
        mode=arm.mode,
        model=arm.model,
        deployment=deployment,
        key=f"{arm.model.name}:{deployment.name}",
        prices=prices,
        cached=prices.input if prices.cached_input is None else prices.cached_input,
        window=arm.model.window(deployment),
    )


def roomy(
    possible: tuple[Offer, ...], closed: tuple[Gate, ...], lengths: Mapping[str, Length], max_tokens: int
) -> tuple[tuple[Offer, ...], tuple[Gate, ...]]:
    """Without the arms that would think past `max_tokens`, unless all would: then the caller wants it so."""
    cramped = {arm: length.thought for arm, length in lengths.items() if length.thought >= max_tokens}
    if not cramped or len(cramped) == len(lengths):
        return possible, closed
    why = "thinks for {:,.0f} tokens in every other answer; max_tokens is {}"
    shut = tuple(Gate(arm, None, "output limit", why.format(thought, max_tokens)) for arm, thought in cramped.items())
    return tuple(o for o in possible if o.arm not in cramped), (*closed, *shut)


def asked(facts: Facts, terms: Terms, situation: Situation) -> Asked:
    """What is asked of the lengths."""
    sort = (facts.tools > 0, facts.tool_results > 0, facts.schema, facts.images != (), min(facts.turn, LAST_TURN))
    room = (facts.max_tokens or 0).bit_length()
    return Asked(
        step_class=terms.step_class,
        q50=terms.output_q50,
        q90=terms.output_q90,
        hint=terms.output_hint,
        max_tokens=facts.max_tokens,
        input_tokens=facts.input_bytes / BYTES_PER_TOKEN,
        kind=f"{situation.step}{sort}{room}",
        past=situation.past,
    )


def options(
    facts: Facts,
    terms: Terms,
    beliefs: Beliefs,
    catalog: Catalog,
    situation: Situation,
    able: Mapping[str, Skill],
    question: Asked,
) -> tuple[Options, tuple[Gate, ...]]:
    """What is feasible now, priced, and every gate that is closed."""
    possible, closed = offers(catalog.arms, gates.ask(facts, terms))
    outlook = beliefs.length.about(question)
    lengths = {arm: outlook.of(arm) for arm in dict.fromkeys([o.arm for o in possible])}
    if facts.max_tokens:
        possible, closed = roomy(possible, closed, lengths, facts.max_tokens)
    counts: dict[str, tuple[int, int]] = {}
    found: dict[str, list[Candidate]] = {}
    now: list[Gate] = []
    for offer in possible:
        name = offer.model.name
        if name not in counts:
            counts[name] = beliefs.tokens.count(offer.model, facts)
        length, pace = lengths[offer.arm], beliefs.speed.paces[offer.key]
        candidate = _priced(offer, length, pace, counts[name], facts.n, situation, able[offer.arm])
        if terms.judges:
            candidate = _judged(candidate, terms)
        shut = _moment(offer, length, candidate, terms, situation)
        if shut:
            now += shut
        else:
            found.setdefault(offer.arm, []).append(candidate)
    sorted_options = {
        arm: tuple(sorted(here, key=lambda c: _rank(c, terms)) if len(here) > 1 else here)
        for arm, here in found.items()
    }
    return sorted_options, (*closed, *now) if now else closed


def _rank(candidate: Candidate, terms: Terms) -> tuple[bool, float, float, float, str]:
    """Among deployments of one arm: on time first, then the objective, the expected finish, the load."""
    late = terms.deadline_asked and candidate.seconds_q90 > terms.deadline
    value = candidate.cost + terms.time_value * candidate.seconds
    return late, value, candidate.seconds, candidate.load, candidate.deployment.name


def _priced(
    offer: Offer, length: Length, pace: Pace, tokens: tuple[int, int], n: int, situation: Situation, skill: Skill
) -> Candidate:
    (counted, corrected), prices = tokens, offer.prices
    busy, room = situation.inflight.get(offer.key, 0), offer.deployment.concurrency
    held = min(situation.warm.get(offer.model.name, 0), corrected)
    first, speed, time = pace.answer(length, corrected - held, busy, room)
    paid = (corrected - held) * prices.input + held * offer.cached
    return Candidate(
        arm=offer.arm,
        model=offer.model.name,
        mode=offer.mode,
        deployment=offer.deployment,
        p=skill.p,
        p_low=skill.p_low,
        evidence=skill.source,
        cost=(paid + n * length.mean * prices.output) * 1e-6,
        cost_q90=(paid + n * length.q90 * prices.output) * 1e-6,
        seconds=time.mean,
        seconds_q90=time.quantile(Z90),
        time=time,
        first_token_s=first,
        tokens_per_s=speed,
        input_tokens=corrected,
        input_counted=counted,
        output_q50=n * length.q50,
        output_q90=n * length.q90,
        output_mean=n * length.mean,
        reasoning_mean=n * length.reasoning,
        load=busy / room,
        warm_usd=held * (prices.input - offer.cached) * 1e-6,
        warm_s=held * pace.read_s,
    )


def _judged(candidate: Candidate, terms: Terms) -> Candidate:
    """With what judging the answer takes: all judges, since those after a rejection are spared only seldom."""
    usd, seconds = sum(j.cost for _, j in terms.judges), sum(j.seconds for _, j in terms.judges)
    time = matched(candidate.time.mean + seconds, candidate.time.variance)
    return msgspec.structs.replace(
        candidate,
        cost=candidate.cost + usd,
        cost_q90=candidate.cost_q90 + usd,
        seconds=time.mean,
        seconds_q90=time.quantile(Z90),
        time=time,
        judge_usd=usd,
        judge_s=seconds,
    )


def _moment(offer: Offer, length: Length, candidate: Candidate, terms: Terms, situation: Situation) -> list[Gate]:
    """The gates of the moment that are closed on a candidate."""
    shut: list[Gate] = []

    def close(kind: gates.Kind, reason: str | None) -> None:
        if reason is not None:
            shut.append(Gate(candidate.arm, candidate.deployment.name, kind, reason))

    close("context", gates.context(candidate.input_tokens, length, offer.window))
    close("price cap", gates.price(candidate.cost, terms.max_cost))
    if offer.key in situation.unhealthy:
        close("health", "it is left alone after faults, slow answers or a rate limit")
    if terms.deadline_asked:
        close("deadline", gates.deadline(candidate.time.quantile(-Z90), terms.deadline))
    return shut
