"""The hard gates: what keeps an arm, or one of its deployments, from a step, with a reason in words and numbers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

import msgspec

from router.beliefs.length import Length
from router.beliefs.tokens import SAFETY
from router.catalog import Arm, Deployment, Model
from router.step import Facts
from router.terms import Terms

Kind = Literal[
    "modality",
    "context",
    "output limit",
    "feature",
    "license",
    "runtime",
    "region",
    "thinking",
    "language",
    "allow-list",
    "deployment",
    "health",
    "price cap",
    "deadline",
]


class Gate(msgspec.Struct, frozen=True):
    """One closed gate."""

    arm: str
    deployment: str | None
    """None where it closes on the arm as a whole."""
    kind: Kind
    reason: str


class Ask(msgspec.Struct, frozen=True):
    """What of a step and its terms closes gates whatever the moment: hashable, so that the answer can be cached."""

    images: int
    features: frozenset[str]
    """Of tools, schema, logprobs."""
    thinking: tuple[frozenset[str], ...]
    licenses: tuple[frozenset[str], ...]
    models: tuple[frozenset[str], ...]
    runtimes: tuple[frozenset[str], ...]
    regions: frozenset[str] | None
    language: frozenset[str]


_FEATURES = {
    (tools, schema, logprobs): frozenset(
        name for name, on in (("tools", tools), ("schema", schema), ("logprobs", logprobs)) if on
    )
    for tools in (False, True)
    for schema in (False, True)
    for logprobs in (False, True)
}


def ask(facts: Facts, terms: Terms) -> Ask:
    """A thinking mode that the request itself sets pins the mode, as the terms' sets do."""
    return Ask(
        images=len(facts.images),
        features=_FEATURES[facts.tools > 0, facts.schema, facts.logprobs],
        thinking=(*terms.thinking, frozenset((facts.thinking,))) if facts.thinking else terms.thinking,
        licenses=terms.license,
        models=terms.models,
        runtimes=terms.runtimes,
        regions=terms.regions,
        language=terms.language,
    )


Place = tuple[Arm, Deployment]


@lru_cache(maxsize=512)
def standing(arms: tuple[Arm, ...], wanted: Ask) -> tuple[tuple[Place, ...], tuple[Gate, ...]]:
    """The arms and deployments that no standing gate closes on, by model and mode, and the gates that are closed."""
    places: list[Place] = []
    gates: list[Gate] = []
    for arm in sorted(arms, key=lambda a: (a.model.name, a.mode)):
        closed = [Gate(arm.name, None, kind, reason) for kind, reason in _arm(arm, wanted)]
        gates += closed
        for deployment in arm.deployments if not closed else ():
            here = [Gate(arm.name, deployment.name, kind, reason) for kind, reason in _deployment(deployment, wanted)]
            gates += here
            if not here:
                places.append((arm, deployment))
    return tuple(places), tuple(gates)


def _arm(arm: Arm, wanted: Ask) -> Iterable[tuple[Kind, str]]:
    model = arm.model
    if wanted.images and "image" not in model.modalities:
        yield "modality", f"takes {_names(model.modalities)} only; the step has {wanted.images} image(s)"
    for needs in wanted.licenses:
        if reason := model.license.lacks(needs):
            yield "license", reason
    for allowed in wanted.models:
        if not allowed & {arm.name, model.name}:
            yield "allow-list", f"not among the models allowed: {_names(allowed)}"
    for modes in wanted.thinking:
        if not _thinks(arm, modes):
            yield "thinking", f"mode {arm.mode}; the step asks for {_names(modes)}"
    if missing := _missing(model, wanted.language):
        yield "language", f"not known to speak {_names(missing)}"
    if not arm.deployments:
        yield "deployment", "no deployment serves this mode"


def _deployment(deployment: Deployment, wanted: Ask) -> Iterable[tuple[Kind, str]]:
    if missing := wanted.features - deployment.supports:
        yield "feature", f"does not support {_names(missing)}"
    for runtimes in wanted.runtimes:
        if deployment.runtime not in runtimes:
            yield "runtime", f"runs on {deployment.runtime}; the step asks for {_names(runtimes)}"
    if wanted.regions is not None and not wanted.regions & deployment.regions:
        where = _names(deployment.regions) if deployment.regions else "no stated region"
        yield "region", f"in {where}; the policy asks for {_names(wanted.regions)}"


def _thinks(arm: Arm, modes: frozenset[str]) -> bool:
    """Whether the arm's mode is one of `modes`. A model without a low effort thinks in full where low is asked for."""
    return arm.mode in modes or ("low" in modes and arm.mode == "on" and "low" not in arm.model.thinking)


def _missing(model: Model, languages: frozenset[str]) -> frozenset[str]:
    """The languages, by primary subtag, that a model with a list of languages does not list."""
    if not isinstance(model.languages, frozenset):
        return frozenset()
    known = {code.split("-")[0].lower() for code in model.languages}
    return frozenset(code for code in languages if code.split("-")[0].lower() not in known)


def context(input_tokens: int, length: Length, window: int) -> str | None:
    """Why the window cannot hold the input, with a margin on its count, and the answer's q90; None if it can."""
    if input_tokens * SAFETY + length.q90 <= window:
        return None
    return (
        f"about {input_tokens:,} input tokens (+{SAFETY - 1:.0%} margin) and up to {length.q90:,.0f} of output (q90) "
        f"do not fit into {window:,}"
    )


def price(cost: float, cap: float | None) -> str | None:
    if cap is None or cost <= cap:
        return None
    return (
        f"one attempt costs about ${cost:.6f}; the cap is ${cap:.6f}, by policy, hints, run, or what the key has left"
    )


def deadline(fastest: float, limit: float) -> str | None:
    """`fastest`: seconds of the answer at its q10 time."""
    if fastest <= limit:
        return None
    return f"takes at least {fastest:.1f} s; the deadline is {limit:.1f} s"


def _names(items: Iterable[str]) -> str:
    return ", ".join(sorted(items))
