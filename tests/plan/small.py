"""A small catalog in code: the three models of the comparison with one mode each, priced as the worked examples are."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from router.beliefs import Beliefs
from router.catalog import Catalog
from router.plan import Decision, Situation, decide
from router.step import Facts
from router.terms import Terms

NVIDIA = {"name": "NVIDIA Nemotron Open Model License", "permits": ["use", "redistribute", "derive"]}
APACHE = {
    "name": "Apache License 2.0",
    "spdx": "Apache-2.0",
    "permits": ["use", "redistribute", "derive", "no-attribution"],
}


def deployment(name: str = "main", **changes: Any) -> dict[str, Any]:
    return {"name": name, "model": "m", "base_url": "http://127.0.0.1:9/v1", **changes}


def model(percent: float | None, prices: tuple[float, float], **changes: Any) -> dict[str, Any]:
    """A text model with one score, one mode and one deployment; `changes` replace whole keys."""
    scores = [{"benchmark": "bench", "percent": percent, "mode": "off", "source": "a test", "date": "2026-01-01"}]
    out: dict[str, Any] = {
        "family": "f",
        "maker": "m",
        "license": APACHE,
        "context": {"native": 1_000_000},
        "speed": {"tokens_per_s": 150},
        "scores": scores if percent else [],
        "tokens": {"latin": 4},
        "deployments": [deployment(prices={"input": prices[0], "output": prices[1]})],
    }
    return {**out, **changes}


NEMOTRON = model(60.47, (0.085, 0.40), license=NVIDIA, speed={"tokens_per_s": 470})
QWEN122 = model(73.0, (0.29, 2.40), modalities=["text", "image"], languages=201)
QWEN397 = model(76.4, (0.45, 3.00), modalities=["text", "image"], languages=201, speed={"tokens_per_s": 90})
N, Q122, Q397 = "n/off", "q122/off", "q397/off"
THREE: dict[str, dict[str, Any]] = {"n": NEMOTRON, "q122": QWEN122, "q397": QWEN397}


def catalog(models: dict[str, dict[str, Any]] = THREE, **changes: Any) -> Catalog:
    base = {"benchmarks": {"bench": {"title": "Bench", "measures": "a task"}}, "classes": {"task": "bench"}}
    return Catalog.model_validate({**base, "models": models, **changes})


FACTS = Facts(input_bytes=32_000)
"""8,000 tokens."""
TERMS = Terms(
    policy="p", step_class="task", verify="caller", t=1.0, f=0.0, output_q50=1500, output_q90=1500.001, max_attempts=4
)
"""1,500 tokens of output, a perfect judge, three retries."""


def choose(
    catalog: Catalog,
    facts: Facts = FACTS,
    situation: Situation | None = None,
    base: Terms = TERMS,
    **terms: Any,
) -> Decision:
    """A decision from the catalog's priors."""
    return decide(facts, replace(base, **terms), Beliefs.prior(catalog), catalog, situation or Situation())
