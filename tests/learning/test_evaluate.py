"""Evaluation from the log: what it says is true, and where it cannot be known it says that instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from benchmarks.offline import BOTH, CASES, VERSION, World, catalog, covers, policy, truth
from router.journal import StepRecord
from router.journal.export import Said
from router.learning.evaluate import Evaluation, evaluate
from router.learning.weighing import Pair
from router.policy import Policy

MODELS = catalog()
EASY, BETTER = CASES["cheap where it is easy"]
HARD, WORSE = CASES["cheap where it is hard"]


def steps(current: Policy, runs: int = 1_200, seed: int = 1) -> Iterator[StepRecord]:
    return (step for run in World(current, MODELS, seed).runs(runs) for step in run)


def evaluated(current: Policy, candidate: Policy, runs: int = 1_200, seed: int = 1, **changes: Any) -> Evaluation:
    records = (replace(step, **changes) for step in steps(current, runs, seed))
    return evaluate(records, Pair(candidate, current, VERSION), MODELS)


def test_intervals_hold_the_truth() -> None:
    """In ten logs each of the numbers is within its interval in eight at least; the true mean is what logs say."""
    real = truth(BETTER, MODELS, 20_000)
    made = [evaluated(EASY, BETTER, seed=seed) for seed in range(10)]
    assert not any(e.refusals for e in made)
    inside = [covers(e.after, real) for e in made if e.after]
    assert all(sum(each) >= 8 for each in zip(*inside, strict=True)), inside
    mean = sum(e.after.success.value for e in made if e.after) / len(made)
    assert mean == pytest.approx(real[0], abs=0.02)


def test_a_worse_policy_does_not_pass() -> None:
    """One that is cheaper and 5 points less often right, though believed to be as good, is never shown to be better."""
    made = [evaluated(HARD, WORSE, seed=seed) for seed in range(6)]
    assert all(e.change is not None and not e.passes for e in made)
    assert all("success may be" in e.verdict for e in made)


def test_the_same_policy_changes_nothing() -> None:
    """A policy judged by its own log: the weights are one, no change, as many effective runs as there are."""
    same = evaluated(BOTH, named(BOTH, "same"), runs=300)
    assert same.change and same.after and same.effective_runs == pytest.approx(300) and same.lost == 0.0
    assert same.change.success.value == pytest.approx(0.0, abs=1e-12) == same.change.success.high
    assert same.verdict == "not shown: it may cost as much per success"


def named(found: Policy, name: str, **changes: Any) -> Policy:
    return found.model_copy(update={"name": name, **changes})


def test_a_better_policy_passes() -> None:
    """Where the log is long enough for its interval."""
    free = policy("free", easy=0.02, hard=1.0)
    made = evaluated(EASY, free, runs=12_000)
    assert made.passes and made.verdict.startswith("better: cheaper"), made.change


def test_without_exploration_nothing_is_known() -> None:
    """Every changed decision has propensity zero: refused, and what to do is said."""
    still = named(policy("current", easy=0.05, hard=1.0), "current")
    made = evaluated(still, BETTER, runs=250)
    assert made.change is None and made.verdict == "no estimate"
    assert any("could never have done" in r and "does not explore" in r for r in made.refusals), made.refusals


def test_a_run_is_one_draw() -> None:
    """A candidate that mixes what two draws did, each at another class, is not known from runs that did one of them."""
    made = evaluated(BOTH, BETTER, runs=300)
    assert made.lost > 0.2 and "could never have done" in made.refusals[0]


@pytest.mark.parametrize(
    ("runs", "changes", "word"),
    [
        (200, {}, "Log more"),
        (1_200, {"verdicts": ()}, "have been judged"),
        (1_200, {"verdicts": (Said(0.0, 1.0, "resend", None, 1.0),)}, "have been judged"),
        (1_200, {"verdicts": (Said(0.0, 0.0, "caller", None, 1.0),)}, "succeeded"),
        (1_200, {"propensity": 0.5}, "come out otherwise"),
        (300, {"policy": "another"}, "No step of the policy current"),
        (300, {"policy_version": "f" * 12}, "no step was decided by current as it is now"),
        (300, {"chosen": None}, "No step of the policy current"),
    ],
)
def test_refusals(runs: int, changes: dict[str, Any], word: str) -> None:
    """Thin evidence, verdicts that are none, a log that does not fit its policy: a reason, and no number."""
    made = evaluated(EASY, BETTER, runs=runs, **changes)
    assert made.change is None and not made.passes
    assert any(word.lower() in r.lower() for r in made.refusals), made.refusals


def test_confidence_cannot_be_judged() -> None:
    """The journal keeps no bounds of belief but those of the plan that was chosen."""
    bold = policy("bold", easy=0.02, hard=1.0, objective={"confidence": 0.8})
    assert any("confidence" in r for r in evaluated(EASY, bold).refusals)


def test_draws_that_were_not_drawn() -> None:
    """Runs whose draws came far more often than their probability says are noticed by the sum of the weights."""
    drawn = (s for s in steps(EASY, 3_000) if s.step_class == "easy" and s.drawn)
    chosen = (s for s in drawn if s.drawn.arm == "small/off" or int(s.run_id[1:]) % 3 == 0)
    made = evaluate(chosen, Pair(BETTER, EASY, VERSION), MODELS)
    assert made.change is None and any("weights sum to" in r for r in made.refusals), made.refusals


def test_lines_are_json() -> None:
    """What `--json` writes."""
    made = msgspec.json.decode(msgspec.json.encode(evaluated(EASY, BETTER)))
    assert made["candidate"] == "cheap-easy" and set(made["after"]["success"]) == {"value", "low", "high"}
