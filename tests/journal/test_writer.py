"""The queue and its thread: order, batches, loss that is counted, a sink that fails and recovers, the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec
import pytest

from router.journal import Journal, records
from router.journal.records import OutcomeRecord, VerdictRecord
from router.journal.writer import SLICE, Allowance
from tests.clock import Clock
from tests.journal.made import Sink, Told, outcome, plain, verdict


def until(holds: Callable[[], bool]) -> None:
    """Waits for the thread."""
    limit = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.005)


def ids(sink: Sink) -> list[str]:
    return [records.decode(line).decision_id for line in sink.lines]


def test_all_that_is_taken_is_written_in_order() -> None:
    """Outcomes and verdicts alike, in slices, and the sink is closed at the end."""
    sink, told = Sink(), Told()
    journal = Journal(sink, **told.callables)
    for i in range(100):
        journal.observe(plain(i))
    journal.verdict(verdict(7))
    journal.start()
    journal.close()
    assert ids(sink) == [*(f"dec_{i}" for i in range(100)), "dec_7"]
    assert isinstance(records.decode(sink.lines[-1]), VerdictRecord)
    assert (told.written, told.dropped, told.degraded) == (101, 0, [])
    assert sink.closed and max(sink.batches) <= SLICE and journal.waiting == 0


def test_records_are_written_while_it_runs() -> None:
    """Nobody has to close it first."""
    sink = Sink()
    journal = Journal(sink, **Told().callables)
    journal.start()
    journal.observe(outcome())
    until(lambda: len(sink.lines) == 1)
    journal.observe(outcome(1))
    until(lambda: len(sink.lines) == 2)
    journal.close()
    assert isinstance(records.decode(sink.lines[0]), OutcomeRecord)


def test_a_full_queue_drops_the_oldest_and_counts() -> None:
    """Serving never waits for the journal."""
    sink, told = Sink(), Told()
    journal = Journal(sink, buffer=10, **told.callables)
    for i in range(25):
        journal.observe(plain(i))
    assert (journal.waiting, told.dropped) == (10, 15)
    journal.start()
    journal.close()
    assert ids(sink) == [f"dec_{i}" for i in range(15, 25)]


def test_a_sink_that_fails_is_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """What waits is written when it recovers; beyond the bound the oldest are lost, and counted."""
    caplog.set_level(logging.INFO, "turnout")
    sink, told, clock = Sink(), Told(), Clock(100.0)
    journal = Journal(sink, buffer=20, clock=clock, **told.callables)
    sink.broken = True
    journal.observe(plain(0))
    assert not journal._turn()
    for i in range(1, 31):
        journal.observe(plain(i))
        clock.now += 0.5
        assert not journal._turn()
    assert told.degraded == [True] and sink.lines == []
    assert (journal.waiting, told.dropped) == (21, 10)
    sink.broken = False
    assert not journal._turn()
    clock.now += 1.0
    assert journal._turn() and told.degraded == [True, False]
    assert journal._turn() and ids(sink) == ["dec_0", *(f"dec_{i}" for i in range(11, 31))]
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == [
        "journal: cannot be written: [Errno 28] No space left on device. Serving goes on; up to 20 records wait"
    ]
    assert "journal: writes again" in caplog.text


def test_closing_on_a_broken_sink_gives_up(caplog: pytest.LogCaptureFixture) -> None:
    """After one more try, saying how many records are lost."""
    sink, told = Sink(), Told()
    sink.broken = True
    journal = Journal(sink, **told.callables)
    for i in range(40):
        journal.observe(plain(i))
    journal.start()
    journal.close()
    assert (told.dropped, journal.waiting) == (40, 40)
    assert "40 records are lost" in caplog.text and "cannot be closed" in caplog.text


def test_closing_waits_for_a_hanging_sink_only_so_long(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not answer must not keep the process from ending."""
    monkeypatch.setattr("router.journal.writer.CLOSE_S", 0.1)
    sink = Sink()
    released: list[bool] = []

    def hang() -> None:
        while not released:
            time.sleep(0.01)

    monkeypatch.setattr(sink, "tend", hang)
    journal = Journal(sink, **Told().callables)
    journal.start()
    until(lambda: journal._thread.is_alive())
    time.sleep(0.1)
    journal.observe(plain(1))
    journal.close()
    assert "the disk does not answer; 1 records may be lost" in caplog.text
    released.append(True)
    journal._thread.join(10)
    assert ids(sink) == ["dec_1"]


def test_a_journal_that_never_began_closes() -> None:
    """An application that fails to start ends all the same."""
    sink = Sink()
    journal = Journal(sink, **Told().callables)
    journal.close()
    assert not sink.closed


def test_a_record_that_cannot_be_made_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and counted; the thread lives."""
    sink, told = Sink(), Told()
    journal = Journal(sink, **told.callables)
    journal.observe(plain(1))
    journal.observe(plain(2, decision="not a decision"))
    journal.observe(plain(3))
    journal.start()
    journal.close()
    assert ids(sink) == ["dec_1", "dec_3"] and (told.written, told.dropped) == (2, 1)
    assert "a record of dec_2 cannot be made" in caplog.text


def test_frontiers_are_worked_out_only_so_often() -> None:
    """Each is a search; under load the CPU is for steps, so a burst has few and the rest say None."""
    sink, clock = Sink(), Clock(100.0)
    journal = Journal(sink, clock=clock, **Told().callables)
    for i in range(30):
        journal.observe(outcome(i))
    while journal.waiting:
        journal._turn()
    plans = [msgspec.json.decode(line)["plans"] is not None for line in sink.lines]
    assert plans == [True] * 20 + [False] * 10
    assert all(msgspec.json.decode(line)["offers"] for line in sink.lines)


def test_an_allowance_fills_up_with_time() -> None:
    """So many a second, never more than a second's worth at once."""
    clock = Clock(100.0)
    allowance = Allowance(10.0, clock)
    assert [allowance.take() for _ in range(11)] == [True] * 10 + [False]
    clock.now += 0.1001
    assert [allowance.take(), allowance.take()] == [True, False]
    clock.now += 100
    assert sum(allowance.take() for _ in range(50)) == 10
