"""What happened lately, for people who look at the server: decisions, what was said of them, policies read."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

import msgspec

from router.evidence import by_caller
from router.outcome import Outcome, Verdict
from router.verdicts import Judgement

KEPT = 200
"""Decisions that are remembered: some ten kilobytes each."""
LOADS = 20
"""Changes of policies that are remembered."""
BINS = 10
Z95 = 1.959963984540054
"""The standard normal's 0.975 quantile."""


class Seen(msgspec.Struct, frozen=True):
    """One step, and what was said of it so far."""

    number: int
    """Counts up from 1, one for each step since the start."""
    outcome: Outcome
    verdicts: tuple[Verdict, ...] = ()


class Bin(msgspec.Struct, frozen=True):
    """First answers whose predicted P(success) lay in one tenth, and how they were judged."""

    low: float
    """Lower edge."""
    count: int = 0
    predicted: float = 0.0
    """Sum of what was predicted."""
    right: float = 0.0
    """Sum of what callers said, 1 for right."""

    def interval(self) -> tuple[float, float]:
        """Wilson's 95% score interval of the share that was right (E. B. Wilson, JASA 22, 1927)."""
        n, share = self.count, self.right / self.count
        middle = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        reach = Z95 / (1 + Z95**2 / n) * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
        return max(0.0, middle - reach), min(1.0, middle + reach)


class Loaded(msgspec.Struct, frozen=True):
    """Policies that began to serve."""

    at: float
    """Unix time."""
    versions: Mapping[str, str]
    """Policy → digest of its file."""


class Recent:
    """Told of every outcome and of every verdict. Forgets the oldest."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._count = 0
        self._steps: dict[str, Seen] = {}
        """By decision, in the order in which they ended."""
        self.bins: tuple[Bin, ...] = tuple(Bin(i / BINS) for i in range(BINS))
        self.loads: deque[Loaded] = deque(maxlen=LOADS)

    def observe(self, outcome: Outcome) -> None:
        self._count += 1
        self._steps[outcome.decision_id] = Seen(self._count, outcome)
        if len(self._steps) > KEPT:
            del self._steps[next(iter(self._steps))]

    def judged(self, judgement: Judgement) -> None:
        about, verdict = judgement
        if (seen := self._steps.get(about.decision_id)) is not None:
            kept = tuple(v for v in seen.verdicts if v.source != verdict.source)
            self._steps[about.decision_id] = msgspec.structs.replace(seen, verdicts=(*kept, verdict))
        # The first opinion on a first answer: a later one would count the same answer again.
        if by_caller(verdict) and about.p is not None and about.opinions == 1 and len(about.answers) == 1:
            at = min(BINS - 1, int(about.p * BINS))
            old = self.bins[at]
            new = Bin(old.low, old.count + 1, old.predicted + about.p, old.right + verdict.success)
            self.bins = (*self.bins[:at], new, *self.bins[at + 1 :])

    def loaded(self, versions: Mapping[str, str]) -> None:
        """Takes the policies that serve from now on."""
        self.loads.append(Loaded(self._clock(), dict(versions)))

    def last(self, most: int, after: int = 0) -> Iterator[Seen]:
        """The last steps, the latest first; only those with a number above `after`."""
        steps = list(self._steps.values())  # in one go: those who look do it in threads of their own
        return (seen for seen in steps[: -most - 1 : -1] if seen.number > after)

    def find(self, decision_id: str) -> Seen | None:
        return self._steps.get(decision_id)
