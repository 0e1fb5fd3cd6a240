"""Traces whose truth is known."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

from router import catalog as catalogs
from router import policy as policies
from router.catalog import Catalog
from router.learning.trace import Step, Tried
from router.policy import Policy

FOLDER = Path(__file__).parents[2] / "policies"
MU = {"weak": 0.6592, "strong": 1.7926}
"""With sigma 1.5 and tau 1.0: 60.5% and 76.4%."""
PRICE = {"weak": (0.085, 0.40), "strong": (0.45, 3.00)}
"""USD per million tokens."""


def shipped() -> Catalog:
    return catalogs.load(FOLDER / "models.yaml")


def policy(name: str = "default", **changes: Any) -> Policy:
    found = policies.load(FOLDER / f"{name}.yaml")
    return Policy.model_validate({**found.model_dump(exclude_unset=True, by_alias=True), **changes})


def tried(success: bool, cost: float = 1.0, **more: Any) -> Tried:
    return Tried(success=success, cost_usd=cost, **more)


def step(number: int, arms: dict[str, Tried], **more: Any) -> Step:
    return Step(step_id=f"s{number}", input_tokens=more.pop("input_tokens", 1_000), arms=arms, **more)


def world(count: int, seed: int = 1, run: int = 5) -> list[Step]:
    """Steps whose difficulty both models share, with three attempts each; runs of `run` steps."""
    rng = random.Random(seed)
    return [_step(i, rng, f"r{i // run}") for i in range(count)]


def _step(number: int, rng: random.Random, run_id: str) -> Step:
    difficulty, tokens, arms = rng.gauss(0, 1.5), rng.randint(500, 20_000), {}
    for name, mu in MU.items():
        logit = mu + difficulty + rng.gauss(0, 1)
        right = tuple(rng.random() < 1 / (1 + math.exp(-logit)) for _ in range(3))
        output, (per_in, per_out) = round(rng.lognormvariate(6, 0.7)), PRICE[name]
        cost = (tokens * per_in + output * per_out) * 1e-6
        arms[name] = Tried(right[0], cost, output, 1 + output / 200, right)
    step_class = "code" if number % 2 else "lookup"
    return Step(f"s{number}", tokens, arms, run_id=run_id, step_class=step_class)
