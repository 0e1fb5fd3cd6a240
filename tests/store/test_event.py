"""What one process tells another of a finished step is all that the other needs to know the same."""

from __future__ import annotations

import msgspec
import pytest

from router.outcome import Recall
from router.store.event import Event, Taken, Told, taken
from router.store.state import State
from router.verdicts import Said
from tests.journal.made import outcome

DECODER = msgspec.msgpack.Decoder(tuple[int, Event])


def test_events_survive_being_sent() -> None:
    """A step with its reports, and a verdict, come out as they went in, told apart."""
    for event in (taken(outcome(), reports=True), Told("key", Said("run", "r", 0.5, "caller", 1.0, "why", "idem"))):
        assert DECODER.decode(msgspec.msgpack.encode((7, event))) == (7, event)


@pytest.mark.parametrize(
    ("changes", "delivered"),
    [({}, True), ({"status": 502}, False), ({"result": "disconnected"}, False), ({"status": 499}, False)],
)
def test_delivered(changes: dict[str, object], delivered: bool) -> None:
    """Only an answer that went out whole was anybody's to judge."""
    assert taken(outcome(**changes)).delivered is delivered


def test_a_step_and_its_run() -> None:
    """What it used is what the run's next step is told; choices share an answer's tokens."""
    event = taken(outcome())
    assert [(u.arm, u.input_tokens, u.visible) for u in event.uses] == [
        ("n/off", 8_000, 1_500),
        ("q122/off", 8_000, 700),
    ]
    assert event.heard is None and event.cost_usd == pytest.approx(0.005) and event.retries_used == 1
    assert isinstance(event, Taken)


def test_the_same_events_make_the_same_state() -> None:
    """Two states that are told the same know the same, and what is on its way counts as if it had come."""
    first, second = State(10, 100.0), State(10, 100.0)
    events = [taken(outcome(n, hints=None)) for n in range(3)]
    for event in events:
        changes = first.take(event, 5.0)
        assert changes == second.take(event, 5.0)
    assert first.recall("key-hash", "step", "run", 6.0) == second.recall("key-hash", "step", "run", 6.0) != Recall()
    third = State(10, 100.0)
    third.take(events[0], 5.0)
    coming = third.recall("key-hash", "step", "run", 5.0, events[1:])
    assert coming == first.recall("key-hash", "step", "run", 6.0)
    assert third.recall("key-hash", "step", "run", 5.0).run_cost == pytest.approx(0.005)
    assert third.recall("key-hash", "new", "new", 5.0, events) == Recall()
    assert State(10, 100.0).recall("key-hash", "step", "run", 5.0, events) == coming
    assert third.recall("another", "step", "run", 5.0, events) == Recall()


def test_what_a_verdict_could_be_on() -> None:
    """Known by decision, step and run, to the key that asked and no other, for as long as it is remembered."""
    state = State(10, 100.0)
    state.take(taken(outcome()), 5.0)
    for kind, name in (("decision", "dec_0"), ("step", "step"), ("run", "run")):
        said = Said(kind, name, 1.0, "caller", 0.0)  # type: ignore[arg-type]
        assert state.knows("key-hash", said, 6.0)
        assert not state.knows("another", said, 6.0) and not state.knows("key-hash", said, 106.0)
        assert not state.knows("key-hash", said._replace(name="other"), 6.0)
