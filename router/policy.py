"""What a person decides: objective, step classes, checks, constraints, aliases.

`policies/<name>.yaml` is read into these frozen types as a whole, or refused with line and reason.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Set
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from router import yaml_file
from router.catalog import Mode
from router.errors import ConfigError
from router.judges import BUILT_IN, MAX_JUDGES, RESERVED, Judge
from router.yaml_file import Misplaced, Strict

POLICY_NAME = re.compile(r"^[a-z0-9_-]{1,64}\Z")
CHECK_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}\Z")
Verify = frozenset[str] | Literal["none", "caller"]
"""Who judges: nobody, the caller, or checks, of which some may be judges of the policy."""
Prefer = Literal["cost", "speed", "accuracy"]
MAX_ATTEMPTS = 4
MAX_CLASSES = 20


class Rates(Strict):
    """How far a check can be believed."""

    t: float = Field(default=1.0, gt=0, le=1)
    """Probability that it accepts a right answer."""
    f: float = Field(default=0.95, ge=0, le=1)
    """Probability that it accepts a wrong one."""


class Objective(Strict):
    """Minimise cost + time_value * time + failure_cost * (1 - P), where P reaches `accuracy`."""

    accuracy: float | None = Field(default=None, gt=0, lt=1)
    failure_cost: float | None = Field(default=None, ge=0)
    """USD lost by a wrong result."""
    time_value: float = Field(default=0.0, ge=0)
    """USD that a second is worth."""
    confidence: float = Field(default=0.5, ge=0.05, le=0.99)
    """Quantile of belief that has to meet `accuracy`: 0.5 is the posterior mean, 0.9 a lower bound."""


class Preference(Strict):
    """What `prefer` changes in the objective; what is not given stays."""

    accuracy: float | None = Field(default=None, gt=0, lt=1)
    failure_cost: float | None = Field(default=None, ge=0)
    time_value: float | None = Field(default=None, ge=0)


class Constraints(Strict):
    """Limits on every step of the policy; a caller's hints can only narrow them."""

    models: frozenset[str] | None = None
    """Models or arms (`qwen3.5-122b`, `qwen3.5-122b/off`) that may be used; None means all."""
    license: frozenset[str] = frozenset()
    """SPDX ids of which one must be the model's, and needs (`redistribute`) that all must be granted."""
    runtime: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    max_cost: float | None = Field(default=None, gt=0)
    """USD of one step, all its attempts together."""
    deadline: float | None = Field(default=None, gt=0, le=3600)
    """Seconds for one step, all its attempts together."""


