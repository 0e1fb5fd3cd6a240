"""What the models are: facts, scores with their sources, and the deployments that serve them.

`policies/models.yaml` is read into these frozen types once; nothing here knows of requests.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from router import yaml_file
from router.deployment import NAME, NOT_A_NAME
from router.deployment import Deployment as Deployment
from router.deployment import Feature as Feature
from router.deployment import Mode as Mode
from router.deployment import Prices as Prices
from router.deployment import SelfHosted as SelfHosted
from router.embedder import Embedder
from router.license import License as License
from router.yaml_file import Misplaced, Strict

Modality = Literal["text", "image"]


def _named(value: dict[str, Any]) -> dict[str, Any]:
    for name in value:
        if not NAME.match(name):
            raise Misplaced((name,), f"{name!r} {NOT_A_NAME}")
    return value


class Context(Strict):
    native: int = Field(gt=0)
    """Tokens, input and output together."""
    extended: int | None = Field(default=None, gt=0)
    """Tokens that a deployment marked `extended: true` serves."""

    @model_validator(mode="after")
    def _longer(self) -> Context:
        if self.extended is not None and self.extended <= self.native:
            raise Misplaced(("extended",), "must be above native")
        return self


class Score(Strict):
    """One published benchmark result."""

    benchmark: str
    percent: float = Field(gt=0, lt=100)
    mode: Mode
    """The thinking mode it was measured in."""
    source: str
    date: dt.date
    confirmed: bool = True
    """False for a vendor's or third party's number that nobody independent has reproduced: counts half."""
    note: str = ""


class ThinkingMode(Strict):
    logit_offset: float = Field(default=0.0, ge=-5, le=5)
    """Added to the ability measured in another mode, where this mode has no score of its own."""
    reasoning_tokens: float = Field(default=0.0, ge=0)
    """Median reasoning tokens of one answer, before anything is learned."""


class Band(Strict):
    """Speed prior at ordinary lengths and at the longest band (64k output tokens)."""

    tokens_per_s: float = Field(gt=0)
    tokens_per_s_64k: float | None = Field(default=None, gt=0)
    first_token_s: float = Field(default=0.5, gt=0)
    estimated: bool = False
    """True where nobody published a speed and this one is worked out from others."""
    source: str = ""


class Tokens(Strict):
    """UTF-8 bytes per token by script, for counting before the upstream says."""

    latin: float = Field(default=4.2, gt=0)
    code: float = Field(default=3.3, gt=0)
    other: float = Field(default=3.0, gt=0)
    """Scripts of three bytes a character, such as Chinese."""


Factor = Annotated[float, Field(gt=0)]


class Model(Strict):
    name: str = ""
    """Set from its key in the file."""
    family: str
    maker: str
    parameters_b: float | None = Field(default=None, gt=0)
    active_b: float | None = Field(default=None, gt=0)
    license: License
    modalities: frozenset[Modality] = frozenset({"text"})
    context: Context
    languages: frozenset[str] | int | None = None
    """Codes, or how many where the list is long (then no language is gated), or unknown."""
    thinking: dict[Mode, ThinkingMode] = Field(default={"off": ThinkingMode()}, min_length=1)
    hosting_floor: str = ""
    """The least hardware that serves it, in words; empty where unknown."""
    speed: Band
    runtimes: dict[str, Factor] = {"cuda": 1.0}
    """Factor on `speed` by runtime tag."""
    runtimes_64k: dict[str, Factor] = {}
    """A further factor at 64k output tokens, by runtime tag; 1 where not given."""
    scores: tuple[Score, ...] = ()
    tokens: Tokens = Tokens()
    deployments: tuple[Deployment, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Model:
        seen: set[str] = set()
        for i, d in enumerate(self.deployments):
            here = ("deployments", i)
            if d.name in seen:
                raise Misplaced((*here, "name"), f"two deployments are called {d.name!r}")
            seen.add(d.name)
            if d.runtime not in self.runtimes:
                raise Misplaced((*here, "runtime"), f"{d.runtime!r} is not one of {sorted(self.runtimes)}")
            if d.extended and self.context.extended is None:
                raise Misplaced((*here, "extended"), "the model has no extended context")
            if unknown := set(d.thinking) - set(self.thinking):
                raise Misplaced((*here, "thinking"), f"unknown thinking modes {sorted(unknown)}")
        for i, s in enumerate(self.scores):
            if s.mode not in self.thinking:
                raise Misplaced(("scores", i, "mode"), f"{s.mode!r} is not a thinking mode of the model")
            if any((s.benchmark, s.mode) == (t.benchmark, t.mode) for t in self.scores[:i]):
                raise Misplaced(("scores", i), f"a second score for {s.benchmark!r} in mode {s.mode!r}")
        if unknown_tags := set(self.runtimes_64k) - set(self.runtimes):
            raise Misplaced(("runtimes_64k", min(unknown_tags)), "is not one of the model's runtimes")
        return self

    def window(self, deployment: Deployment) -> int:
        """Tokens of context that `deployment` serves."""
        full = self.context.extended if deployment.extended and self.context.extended else self.context.native
        return min(full, deployment.context or full)

    def tokens_per_s(self, deployment: Deployment) -> tuple[float, float]:
        """Output tokens per second that `deployment` is expected to reach: at ordinary lengths, and at 64k tokens."""
        factor = self.runtimes[deployment.runtime]
        far = self.speed.tokens_per_s_64k or self.speed.tokens_per_s
        return self.speed.tokens_per_s * factor, far * factor * self.runtimes_64k.get(deployment.runtime, 1.0)

    def score(self, benchmark: str) -> Score | None:
        return next((s for s in self.scores if s.benchmark == benchmark), None)


class Arm:
    """A model in one thinking mode: what the planner chooses between. Compared by name."""

    __slots__ = ("deployments", "mode", "model", "name")

    def __init__(self, model: Model, mode: Mode) -> None:
        self.model = model
        self.mode = mode
        self.name = f"{model.name}/{mode}"
        # A model with one mode needs no parameter to select it.
        self.deployments = tuple(d for d in model.deployments if mode in d.thinking or len(model.thinking) == 1)

    def __repr__(self) -> str:
        return f"Arm({self.name})"


class UnknownPrior(Strict):
    """What is believed of a model on a class for which it has no score."""

    p: float = Field(default=0.5, gt=0, lt=1)
    strength: float = Field(default=2.0, gt=0)


class Benchmark(Strict):
    title: str
    measures: str
    """What one unit of the score is: a whole task, a question."""
    unknown: UnknownPrior | None = None
    """Of a model without a score here, where the catalog's `unknown` does not fit this benchmark."""


