"""The hidden truth of the simulated models: what they can do, how long they write, how fast.

The tables are documented in docs/simulated-models.md. The router never reads them: it starts from the catalog's scores,
which are off by `OFFSETS`, and can learn the difference from outcomes.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import msgspec

from router.catalog import Arm, Catalog, Deployment, Model
from router.simulate.draws import logistic, normal, uniform

SIGMA, TAU = 1.5, 1.0
"""Spread of the steps' difficulty, shared by all models, and what one model keeps over its retries (logits)."""

OFFSETS: dict[str, dict[str, float]] = {
    "nemotron-3-super": {
        "code": -0.2,
        "hard": -0.2,
        "reasoning": -0.4,
        "science": -0.4,
        "knowledge": -0.2,
        "structured": 0.3,
        "chat": 0.2,
        "tool_use": -0.3,
        "long_output": 0.4,
        "long_context": -0.3,
    },
    "qwen3.5-122b": {"code": 0.2, "long_output": -0.3},
    "qwen3.5-397b": {
        "code": 0.2,
        "hard": 0.3,
        "reasoning": 0.2,
        "science": 0.2,
        "knowledge": 0.3,
        "structured": 0.3,
        "chat": 0.2,
        "long_output": -0.2,
    },
}
"""Logits by which a model is better on a class than the catalog's score says."""

UNSCORED: dict[str, dict[str, float]] = {
    "nemotron-3-super": {"multilingual": 0.62, "vision": 0.05},
    "qwen3.5-122b": {
        "hard": 0.22,
        "reasoning": 0.84,
        "science": 0.82,
        "knowledge": 0.83,
        "structured": 0.87,
        "chat": 0.87,
        "tool_use": 0.84,
        "long_context": 0.78,
        "vision": 0.80,
        "multilingual": 0.80,
    },
    "qwen3.5-397b": {"tool_use": 0.88, "long_context": 0.83, "vision": 0.86, "multilingual": 0.87},
}
"""Probability of success where the catalog has no score, in the mode that the model is scored in (thinking)."""

THOUGHT: dict[str, float] = {
    "hard": 1.3,
    "science": 1.2,
    "reasoning": 1.2,
    "code": 1.0,
    "long_context": 0.8,
    "knowledge": 0.7,
    "tool_use": 0.6,
    "vision": 0.6,
    "long_output": 0.6,
    "multilingual": 0.5,
    "structured": 0.4,
    "chat": 0.3,
}
"""How much a class gains from thinking: factor on the catalog's offset of a mode, and on its reasoning tokens."""

VISIBLE: dict[str, float] = {
    "hard": 1300,
    "science": 600,
    "reasoning": 650,
    "code": 1100,
    "long_context": 500,
    "knowledge": 250,
    "tool_use": 120,
    "vision": 200,
    "long_output": 14_000,
    "multilingual": 450,
    "structured": 180,
    "chat": 350,
}
"""Median visible tokens of an answer."""

VERBOSITY: dict[str, float] = {"nemotron-3-super": 1.1, "qwen3.5-397b": 0.95}
"""Factor on the tokens that a model writes."""

PREFILL_TOKENS_PER_S = 20_000.0
"""Input tokens read per second, on top of the catalog's time to first token."""

SHARED_LENGTH, STEP_LENGTH, ATTEMPT_LENGTH = 0.45, 0.3, 0.15
"""Log-normal spread of an answer's length: of the step, of the arm on it, of one attempt."""

FORMS = ((0.88, "wrong"), (0.92, "empty"), (0.96, "refusal"), (1.0, "malformed"))
"""How failures look, cumulative: most are well formed, and only a few can be seen from outside."""


class Step(NamedTuple):
    """What a request asks, as far as chance is concerned."""

    name: str
    step_class: str


class Length(NamedTuple):
    """Tokens of one answer."""

    visible: int
    reasoning: int


