"""State of one process, bounded in number and time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from router.evidence import decided
from router.outcome import Outcome, Past, Recall, Thread
from router.store.decisions import Decisions
from router.store.shelf import Shelf
from router.verdicts import Change, Filed, Said

WARM_S = 300.0
"""Seconds for which a prompt cache is taken to hold a run's prefix: the usual life of provider caches."""

RECENT = 4
"""Answers of a run that the length of its next one is told by."""
THREADS = 16
"""Conversations of one run that are remembered: the agent's own and its sub-agents'."""
LONGEST = 16
"""Requests remembered of one step, and arms of one request: as many as the `attempt` hint can count."""


class _Try(NamedTuple):
    at: float
    """When its answer had gone out."""
    arms: tuple[str, ...]
    decision_id: str


class _Step:
    __slots__ = ("at", "delivered", "tries")

    def __init__(self, at: float) -> None:
        self.at = at
        self.tries: tuple[_Try, ...] = ()
        self.delivered = False

    def take(self, outcome: Outcome, now: float) -> list[str]:
        """The decisions that the request refuses. Keeps the tries that it built on, and those that ran beside it; adds
        its own if its answer went out.

        A try that the request knew and did not count (a fresh start, a resend of what never arrived) is forgotten.
        """
        # An answer that never reached the caller was judged by nobody: the same step sent again is no verdict on it.
        self.delivered = outcome.status == 200 and outcome.result != "disconnected"
        if not outcome.policy:
            return []  # refused for what it said, before anybody asked what it builds on
        began, known, kept, refused = now - outcome.seconds, outcome.judged_before, [], []
        for earlier in self.tries:
            if known[: len(earlier.arms)] == earlier.arms:
                known = known[len(earlier.arms) :]
                kept.append(earlier)
                refused.append(earlier.decision_id)
            elif earlier.at > began:
                kept.append(earlier)
        if self.delivered:
            # What is left of `known` are the rejected answers of a request of which this is the resend.
            arms = (*known, *(a.arm for a in outcome.attempts if a.answered))[-LONGEST:]
            kept.append(_Try(now, arms, outcome.decision_id))
        self.tries = tuple(kept[-LONGEST:])
        return refused


class _Run:
    __slots__ = ("at", "cost", "past", "retries", "threads", "warm")

    def __init__(self, at: float) -> None:
        self.at = at
        self.retries = 0
        self.cost = 0.0
        self.warm: dict[str, tuple[int, float]] = {}
        self.past: tuple[Past, ...] = ()
        self.threads: dict[str, Thread] = {}

    def heard(self, outcome: Outcome) -> None:
        """Notes which model wrote the answer that the caller has got."""
        wrote = next((a.model for a in reversed(outcome.attempts) if a.answered), None)
        if outcome.thread is None or outcome.status != 200 or wrote is None:
            return
        turn = outcome.facts.turn if outcome.facts else 0
        before = self.threads.pop(outcome.thread, None)
        if before is not None and before.model == wrote:
            turn = min(turn, before.since)
        self.threads[outcome.thread] = Thread(wrote, turn)  # the latest comes last
        if len(self.threads) > THREADS:
            del self.threads[next(iter(self.threads))]


T = TypeVar("T", _Step, _Run)

_NEW = Recall()


class MemoryStore:
    """The default store. Forgets the least recently used beyond `capacity`, and anything older than `ttl` seconds."""

    def __init__(
        self,
        *,
        capacity: int = 40_000,
        ttl: float = 86_400.0,
        kept_bytes: int = 32_000_000,
        kept_ttl: float = 86_400.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`kept_bytes` and `kept_ttl` bound what `keep` holds, `capacity` and `ttl` all the rest."""
        self._steps: OrderedDict[tuple[str, str], _Step] = OrderedDict()
        self._runs: OrderedDict[tuple[str, str], _Run] = OrderedDict()
        self._decisions = Decisions(capacity, ttl)
        self._shelf = Shelf(kept_bytes, kept_ttl)
        self._capacity, self._ttl, self._clock = capacity, ttl, clock

    async def recall(self, key_id: str, step_id: str | None, run_id: str | None) -> Recall:
        if step_id is None and run_id is None:
            return _NEW
        now = self._clock()
        step = self._steps.get((key_id, step_id)) if step_id else None
        run = self._runs.get((key_id, run_id)) if run_id else None
        if step is not None and now - step.at > self._ttl:
            step = None
        if run is not None and now - run.at > self._ttl:
            run = None
        return Recall(
            answered=tuple(t.arms for t in step.tries) if step else (),
            delivered=step.delivered if step else False,
            run_retries=run.retries if run else 0,
            run_cost=run.cost if run else 0.0,
            warm={m: tokens for m, (tokens, at) in run.warm.items() if now - at < WARM_S} if run else {},
            past=run.past if run else (),
            threads=dict(run.threads) if run else {},
        )

    async def record(self, outcome: Outcome) -> Sequence[Change]:
        now = self._clock()
        refused: list[str] = []
        if outcome.step_id:
            refused = self._touch(self._steps, (outcome.key_id, outcome.step_id), _Step, now).take(outcome, now)
        if outcome.run_id:
            run = self._touch(self._runs, (outcome.key_id, outcome.run_id), _Run, now)
            run.cost += outcome.cost_usd
            run.retries += outcome.retries_used
            run.heard(outcome)
            n = outcome.facts.n if outcome.facts else 1
            for a in outcome.attempts:
                if a.answered and a.input_tokens:
                    run.warm[a.model] = (a.input_tokens, now)
                    visible = (a.output_tokens - a.reasoning_tokens) // n
                    run.past = (*run.past, Past(a.arm, visible, a.input_tokens))[-RECENT:]
        if (new := decided(outcome)) is None:
            return ()
        fresh = outcome.hints is not None and outcome.hints.attempt == 1
        return self._decisions.add(new, began=now - outcome.seconds, refused=refused, fresh=fresh, now=now)

    async def judge(self, key_id: str, said: Said) -> Filed:
        return self._decisions.judge(key_id, said, self._clock())

    async def keep(self, key_id: str, name: str, data: bytes) -> None:
        self._shelf.put(key_id, name, data, self._clock())

    async def kept(self, key_id: str, names: Sequence[str]) -> Sequence[bytes | None]:
        return self._shelf.get(key_id, names, self._clock())

    async def forget(self, key_id: str, name: str) -> bool:
        return self._shelf.drop(key_id, name)

    async def close(self) -> None:
        self._steps.clear()
        self._runs.clear()
        self._decisions.clear()
        self._shelf.clear()

    def _touch(
        self, table: OrderedDict[tuple[str, str], T], key: tuple[str, str], kind: Callable[[float], T], now: float
    ) -> T:
        entry = table.get(key)
        if entry is None or now - entry.at > self._ttl:
            entry = table[key] = kind(now)
        entry.at = now
        table.move_to_end(key)
        while len(table) > self._capacity or now - next(iter(table.values())).at > self._ttl:
            table.popitem(last=False)  # the one not heard of for the longest time
        return entry
