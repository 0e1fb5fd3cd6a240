"""What really ran: every attempt that reached a simulated model, by lane and step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from router.simulate.speech import Said


class Entry(msgspec.Struct):
    """One request that a simulated model took, in simulated seconds."""

    arm: str
    attempt: int = 0
    """From 1, counted for this lane, step and arm; 0 where no model ran."""
    prompt_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    seconds: float = 0.0
    right: bool = False
    form: str = ""
    """`right`, or how it failed."""
    fault: str | None = None
    """The fault that was played, or `left` where the caller went away; the numbers are those of the whole answer."""

    def ran(self, attempt: int, prompt_tokens: int, choices: Sequence[Said], seconds: float) -> None:
        """Fills in what an attempt came to."""
        self.attempt, self.prompt_tokens, self.seconds = attempt, prompt_tokens, seconds
        self.output_tokens = sum(c.tokens for c in choices)
        self.reasoning_tokens = sum(c.reasoning for c in choices)
        self.right, self.form = choices[0].right, choices[0].form


class Ledger:
    """Entries in order of arrival, which only depends on the caller where it asks for a step one attempt at a time."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, list[Entry]]] = {}
        self._attempts: Counter[tuple[str, str, str]] = Counter()
        self._requests: Counter[tuple[str, str, str]] = Counter()

    def request(self, lane: str, step: str, arm: str) -> int:
        """Number, from 1, of this request of a lane for a step from an arm, faults counted in."""
        key = (lane, step, arm)
        self._requests[key] += 1
        return self._requests[key]

    def attempts(self, lane: str, step: str, arm: str, n: int) -> int:
        """Number, from 1, of the first of `n` answers that the arm now tries."""
        key = (lane, step, arm)
        self._attempts[key] += n
        return self._attempts[key] - n + 1

    def add(self, lane: str, step: str, entry: Entry) -> None:
        self._entries.setdefault(lane, {}).setdefault(step, []).append(entry)

    def clear(self) -> None:
        self._entries.clear()
        self._attempts.clear()
        self._requests.clear()

    def report(self, lane: str | None = None) -> dict[str, Any]:
        """`{lanes: {lane: {step: [entry, ...]}}}`, sorted by lane and step; one lane only where it is named."""
        lanes = sorted(self._entries) if lane is None else [name for name in (lane,) if name in self._entries]
        return {"lanes": {name: dict(sorted(self._entries[name].items())) for name in lanes}}
