"""What is kept of the decisions of a day, and how it is found."""

from __future__ import annotations

from typing import Any

import pytest

from router.errors import Conflict, NotFound
from router.evidence import Decided
from router.store.decisions import CLOSED_AT_ONCE, OPEN, RESEND_S, RUN_STEPS, Decisions
from router.verdicts import LONGEST, Change, Filed, Said
from tests.decided import answer, decided


class World:
    """Decisions, and a clock."""

    def __init__(self, capacity: int = 1000, ttl: float = 86_400.0) -> None:
        self.now = 1000.0
        self.decisions = Decisions(capacity, ttl)

    def add(self, name: str, *, refused: tuple[str, ...] = (), fresh: bool = False, **changes: Any) -> list[Change]:
        """A request that takes one second."""
        self.now += 1.0
        return self.take(decided(name, **changes), began=self.now - 1.0, refused=refused, fresh=fresh)

    def take(self, new: Decided, **how: Any) -> list[Change]:
        return self.decisions.add(new, now=self.now, **{"began": self.now, "refused": (), "fresh": False, **how})

    def judge(self, name: str, success: float = 1.0, kind: Any = "decision", key: str = "key", **more: Any) -> Filed:
        return self.decisions.judge(key, Said(kind, name, success, more.pop("source", "caller"), 1.0, **more), self.now)


def signs(changes: list[Change]) -> list[tuple[str, float]]:
    return [(j.about.decision_id, j.verdict.success) for c in changes for j in c.judgements]


def arms(filed: Filed) -> int:
    """Attempts in the evidence of a verdict."""
    (change,) = filed.changes
    return len(change.said.trials)


def test_the_requests_for_a_step_are_one_case() -> None:
    """Found by any of its decisions; a fresh start and a nameless step begin one of their own."""
    world = World()
    world.add("d1")
    assert signs(world.add("d2", refused=("d1",))) == [("d1", 0.0)]
    world.add("d3", fresh=True)
    world.add("d4", step_id=None)
    world.add("d5", step_id="other")
    assert [arms(world.judge(f"d{i}")) for i in range(1, 6)] == [2, 2, 1, 1, 1]


def test_a_case_that_is_full_is_followed_by_another() -> None:
    """So that no update grows without bound, and nothing that was learned is taken back by forgetting."""
    world = World()
    for i in range(LONGEST + 1):
        world.add(f"d{i}")
    assert arms(world.judge("d0")) == LONGEST and arms(world.judge(f"d{LONGEST}")) == 1


def test_what_is_too_old_or_too_much_is_forgotten() -> None:
    """Whole cases at a time, those first that were not heard of for the longest time."""
    world = World(capacity=2, ttl=100.0)
    world.add("a1", step_id="a")
    world.add("b1", step_id="b")
    world.add("a2", step_id="a")
    world.add("c1", step_id="c")
    with pytest.raises(NotFound):
        world.judge("b1")
    assert arms(world.judge("a1")) == arms(world.judge("a2")) == 2
    world.now += 99.5
    with pytest.raises(NotFound):
        world.judge("a2", source="late")
    assert world.judge("c1").decisions == 1
    world.now += 1.0
    for kind, name in (("decision", "c1"), ("step", "c"), ("step", "a")):
        with pytest.raises(NotFound):
            world.judge(name, kind=kind)
    world.add("c2", step_id="c")
    assert arms(world.judge("c", kind="step")) == 1
    assert len(world.decisions._cases) == 1 and not world.decisions._later


@pytest.mark.parametrize("kind", ["decision", "step", "run"])
def test_another_key_finds_nothing(kind: str) -> None:
    """Nor does anybody find what is not there, and the two look alike."""
    world = World()
    world.add("d1", run_id="r")
    name = {"decision": "d1", "step": "s", "run": "r"}[kind]
    with pytest.raises(NotFound) as others:
        world.judge(name, kind=kind, key="other")
    with pytest.raises(NotFound) as unknown:
        world.judge("nope", kind=kind)
    assert others.value.body() == unknown.value.body()
    assert (others.value.code, others.value.param) == ("outcome_not_found", f"{kind}_id")
    assert world.judge(name, kind=kind).decisions == 1


def test_a_verdict_makes_nothing_younger() -> None:
    """A day after the step it is gone, however often it was judged."""
    world = World(ttl=100.0)
    world.add("d1", run_id="r")
    world.now += 90.0
    world.judge("d1")
    world.judge("r", kind="run", source="other")
    world.now += 20.0
    for kind, name in (("decision", "d1"), ("run", "r")):
        with pytest.raises(NotFound):
            world.judge(name, kind=kind)


def test_an_idempotency_key_belongs_to_one_verdict_of_one_caller() -> None:
    """For as long as steps are remembered."""
    world = World(ttl=100.0)
    world.add("d1")
    first = world.judge("d1", idempotency_key="k")
    assert world.judge("d1", idempotency_key="k") == Filed(first.id, 1)
    with pytest.raises(Conflict):
        world.judge("d1", 0.0, idempotency_key="k")
    with pytest.raises(NotFound):
        world.judge("d1", idempotency_key="k", key="other")
    world.now += 101.0
    world.add("d2")
    assert world.judge("d2", 0.0, idempotency_key="k").changes


