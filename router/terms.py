"""The terms of one step: what policy and hints together ask of it, after which nobody looks at either again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import prod
from typing import Any, Literal, NamedTuple

import msgspec

from router.catalog import Catalog
from router.errors import BudgetExhausted, NotFound
from router.hints import NONE, Hints
from router.judges import Judge
from router.policy import Exploration, Match, Policy, Rates, StepClass
from router.step import Facts


class Terms(msgspec.Struct, frozen=True):
    """Everything that `plan` needs to know of the wish behind a step."""

    policy: str
    step_class: str
    accuracy: float | None = None
    """Required P(success), or None where cost per success alone decides."""
    failure_cost: float | None = None
    """USD lost by a wrong result."""
    time_value: float = 0.0
    """USD that a second is worth."""
    confidence: float = 0.5
    max_attempts: int = 1
    """1 + retries left, after the run's own budget."""
    verify: Literal["none", "caller", "checks"] = "none"
    checks: tuple[str, ...] = ()
    """The checks that run on each answer."""
    judges: tuple[tuple[str, Judge], ...] = ()
    """Those of the checks that are calls of a user's own judge, in order, and where these are."""
    t: float = 1.0
    """P(a right answer is accepted) by the whole check set."""
    f: float = 1.0
    """P(a wrong answer is accepted) by the whole check set; 1 without verification."""
    sigma: float = 1.5
    tau: float = 1.0
    deadline: float = 600.0
    """Seconds left for all attempts together."""
    deadline_asked: bool = False
    """Whether the caller or the policy asked for it, or it is only the default."""
    max_cost: float | None = None
    """USD left for all attempts together."""
    license: tuple[frozenset[str], ...] = ()
    """Each holds SPDX ids of which one must be the model's, and needs that all must be granted; each must hold."""
    models: tuple[frozenset[str], ...] = ()
    """Allow-lists of models or arms; each must hold."""
    runtimes: tuple[frozenset[str], ...] = ()
    regions: frozenset[str] | None = None
    thinking: tuple[frozenset[str], ...] = ()
    """Sets of modes; each must hold."""
    language: frozenset[str] = frozenset()
    hold: Literal["never", "auto", "always"] = "never"
    output_q50: float = 400.0
    """Visible output tokens expected of the class."""
    output_q90: float = 1600.0
    output_hint: int | None = None
    """The caller's own expectation of the answer's length in tokens."""
    affinity: float = 1.0
    """How many times over a switch inside a tool loop has to gain what the warm cache saves; 0: it need not."""
    words: bool = False
    exploration: Exploration | None = None
    """None: nothing is drawn; so where the caller names a model or sets a limit of its own."""


class Target(msgspec.Struct, frozen=True):
    """What a caller's model name means."""

    policy: Policy
    pin: frozenset[str] | None = None
    """The one model or arm that was named, or None for `auto`."""


def target(name: str, policies: Mapping[str, Policy], default: str, catalog: Catalog) -> Target:
    """`auto`, `auto:<policy>`, a model or an arm, or an alias, in this order: a pattern such as `gpt-*` hides no model.

    Raises NotFound with what there is.
    """
    policy = policies[default]
    if name == "auto":
        return Target(policy)
    if name.startswith("auto:"):
        if (asked := name[5:]) in policies:
            return Target(policies[asked])
        raise NotFound(
            f"There is no policy {asked[:64]!r}. Policies are: {', '.join(policies)}.",
            param="model",
            code="policy_not_found",
        )
    if name in catalog.models or name in catalog.arm:
        return Target(policy, frozenset((name,)))
    if policy.is_alias(name):
        return Target(policy)
    known = ", ".join(("auto", *catalog.models))
    raise NotFound(
        f"The model {name[:128]!r} does not exist. Models are: {known}.", param="model", code="model_not_found"
    )


BYTES_PER_TOKEN = 4.0
"""Rough, for sorting steps into classes; the planner counts better."""


def classify(policy: Policy, facts: Facts, hints: Hints) -> StepClass:
    """The class that the caller named, else the first whose rules hold; the last takes the rest."""
    if hints.step is not None and (named := policy.by_name.get(hints.step)) is not None:
        return named
    return next(
        (c for c in policy.classes if c.match is not None and _holds(c.match, facts, hints)), policy.classes[-1]
    )


