"""Drawn worlds of tasks and models whose truth is known, and the evidence that attempts in them give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from router.beliefs.success import Successes, prior
from router.outcome import Evidence, Trial
from tests.plan.small import Q122, Q397, N, catalog

CATALOG = catalog()
ARMS = (N, Q122, Q397)


def blank() -> Successes:
    """Beliefs from the worked example's scores: 60.47, 73 and 76.4%."""
    return prior(CATALOG)


def said(*trials: tuple[str, float], step_class: str = "task", **rest: object) -> Evidence:
    return Evidence(step_class, tuple(Trial(arm, right) for arm, right in trials), **rest)  # type: ignore[arg-type]


class World:
    """Tasks of one class: difficulty with spread `sigma`, what a model keeps over its retries with `tau`."""

    def __init__(self, seed: int, mu: dict[str, float], sigma: float = 1.5, tau: float = 1.0) -> None:
        self.rng = np.random.default_rng(seed)
        self.mu, self.sigma, self.tau = mu, sigma, tau

    def step(self, plan: Sequence[str]) -> Evidence:
        """One task tried along `plan` until an attempt succeeds."""
        z = self.rng.normal() * self.sigma
        u = {arm: self.rng.normal() * self.tau for arm in self.mu}
        trials = []
        for arm in plan:
            right = self.rng.uniform() < 1.0 / (1.0 + np.exp(-(self.mu[arm] + z + u[arm])))
            trials.append(Trial(arm, float(right)))
            if right:
                break
        return Evidence("task", tuple(trials))