def test_a_verdict_that_is_refused_leaves_its_key_free() -> None:
    """The next try may be right."""
    world = World()
    with pytest.raises(NotFound):
        world.judge("d1", idempotency_key="k")
    world.add("d1")
    assert world.judge("d1", idempotency_key="k").changes


def test_a_runs_verdict_counts_once_for_each_step() -> None:
    """For its last answer, by source; steps that come later are not judged."""
    world = World()
    world.add("a1", step_id="a", run_id="r")
    world.add("a2", step_id="a", run_id="r", refused=("a1",))
    world.add("b1", step_id="b", run_id="r")
    world.add("c1", step_id=None, run_id="r")
    filed = world.judge("r", 0.0, "run")
    assert [j.about.decision_id for c in filed.changes for j in c.judgements] == ["a2", "b1", "c1"]
    assert world.judge("r", 0.0, "run") == Filed(filed.id, 3)
    world.add("d1", step_id="d", run_id="r")
    assert world.judge("r", 0.0, "run") == Filed(filed.id, 3)
    with pytest.raises(Conflict):
        world.judge("r", 1.0, "run")
    assert world.judge("r", 1.0, "run", source="other").decisions == 4


def test_a_runs_verdict_reaches_its_latest_steps() -> None:
    """As many as an update can take."""
    world = World()
    for i in range(RUN_STEPS + 5):
        world.add(f"d{i}", step_id=None, run_id="r")
    filed = world.judge("r", 1.0, "run")
    assert filed.decisions == RUN_STEPS and filed.changes[0].judgements[0].about.decision_id == "d5"


def test_a_runs_next_step_closes_those_before_it() -> None:
    """Not those that ran beside it, nor the same step once more, nor those of another run."""
    world = World()
    world.add("a1", step_id="a", run_id="r")
    world.add("x1", step_id="x", run_id="other")
    began = world.now
    world.now += 1.0
    assert signs(world.take(decided("b1", step_id="b", run_id="r"), began=began - 1.5)) == []
    assert signs(world.add("a2", step_id="a", run_id="r")) == [("b1", 1.0)]
    assert signs(world.add("c1", step_id="c", run_id="r")) == [("a2", 1.0)]


def test_a_run_that_nobody_heard_of_for_a_day_begins_anew() -> None:
    """Its old steps are not closed by it."""
    world = World(ttl=100.0)
    world.add("a1", step_id="a", run_id="r")
    world.now += 101.0
    assert signs(world.add("b1", step_id="b", run_id="r")) == []
    assert world.judge("r", 1.0, "run").decisions == 1


def test_a_run_has_so_many_open_steps_at_most() -> None:
    """The others are closed by time alone."""
    world = World()
    began = world.now
    for i in range(OPEN + 3):
        world.take(decided(f"d{i}", answer(p=0.99), step_id=f"s{i}", run_id="r"), began=began - 1.0)
    world.now += 1.0
    assert len(signs(world.take(decided("last", step_id="last", run_id="r")))) == OPEN


def test_windows_close_a_few_at_a_time() -> None:
    """So that no step waits for a burst of them; what is judged or asked for again by then says nothing."""
    world = World()
    for i in range(5):
        world.add(f"d{i}", step_id=f"s{i}")
    world.judge("d1")
    world.add("again", step_id="s2", refused=("d2",))
    world.now += RESEND_S + 1.0
    closed = [signs(world.add(f"later{i}", step_id=None)) for i in range(4)]
    assert closed == [[("d0", 1.0)], [("d3", 1.0)], [("d4", 1.0), ("again", 1.0)], []]
    assert CLOSED_AT_ONCE == 2


def test_a_window_of_what_is_forgotten_closes_in_silence() -> None:
    """There is nobody left to learn of it."""
    world = World(capacity=1)
    world.add("d1", step_id="a")
    world.add("d2", step_id="b")
    world.now += RESEND_S + 1.0
    assert signs(world.add("d3", step_id="c")) == [("d2", 1.0)]


def test_closing_forgets_everything() -> None:
    """Nothing is left behind."""
    world = World()
    world.add("d1", run_id="r")
    world.decisions.clear()
    for kind, name in (("decision", "d1"), ("step", "s"), ("run", "r")):
        with pytest.raises(NotFound):
            world.judge(name, kind=kind)


@pytest.mark.parametrize("kind", ["decision", "step"])
def test_a_decision_without_an_answer_can_be_named_but_not_judged(kind: str) -> None:
    """The verdict is taken and counts for nothing."""
    world = World()
    world.add("d1", answers=(), delivered=False)
    filed = world.judge("d1" if kind == "decision" else "s", kind=kind)
    assert filed.decisions == 0 and not filed.changes[0].moves