class World:
    """Every draw for one seed. Pure: the same question gets the same answer in any order."""

    def __init__(self, catalog: Catalog, seed: int) -> None:
        self._catalog, self._seed = catalog, seed
        self._abilities: dict[tuple[str, str], float] = {}

    def ability(self, arm: Arm, step_class: str) -> float:
        """The mean logit of success."""
        key = (arm.name, step_class)
        if key not in self._abilities:
            self._abilities[key] = self._ability(arm, step_class)
        return self._abilities[key]

    def _ability(self, arm: Arm, step_class: str) -> float:
        model, weight = arm.model, THOUGHT.get(step_class, 1.0)
        offset = weight * model.thinking[arm.mode].logit_offset
        benchmark = self._catalog.classes.get(step_class)
        score = model.score(benchmark) if benchmark else None
        if score is None:
            known = UNSCORED.get(model.name, {}).get(step_class)
            return logit_of(known or logistic(0.8 + 0.5 * normal("unscored", model.name, step_class))) + offset
        hidden = OFFSETS.get(model.name, {}).get(step_class)
        if hidden is None:
            hidden = 0.3 * normal("offset", model.name, step_class)
        return logit_of(score.percent / 100) + hidden + offset - weight * model.thinking[score.mode].logit_offset

    def p(self, arm: Arm, step: Step) -> float:
        """Probability that an attempt of `arm` at this very step succeeds."""
        z = normal(self._seed, "step", step.name)
        u = normal(self._seed, "model", step.name, arm.model.name)
        return logistic(self.ability(arm, step.step_class) + SIGMA * z + TAU * u)

    def right(self, arm: Arm, step: Step, attempt: int) -> bool:
        """Whether attempt number `attempt` (from 1) succeeds."""
        return uniform(self._seed, "try", step.name, arm.name, attempt) < self.p(arm, step)

    def form(self, arm: Arm, step: Step, attempt: int) -> str:
        """How a failed attempt looks: `wrong` (well formed), `empty`, `refusal` or `malformed`."""
        u = uniform(self._seed, "form", step.name, arm.name, attempt)
        return next(name for limit, name in FORMS if u < limit)

    def length(self, arm: Arm, step: Step, attempt: int) -> Length:
        """Tokens that the attempt writes where nothing cuts it off."""
        verbosity = VERBOSITY.get(arm.model.name, 1.0)
        spread = (
            SHARED_LENGTH * normal(self._seed, "length", step.name)
            + STEP_LENGTH * normal(self._seed, "length", step.name, arm.name)
            + ATTEMPT_LENGTH * normal(self._seed, "length", step.name, arm.name, attempt)
        )
        scale = verbosity * math.exp(spread)
        reasoning = arm.model.thinking[arm.mode].reasoning_tokens * THOUGHT.get(step.step_class, 1.0)
        return Length(max(1, round(VISIBLE.get(step.step_class, 400) * scale)), round(reasoning * scale))


class Pace(msgspec.Struct, frozen=True):
    """How long one answer takes, in simulated seconds."""

    first_token_s: float
    tokens_per_s: float

    def seconds(self, output_tokens: int) -> float:
        return self.first_token_s + output_tokens / self.tokens_per_s


def pace(model: Model, deployment: Deployment, prompt_tokens: int, output_tokens: int) -> Pace:
    """The catalog's speed at this length: the ordinary one up to 2k tokens, then by log length to that of 64k."""
    near, far = model.tokens_per_s(deployment)
    share = min(max(math.log(max(output_tokens, 1) / 2_000) / math.log(32), 0.0), 1.0)
    return Pace(model.speed.first_token_s + prompt_tokens / PREFILL_TOKENS_PER_S, near + (far - near) * share)


@cache
def logit_of(p: float) -> float:
    """The mean logit whose marginal over difficulty and model is `p`, by bisection."""
    low, high = -20.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if marginal(middle) < p else (low, middle)
    return (low + high) / 2


def marginal(mu: float) -> float:
    """E[logistic(mu + SIGMA z + TAU u)], by the trapezoid rule over their normal sum."""
    spread = math.hypot(SIGMA, TAU)
    points = [i / 10 for i in range(-70, 71)]
    weights = [math.exp(-x * x / 2) for x in points]
    return sum(w * logistic(mu + spread * x) for x, w in zip(points, weights, strict=True)) / sum(weights)
