"""State is bounded, and what a step refuses is told by order and arms; more of it through the store, in test_memory."""

from __future__ import annotations

from msgspec.structs import replace

from router.store.event import taken
from router.store.state import State
from tests.journal.made import outcome


def test_the_least_recently_used_goes() -> None:
    """Beyond its capacity a state forgets whole runs and steps, those not heard of for the longest time."""
    state = State(2, 100.0)
    for number in range(4):
        state.take(replace(taken(outcome(number)), step_id=f"s{number}", run_id=f"r{number}"), float(number))
    assert len(state) == 4
    assert (
        state.recall("key-hash", "s1", "r1", 4.0).run_cost == 0.0 < state.recall("key-hash", "s3", "r3", 4.0).run_cost
    )
    state.clear()
    assert len(state) == 0


def test_a_request_refused_for_what_it_said_tells_nothing() -> None:
    """It has no policy, no decision, and takes back that the step's last answer arrived."""
    state = State(2, 100.0)
    state.take(taken(outcome()), 1.0)
    assert state.recall("key-hash", "step", None, 2.0).delivered
    refused = taken(outcome(1, policy="", decision=None, attempts=(), status=400, result="error"))
    assert state.take(refused, 2.0) == ()
    recall = state.recall("key-hash", "step", None, 3.0)
    assert not recall.delivered and len(recall.answered) == 1
