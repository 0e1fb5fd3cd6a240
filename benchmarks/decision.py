"""Times one decision of the planner: three models with two thinking modes each, three retries, shipped-sized numbers.

`python -m benchmarks.decision` prints microseconds. Warm: the caches know the kind of step, only the input's length is
new; that is what serving sees. Learned facts: so are the facts, and with them what is added to every logit. Learned
lengths: output lengths and speeds were learned, and are worked out anew for each step. Cold table: all its success
probabilities are new. Cold: so is the whole catalog.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from router.beliefs import Beliefs
from router.catalog import Catalog
from router.outcome import Attempt, Evidence, Past, Trial
from router.plan import Situation, decide
from router.step import Facts, vector
from router.terms import Terms

MODES: dict[str, Any] = {"on": {"reasoning_tokens": 1200}, "off": {"logit_offset": -0.8}}
ROUNDS = 2_000
TERMS = Terms(policy="bench", step_class="code", verify="caller", t=1.0, f=0.0, accuracy=0.9, max_attempts=4)


def model(percent: float, price: float, output: float, speed: float) -> dict[str, Any]:
    """A model in two modes at one deployment."""
    place = {"name": "main", "model": "m", "base_url": "http://127.0.0.1:9/v1", "thinking": {m: {} for m in MODES}}
    return {
        "family": "f",
        "maker": "m",
        "license": {"name": "Apache License 2.0", "permits": ["use"]},
        "context": {"native": 1_000_000},
        "thinking": MODES,
        "speed": {"tokens_per_s": speed},
        "scores": [{"benchmark": "b", "percent": percent, "mode": "on", "source": "s", "date": "2026-01-01"}],
        "deployments": [{**place, "prices": {"input": price, "output": output}}],
    }


def catalog(shift: float = 0.0) -> Catalog:
    """Three models; `shift` moves their scores a little, for beliefs that no cache has seen."""
    return Catalog.model_validate(
        {
            "benchmarks": {"b": {"title": "B", "measures": "a task"}},
            "classes": {"code": "b"},
            "models": {
                "n": model(60.47 + shift, 0.085, 0.40, 470),
                "q122": model(73.0 + shift, 0.29, 2.40, 152),
                "q397": model(76.4 + shift, 0.45, 3.00, 89),
            },
        }
    )


def timed(rounds: int, call: Callable[[int], object]) -> tuple[float, float, float]:
    """p50, p99 and the longest of `rounds` calls, microseconds."""
    taken = []
    for i in range(rounds):
        before = time.perf_counter_ns()
        call(i)
        taken.append((time.perf_counter_ns() - before) / 1e3)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98], max(taken)


def taught(beliefs: Beliefs) -> Beliefs:
    """Beliefs after 1,000 outcomes that depend on the facts: these then move each step's logits."""
    arms, draw = beliefs.success.arms, random.Random(0)
    for i in range(1_000):
        facts = Facts(input_bytes=100 * i, turn=i % 40, tools=i % 7, code=i % 11 / 10, severity=i % 4)
        right = draw.random() < 0.9 - 0.4 * facts.code - 0.1 * facts.severity
        beliefs = beliefs.learn(Evidence("code", (Trial(draw.choice(arms), float(right)),), vector(facts)))
    return beliefs


def answered(beliefs: Beliefs, shipped: Catalog) -> Beliefs:
    """Beliefs after 3,000 answers: lengths then depend on the step, and deployments on the load."""
    draw, asked = random.Random(1), decide(Facts(), TERMS, beliefs, shipped, Situation()).asked
    for _ in range(3_000):
        arm = draw.choice(shipped.arms)
        tokens, given = round(draw.lognormvariate(6.0, 1.0)) + 1, draw.lognormvariate(8.0, 1.0)
        attempt = Attempt(arm.name, arm.model.name, "main", 0, 0.0, 1.0 + tokens / 100, 0.7, output_tokens=tokens)
        question = replace(asked, input_tokens=given, past=(Past(arm.name, 200, 1000),) * draw.randrange(3))
        beliefs = beliefs.answered(attempt, question, busy=draw.randrange(64), room=64)
    return beliefs


def main() -> None:
    shipped = catalog()
    beliefs, situation = Beliefs.prior(shipped), Situation()
    inputs = [Facts(input_bytes=20_000 + 37 * i) for i in range(ROUNDS)]
    shifted = [catalog(i / 1000) for i in range(200)]
    believed = [Beliefs.prior(c) for c in shifted]
    learned, timed_lengths = taught(beliefs), answered(beliefs, shipped)
    all_learned = replace(learned, length=timed_lengths.length, speed=timed_lengths.speed)
    run = Situation(past=(Past("n/on", 200, 4_000), Past("n/off", 300, 4_500)))
    varied = [replace(f, turn=i % 40, tools=i % 7, code=i % 11 / 10, severity=i % 4) for i, f in enumerate(inputs)]
    kinds: dict[str, Callable[[int], object]] = {
        "warm": lambda i: decide(inputs[i], TERMS, beliefs, shipped, situation),
        "warm, one retry": lambda i: decide(inputs[i], replace(TERMS, max_attempts=2), beliefs, shipped, situation),
        "warm, tight deadline": lambda i: decide(inputs[i], replace(TERMS, deadline=25.0), beliefs, shipped, situation),
        "warm, cap": lambda i: decide(inputs[i], replace(TERMS, max_cost=0.02), beliefs, shipped, situation),
        "learned facts": lambda i: decide(varied[i], TERMS, learned, shipped, situation),
        "learned lengths": lambda i: decide(varied[i], TERMS, timed_lengths, shipped, run),
        "all learned": lambda i: decide(varied[i], TERMS, all_learned, shipped, run),
        "cold table": lambda i: decide(inputs[i], replace(TERMS, sigma=1.5 + i / 1e6), beliefs, shipped, situation),
        "cold": lambda i: decide(inputs[i], TERMS, believed[i], shifted[i], situation),
    }
    found = decide(inputs[0], TERMS, beliefs, shipped, situation)
    print(f"{len(shipped.arms)} arms, {found.considered} plans; chosen: {', '.join(found.chosen.arms)}")
    print(f"{'':22} {'p50':>8} {'p99':>8} {'max':>8}  µs")
    for name, call in kinds.items():
        p50, p99, longest = timed(200 if name.startswith("cold") else ROUNDS, call)
        print(f"{name:22} {p50:8.0f} {p99:8.0f} {longest:8.0f}")


if __name__ == "__main__":
    main()
