"""Tuning: numbers that outcomes contradict change, with intervals that hold the truth; the others stay."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from benchmarks.offline import BOTH, F, T, World, catalog
from router.journal import StepRecord
from router.learning.tune import Number, Tuned, changed, tuned, wilson
from router.policy import Length, Policy, Rates

MODELS = catalog()
WRONG = {"schema": Rates(t=0.7, f=0.95)}


def believing(rates: dict[Any, Rates] = WRONG, **output: float) -> Policy:
    """The policy that logs, with other numbers in it."""
    classes = tuple(c.model_copy(update={"rates": rates, "output": Length(**output)}) for c in BOTH.classes)
    return BOTH.model_copy(update={"classes": classes})


def steps(runs: int = 1_500, **changes: Any) -> Iterator[StepRecord]:
    """Logged steps, their answers log-normal: median 300, 0.9 quantile 839; an answer has 50 thoughts besides."""
    rng = random.Random(5)
    for run in World(BOTH, MODELS, 2).runs(runs):
        for step in run:
            attempts = [
                replace(a, output_tokens=50 + round(rng.lognormvariate(5.704, 0.8025)), reasoning_tokens=50)
                for a in step.attempts
            ]
            yield replace(step, attempts=tuple(replace(a, **changes) for a in attempts))


def found(made: Tuned, key: str) -> list[Number]:
    return [n for n in made.numbers if n.key == key]


def test_numbers_that_are_wrong_change() -> None:
    """Lengths and rates come near the truth, of each class, and their intervals hold it."""
    made = tuned(steps(), believing())
    for key, truth in (("output.q50", 300), ("output.q90", 839)):
        for number in found(made, key):
            assert number.low * 0.97 <= truth <= number.high * 1.03 and number.changes, number
            assert number.after == pytest.approx(truth, rel=0.1) and number.count > 500
    for key, truth in (("rates.schema.t", T), ("rates.schema.f", F)):
        for number in found(made, key):
            assert number.low - 0.02 <= truth <= number.high + 0.02 and number.changes, number
    assert len(made.numbers) == 8 and made.others == 0


def test_numbers_that_are_right_stay() -> None:
    """What is within its interval is left as a person wrote it."""
    right = believing({"schema": Rates(t=T, f=F)}, q50=300, q90=839)
    assert sum(n.changes for n in tuned(steps(), right).numbers) <= 2  # of eight; t leans upwards: below


@pytest.mark.parametrize(
    "changes",
    [{"estimated": True}, {"finish_reason": "length"}, {"output_tokens": 0}, {"position": 1}, {"fault": "timeout"}],
)
def test_answers_that_tell_no_length(changes: dict[str, Any]) -> None:
    """Counted by us, cut off, empty, after another, or none at all."""
    made = tuned(steps(150, **changes), believing())
    assert not found(made, "output.q50")


def test_t_leans_upwards_a_little() -> None:
    """Rejected answers are judged where a second was rejected too, at harder steps, where fewer of them are right."""
    for number in found(tuned(steps(), believing()), "rates.schema.t"):
        assert T - 0.005 < number.after < T + 0.02


def test_answers_that_are_all_as_long() -> None:
    """A policy's q90 has to be above its q50; such lengths are not told."""
    assert not found(tuned(steps(300, output_tokens=70), believing()), "output.q50")


def test_little_evidence_changes_nothing() -> None:
    """Nor do other policies' steps, or steps of classes that are gone."""
    assert tuned(steps(30), believing()).numbers == ()
    other = [replace(s, policy="another") for s in steps(30)]
    gone = [replace(s, step_class="gone") for s in steps(30)]
    made = tuned([*other, *gone], believing())
    assert (made.steps, made.others) == (0, len(other) + len(gone))


def test_models_are_seen_by_first_attempts() -> None:
    """A step whose first answer was rejected, and whose second was judged, says nothing of its first model's share."""
    records = list(steps(400))
    judged = sum(1 for s in records if len(s.attempts) == 1 and s.verdicts)
    made = tuned(records, believing())
    assert sum(s.judged for s in made.seen) == judged
    assert all(s.low <= s.right / s.judged <= s.high for s in made.seen)


def test_the_file_has_only_what_changed() -> None:
    """A policy of the same classes and objective, valid, with the numbers that changed and no others."""
    before = believing(q50=300, q90=839)
    made = tuned(steps(), before)
    after = Policy.model_validate(changed(before, made, "current-x", "today"))
    assert after.name == "current-x" and after.objective == before.objective
    for number in made.numbers:
        part, *rest = number.key.split(".")
        written = after.by_name[number.step_class]
        now = getattr(written.output, rest[0]) if part == "output" else getattr(written.rates["schema"], rest[1])
        assert now == (number.after if number.changes else number.before)
    assert all(n.words.count(" to ") == 2 and n.step_class in n.words for n in made.changes)


def test_wilson() -> None:
    """Known values, and never outside 0 and 1."""
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10)[0] == pytest.approx(0.0, abs=1e-12) and wilson(10, 10)[1] == pytest.approx(1.0)
