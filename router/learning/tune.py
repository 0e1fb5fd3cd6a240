"""What a journal says of a policy's own numbers: how long answers are, and how far each check can be believed. Pure.

First attempts alone: later ones see the steps that others failed at. What models can do is no number of a policy; it is
shown beside, and learned while serving.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np

from router.journal import StepRecord
from router.learning.estimate import Z95
from router.learning.weighing import success
from router.outcome import Attempt
from router.policy import Policy, Rates, StepClass

LEAST_LENGTHS = 100
"""Answers of a class before its expected length is changed."""
LEAST_JUDGED = 50
"""Right answers before a check's t is changed, and wrong ones before its f is."""
DRAWS = 4_000


class Number(msgspec.Struct, frozen=True):
    """One number of a policy, as it is and as the journal has it."""

    step_class: str
    key: str
    """`output.q50`, `rates.schema.f`."""
    before: float
    after: float
    low: float
    """95% interval."""
    high: float
    count: int
    """Answers that it rests on."""

    @property
    def changes(self) -> bool:
        """What is within the interval stays as a person wrote it."""
        return not self.low <= self.before <= self.high

    @property
    def words(self) -> str:
        how = "up" if self.after > self.before else "down"
        return (
            f"{self.step_class}: {self.key} {how} from {self.before:g} to {self.after:g} "
            f"(95%: {self.low:g} to {self.high:g}, {self.count:,} answers)"
        )


class Seen(msgspec.Struct, frozen=True):
    """First attempts of a model at a class: how many were judged, and how many of these were right."""

    model: str
    step_class: str
    judged: int
    right: float
    low: float
    high: float


class Tuned(msgspec.Struct, frozen=True):
    steps: int
    others: int
    """Steps of other policies, passed over."""
    numbers: tuple[Number, ...]
    """All that there is enough evidence for; those that change say so."""
    seen: tuple[Seen, ...]
    first: float
    """Unix times between which the steps ended."""
    last: float

    @property
    def changes(self) -> tuple[Number, ...]:
        return tuple(n for n in self.numbers if n.changes)