_THINKS = frozenset({"on", "low"})
_RULES: dict[str, Callable[[Any, Facts, Hints], bool]] = {
    "step": lambda names, facts, hints: hints.step in names,
    "tools": lambda wanted, facts, hints: wanted == (facts.tools > 0),
    "schema_": lambda wanted, facts, hints: wanted == facts.schema,
    "image": lambda wanted, facts, hints: wanted == bool(facts.images),
    "min_input_tokens": lambda least, facts, hints: facts.input_bytes / BYTES_PER_TOKEN >= least,
    "min_output_tokens": lambda least, facts, hints: (hints.output_tokens or facts.max_tokens or 0) >= least,
    "min_code": lambda least, facts, hints: facts.code >= least,
    "min_non_latin": lambda least, facts, hints: facts.non_latin >= least,
    "thinking": lambda wanted, facts, hints: wanted != _THINKS.isdisjoint((facts.thinking, *hints.thinking)),
}
"""How each rule of a policy's `match` is looked at."""


def _holds(match: Match, facts: Facts, hints: Hints) -> bool:
    for name, value in match.given:
        if not _RULES[name](value, facts, hints):
            return False
    return bool(match.given)


def applicable(names: frozenset[str], *, tools: bool, schema: bool) -> tuple[str, ...]:
    """The checks among `names` that have something to judge, sorted: tools need an offer, schemas a wish."""
    skip = {name for name, there in (("tools", tools), ("schema", schema)) if not there}
    return tuple(sorted(names - skip))


def resolve(
    wanted: Target,
    facts: Facts,
    hints: Hints,
    *,
    streamed: bool = False,
    failed: int = 0,
    run_retries: int = 0,
    run_cost: float = 0.0,
) -> Terms:
    """Policy, class and hints as one set of terms.

    `failed` counts the answers to this step that the caller already refused, `run_retries` and `run_cost` what the run
    has used. Raises BudgetExhausted where the run may not spend any more.
    """
    step_class = classify(wanted.policy, facts, hints)
    if hints is not NONE:  # who the step is has no bearing, and would make every request a case of its own
        hints = msgspec.structs.replace(hints, step=None, step_id=None, run_id=None, attempt=None)
    used = run_retries if hints.run_retries is not None else 0
    spent = run_cost if hints.run_max_cost is not None else 0.0
    shape = _Shape(facts.tools > 0, facts.schema, streamed, facts.max_tokens is not None)
    return _resolve(wanted.policy, wanted.pin, step_class.name, hints, shape, failed, used, spent)


class _Shape(NamedTuple):
    """What of a request, beside its class, bears on its terms."""

    tools: bool
    schema: bool
    streamed: bool
    limited: bool
    """Whether the caller set `max_tokens`: an answer cut off there is as long as it was asked to be."""


@lru_cache(maxsize=2048)
def _resolve(
    policy: Policy,
    pin: frozenset[str] | None,
    class_name: str,
    hints: Hints,
    shape: _Shape,
    failed: int,
    run_retries: int,
    run_cost: float,
) -> Terms:
    """The same few combinations come up in every request, so they are worked out once."""
    step_class = policy.by_name[class_name]
    retries = next(r for r in (hints.retries, step_class.retries, policy.retries) if r is not None)
    verify, checks, rates = _verification(policy, step_class, hints, shape)
    hold = policy.hold if hints.hold is None else ("always" if hints.hold else "never")
    terms = Terms(
        policy=policy.name,
        step_class=step_class.name,
        accuracy=_said("accuracy", policy, step_class, hints),
        failure_cost=_said("failure_cost", policy, step_class, hints),
        time_value=_said("time_value", policy, step_class, hints) or 0.0,
        confidence=policy.objective.confidence,
        max_attempts=1 + _retries_left(retries, hints, failed, run_retries),
        verify=verify,
        checks=checks,
        judges=tuple((n, policy.judges[n]) for n in checks if n in policy.judges) if verify == "checks" else (),
        t=rates.t,
        f=rates.f,
        sigma=step_class.sigma,
        tau=step_class.tau,
        hold=hold if shape.streamed else "never",
        output_q50=step_class.output.q50,
        output_q90=step_class.output.q90,
        output_hint=hints.output_tokens,
        affinity=policy.affinity,
        words=policy.reads(step_class),
        exploration=None if pin is not None or hints.constrains else policy.explores(step_class),
    )
    return _narrowed(terms, policy, pin, hints, run_cost)


