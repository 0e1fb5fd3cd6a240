"""The decisions of the last day, each with what was said of it: kept as bytes, found by decision, step or run."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection
from typing import NamedTuple, TypeVar

import msgspec

from router import verdicts
from router.errors import Conflict, NotFound
from router.evidence import Case, Decided
from router.store.habits import Habits
from router.verdicts import LONGEST, Change, Filed, Said

RESEND_S = 600.0
"""Seconds after which a step that nobody asked for again counts as not asked for again; less where its run goes on."""
RUN_STEPS = 256
"""Steps of a run, the latest, that its verdict reaches."""
OPEN = 64
"""Steps of a run that may wait for its next one."""
CLOSED_AT_ONCE = 2
"""Windows closed with each decision, so that a burst of them never makes a step wait."""


class _Kept(NamedTuple):
    at: float
    data: bytes
    """The case as msgpack: a third of what its objects would take, and nothing for the collector to walk."""
    later: tuple[str, ...]
    """Its decisions after the first, whose id is the case's."""


class _Run:
    __slots__ = ("at", "cases", "open", "said")

    def __init__(self, at: float) -> None:
        self.at = at
        self.cases: OrderedDict[str, None] = OrderedDict()
        self.open: dict[str, tuple[str | None, float]] = {}
        """Decision → its step, and when it ended."""
        self.said: dict[str, tuple[float, Filed]] = {}
        """Source → what it said of the run, and what became of that."""


class _Told(NamedTuple):
    at: float
    content: tuple[str, str, float, str]
    filed: Filed


K = TypeVar("K")
V = TypeVar("V")
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(tuple[Decided, ...]).decode


