"""What earlier attempts of steps and earlier steps of runs left, and the decisions: moved by events, one by one.

The same events in the same order make the same state, so that every process that sees them knows the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from router.outcome import Past, Recall, Thread
from router.store.decisions import Decisions
from router.store.event import Taken
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
    __slots__ = ("at", "delivered", "size", "tries")

    def __init__(self, at: float) -> None:
        self.at = at
        self.tries: tuple[_Try, ...] = ()
        self.delivered = False
        self.size = 0

    def copy(self) -> _Step:
        new = _Step(self.at)
        new.tries, new.delivered, new.size = self.tries, self.delivered, self.size
        return new

    def take(self, new: Taken, now: float) -> list[str]:
        """The decisions that the request refuses. Keeps the tries that it built on, and those that ran beside it; adds
        its own if its answer went out.

        A try that the request knew and did not count (a fresh start, a resend of what never arrived) is forgotten.
        """
        self.delivered = new.delivered
        if not new.policy:
            return []  # refused for what it said, before anybody asked what it builds on
        self.size = new.decided.size if new.decided else 0
        began, known, kept, refused = now - new.seconds, new.judged_before, [], []
        for earlier in self.tries:
            if known[: len(earlier.arms)] == earlier.arms:
                known = known[len(earlier.arms) :]
                kept.append(earlier)
                refused.append(earlier.decision_id)
            elif earlier.at > began:
                kept.append(earlier)
        if self.delivered:
            # What is left of `known` are the rejected answers of a request of which this is the resend.
            arms = (*known, *(use.arm for use in new.uses))[-LONGEST:]
            kept.append(_Try(now, arms, new.decision_id))
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

    def copy(self) -> _Run:
        new = _Run(self.at)
        new.retries, new.cost, new.warm, new.past = self.retries, self.cost, dict(self.warm), self.past
        new.threads = dict(self.threads)
        return new

    def take(self, new: Taken, now: float) -> None:
        self.cost += new.cost_usd
        self.retries += new.retries_used
        for use in new.uses:
            if use.input_tokens:
                self.warm[use.model] = (use.input_tokens, now)
                self.past = (*self.past, Past(use.arm, use.visible, use.input_tokens))[-RECENT:]
        if new.thread is not None and new.delivered and new.uses:
            self._heard(new.thread, new.uses[-1].model, new.turn)

    def _heard(self, thread: str, wrote: str, turn: int) -> None:
        """Notes which model wrote the answer that the caller has got."""
        before = self.threads.pop(thread, None)
        if before is not None and before.model == wrote:
            turn = min(turn, before.since)
        self.threads[thread] = Thread(wrote, turn)  # the latest comes last
        if len(self.threads) > THREADS:
            del self.threads[next(iter(self.threads))]


T = TypeVar("T", _Step, _Run)

_NEW = Recall()


class State:
    """Forgets the least recently used beyond `capacity`, and what is older than `ttl` seconds. Times are its user's."""

    def __init__(self, capacity: int, ttl: float) -> None:
        self._steps: OrderedDict[tuple[str, str], _Step] = OrderedDict()
        self._runs: OrderedDict[tuple[str, str], _Run] = OrderedDict()
        self._decisions = Decisions(capacity, ttl)
        self._capacity, self._ttl = capacity, ttl

    def __len__(self) -> int:
        """Steps and runs that are remembered."""
        return len(self._steps) + len(self._runs)

    def recall(
        self, key_id: str, step_id: str | None, run_id: str | None, now: float, coming: Sequence[Taken] = ()
    ) -> Recall:
        """`coming`: events that are not here yet, as if they were."""
        if step_id is None and run_id is None:
            return _NEW
        step = self._steps.get((key_id, step_id)) if step_id else None
        run = self._runs.get((key_id, run_id)) if run_id else None
        if step is not None and now - step.at > self._ttl:
            step = None
        if run is not None and now - run.at > self._ttl:
            run = None
        if coming:
            step, run = step.copy() if step else _Step(now), run.copy() if run else _Run(now)
            for event in coming:
                if step_id and (event.key_id, event.step_id) == (key_id, step_id):
                    step.take(event, now)
                if run_id and (event.key_id, event.run_id) == (key_id, run_id):
                    run.take(event, now)
        return Recall(
            answered=tuple(t.arms for t in step.tries) if step else (),
            delivered=step.delivered if step else False,
            size=step.size if step else 0,
            run_retries=run.retries if run else 0,
            run_cost=run.cost if run else 0.0,
            warm={m: tokens for m, (tokens, at) in run.warm.items() if now - at < WARM_S} if run else {},
            past=run.past if run else (),
            threads=dict(run.threads) if run else {},
        )

    def take(self, new: Taken, now: float) -> Sequence[Change]:
        """Takes in a finished step. Returns what is known by it: of the step, and of others that it speaks of."""
        refused: list[str] = []
        if new.step_id:
            refused = self._touch(self._steps, (new.key_id, new.step_id), _Step, now).take(new, now)
        if new.run_id:
            self._touch(self._runs, (new.key_id, new.run_id), _Run, now).take(new, now)
        if new.decided is None:
            return ()
        return self._decisions.add(new.decided, began=now - new.seconds, refused=refused, fresh=new.fresh, now=now)

    def judge(self, key_id: str, said: Said, now: float) -> Filed:
        """Files a verdict. Raises NotFound, and Conflict where it contradicts another."""
        return self._decisions.judge(key_id, said, now)

    def knows(self, key_id: str, said: Said, now: float) -> bool:
        """Whether there is anything of `key_id` that the verdict could be on."""
        return self._decisions.knows(key_id, said, now)

    def clear(self) -> None:
        self._steps.clear()
        self._runs.clear()
        self._decisions.clear()

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