class _Class:
    """What is gathered of one step class."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.checks: dict[str, list[int]] = {}
        """Answers by check: accepted ones judged right, and wrong; rejected ones likewise; all accepted, rejected."""
        self.models: dict[str, tuple[int, float]] = {}


def tuned(records: Iterable[StepRecord], policy: Policy) -> Tuned:
    """The numbers of `policy` as its own steps have them, of whichever version of its file."""
    classes = {c.name: _Class() for c in policy.classes}
    steps = others = 0
    first, last = math.inf, -math.inf
    for record in records:
        if record.policy != policy.name or record.step_class not in classes:
            others += 1
            continue
        steps, first, last = steps + 1, min(first, record.at), max(last, record.at)
        _gather(classes[record.step_class], record)
    numbers = [n for c in policy.classes for n in (*_lengths(c, classes[c.name]), *_rates(policy, c, classes[c.name]))]
    seen = [s for name, found in classes.items() for s in _seen(name, found)]
    return Tuned(steps, others, tuple(numbers), tuple(seen), first, last)


def _gather(found: _Class, record: StepRecord) -> None:
    answered = [a for a in record.attempts if a.answered]
    verdict = success(record) if record.status < 500 else None
    if answered and answered[0].position == 0 and not record.again:
        _first(found, answered[0], record, verdict if len(answered) == 1 else None)
    for i, attempt in enumerate(answered):
        said = verdict if i == len(answered) - 1 else None
        for check in attempt.checks:
            count = found.checks.setdefault(check.name, [0] * 6)
            count[4 if check.passed else 5] += 1
            if said in (0.0, 1.0):
                count[(0 if check.passed else 2) + (said == 0.0)] += 1


def _first(found: _Class, attempt: Attempt, record: StepRecord, verdict: float | None) -> None:
    whole = attempt.finish_reason != "length" and not attempt.estimated and attempt.output_tokens > 0
    if whole and (record.facts is None or record.facts.n == 1):
        found.lengths.append(max(1, attempt.output_tokens - attempt.reasoning_tokens))
    if verdict is not None:
        n, right = found.models.get(attempt.model, (0, 0.0))
        found.models[attempt.model] = n + 1, right + verdict


def _lengths(c: StepClass, found: _Class) -> Iterable[Number]:
    """Quantiles of visible output tokens, between order statistics (binomial, by its normal approximation)."""
    tokens, n = sorted(found.lengths), len(found.lengths)
    if n < LEAST_LENGTHS:
        return
    made = []
    for key, q in (("q50", 0.5), ("q90", 0.9)):
        half = Z95 * math.sqrt(n * q * (1.0 - q))
        low, mid, high = (tokens[min(n - 1, max(0, round(n * q + off)))] for off in (-half - 1, 0.0, half))
        made.append(Number(c.name, f"output.{key}", getattr(c.output, key), float(mid), float(low), float(high), n))
    if made[0].after < made[1].after:  # answers that are all as long say nothing that a policy can hold
        yield from made


def _rates(policy: Policy, c: StepClass, found: _Class) -> Iterable[Number]:
    """t and f of each check at the class.

    Whether an answer is judged depends on what its check said, so P(right | accepted) and P(right | rejected) are read
    off the judged ones, P(accepted) off all, and t and f follow by Bayes' rule. Intervals are those of Jeffreys'
    posteriors of the three, by drawing.
    """
    for name, n in sorted(found.checks.items()):
        draws = np.random.default_rng(0)
        prior = {**policy.rates, **c.rates}.get(name, Rates())
        good, bad, yes = (draws.beta(a + 0.5, b + 0.5, DRAWS) for a, b in ((n[0], n[1]), (n[2], n[3]), (n[4], n[5])))
        for key, accepted, rejected, count in (
            ("t", good * yes, bad * (1.0 - yes), n[0] + n[2]),
            ("f", (1.0 - good) * yes, (1.0 - bad) * (1.0 - yes), n[1] + n[3]),
        ):
            if count >= LEAST_JUDGED:
                low, now, high = np.quantile(accepted / (accepted + rejected), (0.025, 0.5, 0.975))
                what, was = f"rates.{name}.{key}", getattr(prior, key)
                yield Number(c.name, what, was, *_rounded(float(now), float(low), float(high)), count)


def _rounded(now: float, low: float, high: float) -> tuple[float, float, float]:
    return round(now, 4), round(low, 4), round(high, 4)


def _seen(name: str, found: _Class) -> Iterable[Seen]:
    for model, (n, right) in sorted(found.models.items()):
        yield Seen(model, name, n, right, *wilson(right, n))


def wilson(right: float, n: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927)."""
    p, z2 = right / n, Z95**2
    middle, half = p + z2 / (2 * n), Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)


def changed(policy: Policy, made: Tuned, name: str, date: str) -> dict[str, Any]:
    """The policy under another name with its changed numbers, as a file has it."""
    out: dict[str, Any] = _plain(policy.model_dump(mode="python", by_alias=True, exclude_unset=True))
    out["name"], out["description"] = name, f"{policy.name} with numbers learned until {date}."
    classes = {c["name"]: c for c in out["classes"]}
    for number in made.changes:
        written = classes[number.step_class]
        part, *rest = number.key.split(".")
        if part == "output":
            now = policy.by_name[number.step_class].output
            lengths = written.setdefault("output", {})
            lengths.update({"q50": lengths.get("q50", now.q50), "q90": lengths.get("q90", now.q90)})
            lengths[rest[0]] = number.after
        else:
            check, key = rest
            known: Mapping[Any, Rates] = {**policy.rates, **policy.by_name[number.step_class].rates}
            prior = known.get(check, Rates())
            rates = written.setdefault("rates", {}).setdefault(check, {"t": prior.t, "f": prior.f})
            rates[key] = number.after
    return out


def _plain(value: Any) -> Any:
    """As YAML has it: sets in order."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value
