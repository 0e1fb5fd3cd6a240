"""Events wait in order, are bounded, count as if they had come, and go when they have come back or are lost."""

from __future__ import annotations

from msgspec.structs import replace

from router.store.event import Taken, Told, taken
from router.store.outbox import Outbox, opened
from router.verdicts import Said
from tests.journal.made import outcome


def step(number: int, **changes: object) -> Taken:
    return replace(taken(outcome(number)), **{"step_id": f"s{number}", "run_id": "run", **changes})


def box(capacity: int = 100) -> tuple[Outbox, list[int]]:
    lost: list[int] = []
    return Outbox(lost.append, capacity), lost


def numbers(data: bytes) -> list[int]:
    return [number for number, _ in opened(data)]


def test_batches_are_bounded_in_number_and_bytes() -> None:
    """In order, none twice once it is sent; an event larger than a batch goes alone."""
    out, _ = box()
    events = [step(n) for n in range(5)]
    assert [out.put(e) for e in events] == [1, 2, 3, 4, 5]
    batch = out.batch(2, 10**6)
    assert batch is not None and numbers(batch[0]) == [1, 2] and batch[1:] == (2, 2)
    assert [e for _, e in opened(batch[0])] == events[:2]
    assert out.batch(2, 10**6) == batch  # until it is sent
    out.sent(2, (1, 0))
    alone = out.batch(9, 1)
    assert alone is not None and numbers(alone[0]) == [3]
    out.sent(5, (2, 0))
    assert out.batch(9, 10**6) is None and len(out) == 5


def test_many_in_one_entry() -> None:
    """More than a short array holds."""
    out, _ = box()
    for n in range(70):
        out.put(Told("k", Said("run", str(n), 1.0, "caller", 0.0)))
    batch = out.batch(64, 10**6)
    assert batch is not None and numbers(batch[0]) == list(range(1, 65))


def test_what_came_back_is_gone() -> None:
    """By its number, in whatever order answers come; one that comes back counts as sent."""
    out, lost = box()
    for n in range(3):
        out.put(step(n))
    out.came(1)
    out.came(1)
    assert len(out) == 2 and not lost
    batch = out.batch(9, 10**6)
    assert batch is not None and numbers(batch[0]) == [2, 3]


def test_what_was_lost_on_the_way_is_sent_again() -> None:
    """The log went on beyond the place that it was to have: a failover has lost it."""
    out, lost = box()
    for n in range(3):
        out.put(step(n))
    out.sent(2, (5, 0))
    out.passed((4, 9))
    assert len(out) == 3
    out.passed((5, 0))
    assert (len(out), lost) == (3, [])
    batch = out.batch(9, 10**6)
    assert batch is not None and numbers(batch[0]) == [3, 4, 5]
    assert [e.decision_id for e in out.coming("key-hash", None, "run")] == ["dec_2", "dec_0", "dec_1"]


def test_the_oldest_are_lost_where_there_is_no_room() -> None:
    """And told of; what is left is still sent in order."""
    out, lost = box(capacity=2)
    for n in range(5):
        out.put(step(n))
    assert (len(out), sum(lost)) == (2, 3)
    batch = out.batch(9, 10**6)
    assert batch is not None and numbers(batch[0]) == [4, 5]
    empty, _ = box(capacity=0)
    empty.put(step(1))
    assert empty.batch(9, 10**6) is None


def test_coming() -> None:
    """The steps of this step or this run of this key, each once, in order."""
    out, _ = box()
    assert list(out.coming("key-hash", "s1", "run")) == []
    for event in (step(1), step(2), step(3, run_id="other"), Told("k", Said("run", "run", 1.0, "caller", 0.0))):
        out.put(event)
    assert [e.decision_id for e in out.coming("key-hash", "s1", "run")] == ["dec_1", "dec_2"]
    assert [e.decision_id for e in out.coming("key-hash", "s3", None)] == ["dec_3"]
    assert list(out.coming("another", "s1", "run")) == []


def test_knows() -> None:
    """What a verdict could be on."""
    out, _ = box()
    out.put(step(1))
    for kind, name in (("decision", "dec_1"), ("step", "s1"), ("run", "run")):
        said = Said(kind, name, 1.0, "caller", 0.0)  # type: ignore[arg-type]
        assert out.knows("key-hash", said) and not out.knows("another", said)
        assert not out.knows("key-hash", said._replace(name="x"))
