"""Whether evaluation from the log tells the truth, in a world where it is known: `python -m benchmarks.offline`.

Runs of one to three steps at two classes; steps share a latent difficulty, models are not as good as they are believed
to be, a check lets 2 of 10 wrong answers through, a failed step makes its run longer, 7 of 10 steps are judged. A
policy that explores logs, by the planner that serves; candidates are evaluated from its records, and then they run.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from router.beliefs import Beliefs
from router.catalog import Catalog
from router.hints import Hints
from router.journal import StepRecord
from router.journal.export import Said, joined
from router.journal.records import OutcomeRecord, of_outcome
from router.learning.evaluate import LEAST_SUCCESS, Evaluation, Numbers, evaluate
from router.learning.weighing import Pair
from router.outcome import Attempt, CheckResult, Outcome
from router.plan import Decision, Lot, Situation, decide
from router.policy import Policy
from router.step import Facts
from router.terms import Target, resolve

SIGMA, TAU, T, F = 1.5, 1.0, 0.98, 0.2
TRUE: Mapping[tuple[str, str], float] = {
    **{("small", "easy"): 1.6, ("large", "easy"): 2.0},
    **{("small", "hard"): -0.8, ("large", "hard"): 1.2},
}
"""Model, class → its ability in truth, in logits. Believed: 0.66 and 1.53 of both classes."""
FACTS = {"easy": Facts(input_bytes=8_000, schema=True), "hard": Facts(input_bytes=32_000, schema=True)}
SHARE, JUDGED, LONGEST = 0.4, 0.7, 3
VERSION = "0" * 12
PRICES = {"small": (60.47, 0.085, 0.40, 470), "large": (73.0, 0.29, 2.40, 150)}


def raw() -> dict[str, Any]:
    """Two models with one mode each, as a models file has them."""
    models = {}
    for name, (percent, per_in, per_out, speed) in PRICES.items():
        place = {"name": "d", "base_url": "http://127.0.0.1:9/v1", "model": name}
        models[name] = {
            "family": name,
            "maker": "m",
            "license": {"name": "l", "permits": ["use"]},
            "context": {"native": 1_000_000},
            "speed": {"tokens_per_s": speed},
            "scores": [{"benchmark": "b", "percent": percent, "mode": "off", "source": "s", "date": "2026-01-01"}],
            "tokens": {"latin": 4},
            "deployments": [{**place, "prices": {"input": per_in, "output": per_out}}],
        }
    benchmarks = {"b": {"title": "B", "measures": "a task"}}
    return {"benchmarks": benchmarks, "classes": {"easy": "b", "hard": "b"}, "models": models}


def catalog() -> Catalog:
    return Catalog.model_validate(raw())


def policy(name: str, share: float = 0.0, easy: float = 0.02, hard: float = 0.02, **changes: Any) -> Policy:
    """What a failure costs at each class decides who goes first."""
    rates = {"schema": {"t": T, "f": F}}
    classes = [
        {"name": "easy", "match": {"step": ["easy"]}, "failure_cost": easy, "rates": rates},
        {"name": "hard", "failure_cost": hard, "rates": rates},
    ]
    explores = {"share": share, "regret": 100}
    base = {"name": name, "verify": ["schema"], "retries": 1, "exploration": explores, "classes": classes}
    return Policy.model_validate({**base, **changes})


def logs(*explores: str) -> Policy:
    """The policy that logs: the large model first everywhere, exploring at these classes."""
    found = policy("current", SHARE, easy=0.05, hard=1.0)
    classes = [c if c.name in explores else c.model_copy(update={"exploration": 0.0}) for c in found.classes]
    return found.model_copy(update={"classes": tuple(classes)})


BOTH = logs("easy", "hard")
CASES = {
    "cheap where it is easy": (logs("easy"), policy("cheap-easy", easy=0.02, hard=1.0)),
    "cheap where it is hard": (logs("hard"), policy("cheap-hard", easy=0.05, hard=0.05)),
    "cheap everywhere": (BOTH, policy("cheap", easy=0.02, hard=0.05)),
    "as it is, exploring less": (BOTH, policy("less", 0.1, easy=0.05, hard=1.0)),
}
"""Candidates, each with the policy that logs for it."""


class World:
    """One policy at work. The same seed gives the same runs."""

    def __init__(self, used: Policy, models: Catalog, seed: int) -> None:
        self._policy, self._catalog, self._rng = used, models, random.Random(seed)
        self._beliefs = Beliefs.prior(models)
        self._known: dict[tuple[str, str | None], tuple[Decision, OutcomeRecord]] = {}
        self._arms = [f"{name}/off" for name in sorted(PRICES)]

    def runs(self, count: int) -> Iterator[list[StepRecord]]:
        for number in range(count):
            yield list(self._run(f"r{number}"))

    def _run(self, name: str) -> Iterator[StepRecord]:
        rng = self._rng
        lot, trait, length = Lot(rng.random(), rng.random()), rng.gauss(0.0, 0.5), 1 + (rng.random() < 0.4)
        number = 0
        while number < length:
            step_class = "hard" if rng.random() < 0.5 else "easy"
            record, right = self._step(f"{name}-{number}", step_class, lot, trait)
            yield msgspec.structs.replace(record, run_id=name)
            number += 1
            if not right and length < LONGEST:
                length += 1

    def _decision(self, step_class: str, lot: Lot) -> tuple[Decision, OutcomeRecord]:
        """Steps of a class are alike but for their difficulty, so there are few decisions."""
        share = self._policy.exploration.share
        key = step_class, self._arms[int(lot.arm * len(self._arms))] if lot.explores < share else None
        if (known := self._known.get(key)) is None:
            terms = resolve(Target(self._policy), FACTS[step_class], hints_of(step_class))
            decision = decide(
                FACTS[step_class], terms, self._beliefs, self._catalog, Situation(step=step_class, lot=lot)
            )
            outcome = Outcome(
                "", "key", self._policy.name, step_class, False, 0.0, 0.0, 200, "accepted", decision=decision,
                policy_version=VERSION, facts=FACTS[step_class], hints=hints_of(step_class),
            )  # fmt: skip
            known = self._known[key] = decision, of_outcome(outcome, plans=False)
        return known

    def _step(self, name: str, step_class: str, lot: Lot, trait: float) -> tuple[StepRecord, bool]:
        decision, record = self._decision(step_class, lot)
        rng, attempts, right, accepted = self._rng, [], False, False
        z, kept = SIGMA * rng.gauss(0, 1) + trait, {model: TAU * rng.gauss(0, 1) for model in PRICES}
        for position, c in enumerate(decision.chosen.attempts):
            p = 1.0 / (1.0 + math.exp(-(TRUE[c.model, step_class] + z + kept[c.model])))
            right = rng.random() < p
            accepted = rng.random() < (T if right else F)
            factor = rng.lognormvariate(-0.125, 0.5)
            check = CheckResult("schema", accepted)
            attempts.append(
                Attempt(
                    c.arm, c.model, "d", position, 0.0, c.seconds * factor, cost_usd=c.cost * factor, checks=(check,)
                )
            )
            if accepted:
                break
        said = (Said(0.0, float(right), "caller", None, 1.0),) if rng.random() < JUDGED else ()
        done = msgspec.structs.replace(
            record,
            decision_id=name,
            attempts=tuple(attempts),
            result="accepted" if accepted else "rejected",
            cost_usd=sum(a.cost_usd for a in attempts),
            seconds=sum(a.seconds for a in attempts),
        )
        return joined(done, said), right


def hints_of(step_class: str) -> Hints:
    return Hints(step=step_class)


def truth(used: Policy, models: Catalog, runs: int, seed: int = 999) -> tuple[float, float, float]:
    """Success per judged step, USD per step over that, seconds per step, of a policy that serves by itself."""
    judged = right = steps = 0
    cost = seconds = 0.0
    for run in World(used, models, seed).runs(runs):
        for step in run:
            steps, cost, seconds = steps + 1, cost + step.cost_usd, seconds + step.seconds
            for v in step.verdicts:
                judged, right = judged + 1, right + v.success
    success = right / judged
    return success, cost / steps / success, seconds / steps


def evaluated(current: Policy, candidate: Policy, models: Catalog, runs: int, seed: int) -> Evaluation:
    records = (step for run in World(current, models, seed).runs(runs) for step in run)
    return evaluate(records, Pair(candidate, current, VERSION), models)


def covers(numbers: Numbers, true: Sequence[float]) -> list[bool]:
    """Of success, cost per success and seconds."""
    estimates = (numbers.success, numbers.cost_per_success, numbers.seconds)
    return [e.low <= value <= e.high for e, value in zip(estimates, true, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3_000)
    parser.add_argument("--truth", type=int, default=300_000)
    given = parser.parse_args()
    models = catalog()
    print(f"{given.repetitions} logs of {given.runs} runs each; shares of success, USD per success, seconds")
    for what, (current, candidate) in CASES.items():
        row(what, current, candidate, models, given)


def row(what: str, current: Policy, candidate: Policy, models: Catalog, given: argparse.Namespace) -> None:
    before, after = truth(current, models, given.truth), truth(candidate, models, given.truth)
    change = [a - b for a, b in zip(after, before, strict=True)]
    made = [evaluated(current, candidate, models, given.runs, seed) for seed in range(given.repetitions)]
    inside = [(covers(e.after, after), covers(e.change, change)) for e in made if e.after and e.change]
    refused, worse = len(made) - len(inside), change[0] < LEAST_SUCCESS or change[1] >= 0.0
    print(f"{what}: {told(before)} -> {told(after)}, {'worse' if worse else 'better'}")
    for name, part in (("value", 0), ("change", 1)):
        shares = [sum(i[part][k] for i in inside) / max(1, len(inside)) for k in range(3)]
        print(f"  intervals of the {name} that hold the truth: {', '.join(f'{s:.1%}' for s in shares)}")
    effective = sum(e.effective_runs for e in made) / len(made)
    print(f"  passed {sum(e.passes for e in made) / len(made):.1%}, refused {refused}; {effective:.0f} effective runs")
    if refused:
        print(f"  {next(e.refusals for e in made if e.refusals)}")
    print(flush=True)


def told(numbers: Sequence[float]) -> str:
    return f"{numbers[0]:.2%}, ${numbers[1]:.6f}, {numbers[2]:.2f} s"


if __name__ == "__main__":
    main()
