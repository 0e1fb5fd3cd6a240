"""The catalog that a trace is replayed on: the arms that it names, with what is known of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import get_args

import msgspec

from router.catalog import Band, Catalog, Context, Deployment, License, Mode, Model, Prices, ThinkingMode, Tokens
from router.errors import ConfigError
from router.learning.features import BYTES_PER_TOKEN
from router.learning.trace import Step

COUNTED = Tokens(latin=BYTES_PER_TOKEN, code=BYTES_PER_TOKEN, other=BYTES_PER_TOKEN)
"""A trace says how many tokens an input has, so all models count alike."""
MODES: tuple[Mode, ...] = get_args(Mode)
UNKNOWN_SPEED = 150.0
"""Tokens per second of a model that nothing is known of yet."""


class Tariff(msgspec.Struct, frozen=True):
    """What a model that the catalog does not serve costs and how fast it is."""

    prices: Prices = Prices(input=0, output=0)
    tokens_per_s: float = UNKNOWN_SPEED


class Scene(msgspec.Struct, frozen=True):
    catalog: Catalog
    names: Mapping[str, str]
    """Name in the trace → arm of the catalog."""
    priced: frozenset[str]
    """Models whose prices and speeds the trace has to tell."""

    def with_tariffs(self, tariffs: Mapping[str, Tariff]) -> Scene:
        """`tariffs`: by model, of those in `priced`."""
        models = {n: _at(m, tariffs[n]) if n in tariffs else m for n, m in self.catalog.models.items()}
        return Scene(_copy(self.catalog, models=models), self.names, self.priced)


def scene(trace: Iterable[Step], catalog: Catalog, falls_in: Mapping[str, str]) -> Scene:
    """The scene of a trace.

    `falls_in`: class of the trace → class of the policy, whose benchmark stands for it where the catalog has none of
    its own. Raises ConfigError where two names of the trace mean one arm.
    """
    names: dict[str, str] = {}
    modes: dict[str, list[Mode]] = {}
    for name in sorted({name for step in trace for name in step.arms}):
        model, mode = _named(name, catalog)
        arm = f"{model}/{mode}"
        if (twin := next((n for n, a in names.items() if a == arm), None)) is not None:
            raise ConfigError("trace", None, f"{twin!r} and {name!r} both mean the arm {arm}")
        names[name] = arm
        modes.setdefault(model, []).append(mode)
    models, priced = {}, set()
    for name, own in modes.items():
        known = catalog.models.get(name)
        models[name] = _strange(name, own) if known is None else _narrowed(known, own)
        if known is None or not all(any(m in d.thinking for d in models[name].deployments) for m in own):
            priced.add(name)
            models[name] = _at(models[name], Tariff())
    classes = {c: catalog.classes[p] for c, p in falls_in.items() if p in catalog.classes}
    return Scene(_copy(catalog, models=models, classes={**classes, **catalog.classes}), names, frozenset(priced))


def _named(name: str, catalog: Catalog) -> tuple[str, Mode]:
    """The model and mode that a trace means by `name`.

    A model of the catalog without a mode means the mode that a score was measured in, else its first.
    """
    if (arm := catalog.arm.get(name)) is not None:
        return arm.model.name, arm.mode
    if (model := catalog.models.get(name)) is not None:
        return name, model.scores[0].mode if model.scores else next(iter(model.thinking))
    start, _, end = name.rpartition("/")
    mode = next((m for m in MODES if m == end), None)
    return (start, mode) if start and mode is not None else (name, "off")


def _narrowed(model: Model, modes: list[Mode]) -> Model:
    """The model with these modes alone; a deployment serves those that it served before."""
    served = tuple(
        d.model_copy(update={"thinking": {m: d.thinking.get(m, {}) for m in modes if _serves(model, d, m)}})
        for d in model.deployments
    )
    thinking = {m: model.thinking[m] for m in modes}
    deployments = tuple(d for d in served if d.thinking)
    return model.model_copy(update={"thinking": thinking, "deployments": deployments, "tokens": COUNTED})


def _serves(model: Model, deployment: Deployment, mode: Mode) -> bool:
    return mode in deployment.thinking or len(model.thinking) == 1


def _strange(name: str, modes: list[Mode]) -> Model:
    """A model that the catalog does not have: no gate of its own but the licence, which nobody knows."""
    return Model(
        name=name,
        family=name,
        maker="",
        license=License(name="unknown", permits=frozenset()),
        modalities=frozenset({"text", "image"}),
        context=Context(native=1_000_000_000),
        thinking={mode: ThinkingMode() for mode in modes},
        speed=Band(tokens_per_s=UNKNOWN_SPEED),
        tokens=COUNTED,
    )


def _at(model: Model, tariff: Tariff) -> Model:
    """The model at one deployment of these prices and speed."""
    place = Deployment(
        name="trace",
        model=model.name,
        litellm_provider="trace",
        prices=tariff.prices,
        runtime=next(iter(model.runtimes)),
        thinking={mode: {} for mode in model.thinking},
    )
    # Seconds go by length alone: a trace does not tell the first token's time from the rest.
    speed = Band(tokens_per_s=tariff.tokens_per_s / model.runtimes[place.runtime], first_token_s=1e-3)
    return model.model_copy(update={"deployments": (place,), "speed": speed, "runtimes_64k": {}})


def _copy(catalog: Catalog, **changes: object) -> Catalog:
    """A catalog of its own: a copy would keep the arms that it has worked out before."""
    return Catalog.model_construct(**{**dict(catalog), **changes})