class Length(Strict):
    """Visible output tokens expected of a class before anything is learned."""

    q50: float = Field(default=400.0, gt=0)
    q90: float = Field(default=1600.0, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Length:
        if self.q90 <= self.q50:
            raise ValueError("q90 must be above q50")
        return self


class Match(Strict):
    """A step belongs to the class if all that is given here holds."""

    step: frozenset[str] | None = None
    """Step names as the caller hints them."""
    tools: bool | None = None
    """Whether tools are offered."""
    schema_: bool | None = Field(default=None, alias="schema")
    image: bool | None = None
    min_input_tokens: int | None = Field(default=None, ge=0)
    min_output_tokens: int | None = Field(default=None, ge=0)
    """By the caller's `output_tokens` hint or, without one, `max_tokens`."""
    min_code: float | None = Field(default=None, ge=0, le=1)
    """Share of code in the last messages."""
    min_non_latin: float | None = Field(default=None, ge=0, le=1)
    thinking: bool | None = None
    """Whether the caller asks for thinking."""

    @cached_property
    def given(self) -> tuple[tuple[str, object], ...]:
        """The rules that are given, by name: all that has to be looked at."""
        return tuple((name, value) for name in type(self).model_fields if (value := getattr(self, name)) is not None)


class Exploration(Strict):
    """Runs that begin with another arm than the objective would, so that something is learned of it."""

    share: float = Field(default=0.0, ge=0, le=1)
    """P(a run explores); 0: never."""
    arms: frozenset[str] | None = None
    """Models or arms that may be drawn, all equally likely; None means all that the policy allows."""
    regret: float = Field(default=1.0, ge=0, le=100)
    """How much worse than the best plan's objective that of a drawn plan may be, as a share of it."""


class StepClass(Strict):
    name: str
    match: Match | None = None
    """None: only reached by the `step` hint, or as the last class, which takes what no other did."""
    accuracy: float | None = Field(default=None, gt=0, lt=1)
    failure_cost: float | None = Field(default=None, ge=0)
    time_value: float | None = Field(default=None, ge=0)
    retries: int | None = Field(default=None, ge=0, lt=MAX_ATTEMPTS)
    verify: Verify | None = None
    rates: dict[str, Rates] = {}
    output: Length = Length()
    sigma: float = Field(default=1.5, ge=0, le=5)
    """Spread of the steps' difficulty, shared by all models (logits)."""
    tau: float = Field(default=1.0, ge=0, le=5)
    """Spread that one model keeps over its retries (logits)."""
    exploration: float | None = Field(default=None, ge=0, le=1)
    """The most of the policy's exploration share that this class takes part in; None: all of it."""
    words: bool | None = None
    """Whether what a step says is learned from; None: as the policy says."""

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not re.match(r"^[a-z0-9][a-z0-9_-]{0,63}\Z", value):
            raise ValueError(f"{value!r} is not a class name: lower-case letters, digits, '_' and '-'")
        return value


class Policy(Strict):
    version: Literal[1] = 1
    name: str
    description: str = ""
    objective: Objective = Objective()
    prefer: dict[Prefer, Preference] = {}
    constraints: Constraints = Constraints()
    retries: int = Field(default=1, ge=0, lt=MAX_ATTEMPTS)
    """Further attempts after the first, where neither class nor caller says."""
    verify: Verify = BUILT_IN
    rates: dict[str, Rates] = {}
    judges: dict[str, Judge] = Field(default={}, max_length=MAX_JUDGES)
    """Check → the endpoint that judges by it, where `verify` names it; `rates` has its t and f."""
    hold: Literal["never", "auto", "always"] = "never"
    """Whether streamed answers are buffered until the checks pass; `auto`: when no one-shot plan meets the accuracy."""
    deadline: float = Field(default=600.0, gt=0, le=3600)
    """Seconds for one step where nothing narrower is given."""
    aliases: tuple[str, ...] = ()
    """Model names, with `*`, that mean `auto`."""
    thinking: frozenset[Mode] | None = None
    """Modes that may be used; None means all."""
    affinity: float = Field(default=1.0, ge=0, le=100)
    """How many times over a switch to another model inside a tool loop has to gain what the warm cache saves."""
    exploration: Exploration = Exploration()
    words: bool = False
    """Whether hashed words of the last user message are learned from, beside the step's facts."""
    classes: tuple[StepClass, ...] = Field(min_length=1, max_length=MAX_CLASSES)

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not POLICY_NAME.match(value):
            raise ValueError(f"{value!r} is not a policy name: a-z, 0-9, '_' and '-', at most 64")
        return value

    @model_validator(mode="after")
    def _classes(self) -> Policy:
        names = [c.name for c in self.classes]
        for i, name in enumerate(names):
            if name in names[:i]:
                raise Misplaced(("classes", i, "name"), f"{name!r} is written twice")
        if self.classes[-1].match is not None:
            where = ("classes", len(names) - 1, "match")
            raise Misplaced(where, "the last class takes what no other did and must have no match")
        return self

    @model_validator(mode="after")
    def _checks(self) -> Policy:
        for name in self.judges:
            if not CHECK_NAME.match(name) or name in RESERVED:
                raise Misplaced(
                    ("judges", name), f"{name!r} cannot be a judge's name: a-z, 0-9, '_', '-', no check's own"
                )
            if name not in self.rates:
                raise Misplaced(
                    ("judges", name), f"rates has to say how far {name} can be believed: {{t: 0.98, f: 0.1}}"
                )
        named: list[tuple[tuple[str | int, ...], Policy | StepClass]] = [((), self)]
        named += [(("classes", i), c) for i, c in enumerate(self.classes)]
        for where, part in named:
            checks = frozenset() if isinstance(part.verify, str | None) else part.verify
            self._known((*where, "verify"), checks)
            for name in part.rates.keys() - {"caller"}:
                self._known((*where, "rates", name), {name})
        return self

    def _known(self, where: tuple[str | int, ...], names: Set[str]) -> None:
        """Raises Misplaced for a name that is no check here."""
        if unknown := sorted(names - BUILT_IN - self.judges.keys()):
            known = ", ".join((*sorted(BUILT_IN), *self.judges))
            raise Misplaced(where, f"there is no check {unknown[0]!r}; checks are: {known}")

    def __hash__(self) -> int:
        """By identity: a policy is read once, and what follows from it is kept beside it."""
        return id(self)

    @cached_property
    def by_name(self) -> dict[str, StepClass]:
        return {c.name: c for c in self.classes}

    def explores(self, step_class: StepClass) -> Exploration | None:
        """How steps of the class explore; None: not at all."""
        share, cap = self.exploration.share, step_class.exploration
        share = share if cap is None else min(share, cap)
        return self.exploration.model_copy(update={"share": share}) if share else None

    def reads(self, step_class: StepClass) -> bool:
        """Whether the words of the class's steps are looked at."""
        return self.words if step_class.words is None else step_class.words

    def is_alias(self, model: str) -> bool:
        return any(fnmatch.fnmatchcase(model, pattern) for pattern in self.aliases)


def load(path: Path) -> Policy:
    """The policy at `path`. Raises ConfigError; the name inside must be the file's."""
    raw = yaml_file.read_bytes(path)
    policy = yaml_file.parse(raw, str(path), Policy)
    if policy.name != path.stem:
        line = yaml_file.line_of(raw, str(path), ("name",))
        raise ConfigError(str(path), line, f"name: is {policy.name!r} but the file is called {path.stem!r}")
    return policy