class Decisions:
    """At most `capacity` cases, none older than `ttl` seconds. Times are the store's, in seconds."""

    def __init__(self, capacity: int, ttl: float) -> None:
        self._capacity, self._ttl = capacity, ttl
        self._cases: OrderedDict[str, _Kept] = OrderedDict()
        self._later: dict[str, str] = {}
        self._steps: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._runs: OrderedDict[tuple[str, str], _Run] = OrderedDict()
        self._told: OrderedDict[tuple[str, str], _Told] = OrderedDict()
        self._due: deque[tuple[float, str]] = deque(maxlen=capacity)
        self._habits = Habits()

    def add(self, new: Decided, *, began: float, refused: Collection[str], fresh: bool, now: float) -> list[Change]:
        """Takes in a decision that began at `began`, and says what changes by it.

        `refused`: earlier decisions of its step that it refuses by being asked for. `fresh`: the caller starts afresh.
        """
        changes = self._expired(new.at, now)
        new = self._habits.known(new)
        step = (new.key_id, new.step_id) if new.step_id else None
        name = self._steps.get(step) if step and not fresh else None
        case = self._load(name, now) if name else ()
        if name is None or not 0 < len(case) < LONGEST:
            name, case = new.decision_id, ()
        case, change = verdicts.begun(case, new, refused)
        self._keep(name, case, now)
        if step:
            _put(self._steps, step, name, self._capacity)
        listens = self._habits.listens(new)
        if listens:
            self._due.append((now + RESEND_S, new.decision_id))
        if new.run_id:
            changes += self._in_run(new, name, began, now, listens)
        changes.append(change)
        self._habits.learn(new, changes)
        return changes

    def judge(self, key_id: str, said: Said, now: float) -> Filed:
        """Files a verdict. Raises NotFound, and Conflict where it contradicts what was said before."""
        if said.idempotency_key is None:
            return self._judge(key_id, said, now)
        key = (key_id, said.idempotency_key)
        told = self._told.get(key)
        if told is not None and now - told.at <= self._ttl:
            if told.content != said.content:
                raise Conflict(
                    "The idempotency_key belongs to another verdict. Use a new one for each.",
                    param="idempotency_key",
                    code="idempotency_key_reused",
                )
            return told.filed
        filed = self._judge(key_id, said, now)
        _put(self._told, key, _Told(now, said.content, _repeat(filed)), self._capacity)
        return filed

    def knows(self, key_id: str, said: Said, now: float) -> bool:
        """Whether there is anything of `key_id` that the verdict could be on."""
        if said.kind == "run":
            run = self._runs.get((key_id, said.name))
            return run is not None and now - run.at <= self._ttl
        case = self._find(self._steps.get((key_id, said.name)) if said.kind == "step" else said.name, now)[1]
        return any(one.key_id == key_id for one in case)

    def clear(self) -> None:
        for table in (self._cases, self._later, self._steps, self._runs, self._told, self._due):
            table.clear()

    def _judge(self, key_id: str, said: Said, now: float) -> Filed:
        if said.kind == "run":
            return self._judge_run(key_id, said, now)
        name: str | None = said.name
        if said.kind == "step":
            name = self._steps.get((key_id, said.name))
        case_name, case = self._find(name, now)
        at = verdicts.place(case, said.name) if said.kind == "decision" else verdicts.final(case)
        at = len(case) - 1 if at is None and said.kind == "step" else at  # nothing answered: there is nothing to judge
        if not case or at is None or case[at].key_id != key_id:
            raise unknown(said)
        case, filed = verdicts.judged(case, case[at].decision_id, said)
        for change in filed.changes:
            self._store(case_name, case)
            for about, verdict in change.judgements:
                self._habits.told(about, verdict)
        return filed

    def _judge_run(self, key_id: str, said: Said, now: float) -> Filed:
        run = self._runs.get((key_id, said.name))
        if run is None or now - run.at > self._ttl:
            raise unknown(said)
        if verdicts.repeated({source: success for source, (success, _) in run.said.items()}, said):
            return run.said[said.source][1]
        found = verdicts.spread([case for name in run.cases if (case := self._load(name, now))], said)
        for case, _ in found:
            self._store(case[0].decision_id, case)
        filed = Filed(
            verdicts.identity(key_id, said.name, said.source), len(found), tuple([change for _, change in found])
        )
        run.said[said.source] = (said.success, _repeat(filed))
        return filed

    def _in_run(self, new: Decided, name: str, began: float, now: float, listens: bool) -> list[Change]:
        """Adds a decision to its run: by going on, the run took the answers that it had before."""
        assert new.run_id is not None
        key = (new.key_id, new.run_id)
        run = self._runs.get(key)
        if run is None or now - run.at > self._ttl:
            run = _Run(now)
        run.at = now
        run.cases[name] = None
        run.cases.move_to_end(name)
        while len(run.cases) > RUN_STEPS or next(iter(run.cases)) not in self._cases:
            run.cases.popitem(last=False)  # too many, or forgotten: a run may go on for ever
        over = [d for d, (step, ended) in run.open.items() if (step is None or step != new.step_id) and ended <= began]
        changes = []
        for decision_id in over:
            del run.open[decision_id]
            changes += self._close(decision_id, new.at, now)
        if listens and len(run.open) < OPEN:
            run.open[new.decision_id] = (new.step_id, now)
        _put(self._runs, key, run, self._capacity)
        return changes

    def _expired(self, at: float, now: float) -> list[Change]:
        """Closes some of the windows that are over."""
        changes: list[Change] = []
        for _ in range(CLOSED_AT_ONCE):
            if not self._due or self._due[0][0] > now:
                break
            changes += self._close(self._due.popleft()[1], at, now)
        return changes

    def _close(self, decision_id: str, at: float, now: float) -> list[Change]:
        name, case = self._find(decision_id, now)
        one = verdicts.silent(case, decision_id)
        if one is None:
            return []
        says = 0.0 if one.judged else self._habits.says(one)
        self._habits.silent(one)
        if one.judged or not says:
            return []
        case, change = verdicts.closed(case, one, at, says)
        self._store(name, case)
        return [change]

    def _find(self, decision_id: str | None, now: float) -> tuple[str, Case]:
        """The case of a decision, by its name; an empty one where nothing is known of it."""
        name = self._later.get(decision_id, decision_id) if decision_id else ""
        return name, self._load(name, now)

    def _load(self, name: str, now: float) -> Case:
        kept = self._cases.get(name)
        return _DECODE(kept.data) if kept is not None and now - kept.at <= self._ttl else ()

    def _store(self, name: str, case: Case) -> None:
        """Puts a case that has been judged in its place; it gets no older and no younger."""
        self._cases[name] = self._cases[name]._replace(data=_ENCODE(case))

    def _keep(self, name: str, case: Case, now: float) -> None:
        self._cases[name] = _Kept(now, _ENCODE(case), tuple([one.decision_id for one in case[1:]]))
        self._cases.move_to_end(name)
        if len(case) > 1:
            self._later[case[-1].decision_id] = name
        while len(self._cases) > self._capacity or now - next(iter(self._cases.values())).at > self._ttl:
            for decision_id in self._cases.popitem(last=False)[1].later:
                self._later.pop(decision_id, None)


def _put(table: OrderedDict[K, V], key: K, value: V, capacity: int) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > capacity:
        table.popitem(last=False)


def _repeat(filed: Filed) -> Filed:
    """The same, told again: nothing changes by it."""
    return Filed(filed.id, filed.decisions)


def unknown(said: Said) -> NotFound:
    """The same for what never was, what is forgotten, and what is another caller's."""
    return NotFound(
        f"Nothing is known of this {said.kind}. It may be too old, or of another key.",
        param=f"{said.kind}_id",
        code="outcome_not_found",
    )