def _said(name: str, policy: Policy, step_class: StepClass, hints: Hints) -> float | None:
    """A preference: the caller's number, what `prefer` stands for, the class's, the policy's."""
    preference = policy.prefer.get(hints.prefer) if hints.prefer else None
    values = [getattr(source, name, None) for source in (hints, preference, step_class, policy.objective)]
    return next((value for value in values if value is not None), None)


def _narrowed(terms: Terms, policy: Policy, pin: frozenset[str] | None, hints: Hints, run_cost: float) -> Terms:
    """With the constraints of all: the policy's, the model that was named, the caller's."""
    limits, modes = policy.constraints, [frozenset((mode,)) for mode in sorted(hints.thinking)]
    return msgspec.structs.replace(
        terms,
        deadline=min(d for d in (hints.deadline, limits.deadline, policy.deadline) if d is not None),
        deadline_asked=hints.deadline is not None or limits.deadline is not None,
        max_cost=_cap(limits.max_cost, hints, run_cost),
        license=tuple(names for names in (limits.license, *hints.license) if names),
        models=tuple(m for m in (limits.models, pin, *hints.models) if m is not None),
        runtimes=tuple(r for r in (limits.runtime, *hints.runtime) if r is not None),
        regions=limits.regions,
        thinking=tuple(t for t in (policy.thinking, *modes) if t is not None),
        language=hints.language,
    )


def _retries_left(retries: int, hints: Hints, failed: int, run_retries: int) -> int:
    """Attempts that may follow this one: of the step's own, and of the run's."""
    left = max(0, retries - failed)
    if hints.run_retries is None:
        return left
    if failed and run_retries >= hints.run_retries:
        raise BudgetExhausted(
            f"The run has used its {hints.run_retries} retries, and this is another. Raise run_retries or end it.",
            param="run_retries",
            code="run_budget_exhausted",
        )
    # A step that is asked for again is a retry itself, before any that follow.
    return min(left, max(0, hints.run_retries - run_retries - (failed > 0)))


def _cap(limit: float | None, hints: Hints, run_cost: float) -> float | None:
    """USD that this step may spend, or None."""
    caps = [c for c in (limit, hints.max_cost) if c is not None]
    if hints.run_max_cost is not None:
        if run_cost >= hints.run_max_cost:
            raise BudgetExhausted(
                f"The run has spent ${run_cost:.6f} of its ${hints.run_max_cost:g}. Raise run_max_cost or end the run.",
                param="run_max_cost",
                code="run_budget_exhausted",
            )
        caps.append(hints.run_max_cost - run_cost)
    return min(caps, default=None)


def _verification(
    policy: Policy, step_class: StepClass, hints: Hints, shape: _Shape
) -> tuple[Literal["none", "caller", "checks"], tuple[str, ...], Rates]:
    """Who judges, which checks run, and how far the set can be believed.

    t multiplies over the set (each check may refuse a right answer); f is that of the keenest check, since format
    checks tend to miss the same wrong answers.
    """
    verify = next(v for v in (hints.verify, step_class.verify, policy.verify) if v is not None)
    known = {**policy.rates, **step_class.rates}
    if verify == "caller":
        return "caller", (), known.get("caller", Rates(t=1.0, f=0.0))
    if verify == "none":
        return "none", (), Rates(t=1.0, f=1.0)
    assert not isinstance(verify, str)
    names = frozenset(verify)
    if shape.limited and hints.verify is None:
        names -= {"length"}  # unless it is asked for by name: a second try would be cut off just the same
    checks = applicable(names, tools=shape.tools, schema=shape.schema)
    held = policy.hold != "never" if hints.hold is None else hints.hold
    if not checks or (shape.streamed and not held):
        return "none", checks, Rates(t=1.0, f=1.0)
    rates = [known.get(name, Rates()) for name in checks]
    return "checks", checks, Rates(t=prod(r.t for r in rates), f=min(r.f for r in rates))