class Catalog(Strict):
    version: Literal[1] = 1
    benchmarks: dict[str, Benchmark] = {}
    classes: dict[str, str] = {}
    """Step class → the benchmark that stands for it. A proxy: most score whole tasks, not steps."""
    prior_strength: float = Field(default=15.0, gt=0)
    """Pseudo-observations that one confirmed score is worth."""
    unscored_mode_strength: float = Field(default=4.0, gt=0)
    """The same for a mode that only has its sibling's score and an offset."""
    unknown: UnknownPrior = UnknownPrior()
    models: dict[str, Model]
    embeddings: dict[str, Embedder] = {}
    """Models for `/v1/embeddings`; the first is what `auto` means there."""

    @field_validator("models", "benchmarks", "classes", "embeddings")
    @classmethod
    def _names(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _named(value)

    @model_validator(mode="before")
    @classmethod
    def _name_models(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        named = dict(data)
        for kind in ("models", "embeddings"):
            if isinstance(entries := data.get(kind), dict):
                named[kind] = {k: {**v, "name": k} if isinstance(v, dict) else v for k, v in entries.items()}
        return named

    @model_validator(mode="after")
    def _known(self) -> Catalog:
        for step_class, benchmark in self.classes.items():
            if benchmark not in self.benchmarks:
                raise Misplaced(("classes", step_class), f"unknown benchmark {benchmark!r}")
        for model in self.models.values():
            if model.name == "auto":
                raise Misplaced(("models", "auto"), "is the name by which callers leave the choice to the router")
            for i, score in enumerate(model.scores):
                if score.benchmark not in self.benchmarks:
                    where = ("models", model.name, "scores", i, "benchmark")
                    raise Misplaced(where, f"unknown benchmark {score.benchmark!r}")
        if not self.models:
            raise Misplaced(("models",), "name at least one")
        names: set[str] = {"auto", *self.models}
        for embedder in self.embeddings.values():
            if taken := names & {embedder.name, *embedder.aliases}:
                raise Misplaced(("embeddings", embedder.name), f"{min(taken)!r} is another model's name already")
            names |= {embedder.name, *embedder.aliases}
        return self

    @property
    def places(self) -> Iterator[tuple[str, Deployment]]:
        """Every deployment, under the name of its model."""
        for model in self.models.values():
            yield from ((model.name, d) for d in model.deployments)
        for embedder in self.embeddings.values():
            yield from ((embedder.name, d) for d in embedder.deployments)

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Every model in each of its modes, in the file's order."""
        return tuple(Arm(model, mode) for model in self.models.values() for mode in model.thinking)

    @cached_property
    def arm(self) -> dict[str, Arm]:
        return {arm.name: arm for arm in self.arms}


def load(path: Path) -> Catalog:
    """The catalog at `path`. Raises ConfigError with file, line and reason."""
    return yaml_file.read(path, Catalog)


def usable(catalog: Catalog, environment: Mapping[str, str]) -> tuple[Catalog, dict[str, str]]:
    """The catalog without the deployments whose key `environment` lacks, and those (`model:deployment` → variable)."""
    missing = {
        f"{name}:{d.name}": d.api_key_env
        for name, d in catalog.places
        if d.api_key_env is not None and not environment.get(d.api_key_env)
    }
    if not missing:
        return catalog, missing
    rest = {
        kind: {
            name: type(model).model_construct(
                **{
                    **dict(model),
                    "deployments": tuple(d for d in model.deployments if f"{name}:{d.name}" not in missing),
                }
            )
            for name, model in entries.items()
        }
        for kind, entries in (("models", catalog.models), ("embeddings", catalog.embeddings))
    }
    return Catalog.model_construct(**{**dict(catalog), **rest}), missing
