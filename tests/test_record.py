"""What is gathered of a step while it runs, and who is told of its outcome."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from router.errors import BudgetExhausted, UpstreamFault
from router.hints import Hints
from router.outcome import Attempt, Outcome
from router.plan import Decision
from router.record import Incoming, Observers, Record
from router.step import Facts, StepRequest
from router.terms import Terms
from router.wire import chat
from tests.clock import Clock
from tests.plan.small import catalog, choose

INCOMING = Incoming(b"{}", {}, "key-id", "req_1")
ATTEMPT = Attempt("n/off", "n", "main", 0, started=0.0, seconds=1.0, cost_usd=0.5)


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


def begun(clock: Clock, *, verify: Any = "checks", refused: tuple[str, ...] = (), **hints: Any) -> Record:
    """A record of a step whose terms are known."""
    record = Record(INCOMING, clock)
    record.identify(StepRequest(model="auto", fields={}, messages=(), size=2, stream=True), Hints(**hints))
    record.asked(Terms(policy="default", step_class="code", verify=verify), Facts(turn=2), refused)
    return record


def test_a_step_that_fails_before_it_is_understood_is_recorded_too(clock: Clock) -> None:
    """With what is known: whose it was and how long it took."""
    record = Record(INCOMING, clock)
    clock.now += 0.25
    record.failed(BudgetExhausted("spent", code="run_budget_exhausted"))
    found = record.build((), False)
    assert (found.key_id, found.policy, found.step_class, found.stream) == ("key-id", "", "none", False)
    assert (found.status, found.result, found.error) == (429, "error", "run_budget_exhausted")
    assert (found.seconds, found.overhead_s, found.decision, found.attempts) == (0.25, 0.0, None, ())
    assert (found.step_id, found.run_id, found.judged_before, found.again) == (None, None, (), False)
    assert record.request_id == "req_1"


def test_a_failure_that_nobody_foresaw_is_an_error(clock: Clock) -> None:
    """The record says so by itself, without being told."""
    found = begun(clock).build((), False)
    assert (found.status, found.result, found.error) == (500, "error", "internal_error")


def test_an_answer_is_recorded_with_all_that_led_to_it(clock: Clock) -> None:
    """Time of the decision and time of the whole, decision and attempts, ids, and what the caller refused before."""
    decision: Decision = choose(catalog())
    record = begun(clock, refused=("n/off",), step_id="s", run_id="r")
    clock.now += 0.5
    record.decided(decision)
    clock.now += 2.0
    assert record.elapsed() == 2.5
    record.answered(rejected=False)
    found = record.build([ATTEMPT], True)
    assert (found.overhead_s, found.seconds, found.cost_usd, found.committed) == (0.5, 2.5, 0.5, True)
    assert found.decision is decision and found.attempts == (ATTEMPT,)
    assert (found.policy, found.step_class, found.stream, found.error) == ("default", "code", True, None)
    assert (found.step_id, found.run_id, found.judged_before, found.again) == ("s", "r", ("n/off",), True)
    assert record.facts == Facts(turn=2)


@pytest.mark.parametrize(
    ("verify", "rejected", "result"),
    [
        ("checks", False, "accepted"),
        ("checks", True, "rejected"),
        ("none", False, "returned"),
        ("caller", False, "returned"),
    ],
)
def test_an_answer_that_nobody_checked_is_not_called_accepted(
    clock: Clock, verify: str, rejected: bool, result: str
) -> None:
    """Silence is not success."""
    record = begun(clock, verify=verify)
    record.answered(rejected)
    found = record.build((), True)
    assert (found.status, found.result) == (200, result)


def test_how_a_stream_ends(clock: Clock) -> None:
    """Whole, with a failure after its first byte, or with the caller gone."""
    record = begun(clock)
    record.returned()
    assert (record.build((), True).status, record.build((), True).result) == (200, "returned")
    record.failed(UpstreamFault("truncated", "cut"))
    assert record.build((), True).error == "upstream_error"
    gone = begun(clock)
    gone.left()
    assert (gone.build((), True).status, gone.build((), True).result, gone.build((), True).error) == (
        499,
        "disconnected",
        None,
    )


@pytest.mark.parametrize(
    ("hints", "refused", "again"),
    [({}, (), False), ({"attempt": 1}, (), False), ({"attempt": 2}, (), True), ({}, ("n/off",), True)],
)
def test_a_retry_is_known_by_what_it_refuses_or_by_its_number(
    clock: Clock, hints: dict[str, Any], refused: tuple[str, ...], again: bool
) -> None:
    """`attempt=2` is one also where nobody remembers the first."""
    assert begun(clock, refused=refused, **hints).build((), False).again is again


def test_decision_ids_cannot_be_guessed(clock: Clock) -> None:
    """Outcomes are reported under them: 96 random bits each."""
    ids = {Record(INCOMING, clock).decision_id for _ in range(100)}
    assert len(ids) == 100 and all(i.startswith("dec_") and len(i) == 28 for i in ids)


def test_a_failing_observer_harms_neither_the_step_nor_the_others(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged and counted by name, and the next is told all the same."""
    told: list[Outcome] = []
    failed: list[str] = []

    def broken(outcome: Outcome) -> None:
        raise KeyError("disk")

    with caplog.at_level(logging.ERROR, "turnout"):
        outcome = begun(clock).build((), False)
        Observers({"first": told.append, "journal": broken, "last": told.append}, failed.append).tell(outcome)
    assert told == [outcome, outcome] and failed == ["journal"]
    assert "'journal' failed to take an outcome" in caplog.text


TEXTS: list[tuple[list[dict[str, Any]], int, str | None]] = [
    ([{"role": "user", "content": "Hello."}], 100, "Hello."),
    ([{"role": "user", "content": "Hello."}], 0, None),
    ([{"role": "user", "content": "first"}, {"role": "user", "content": "second"}], 100, "second"),
    ([{"role": "user", "content": "asked"}, {"role": "assistant", "content": "said"}], 100, "asked"),
    ([{"role": "user", "content": "a" * 90 + "b" * 90}], 40, "a" * 30 + "\n" + "b" * 10),
    ([{"role": "user", "content": [{"type": "text", "text": "part"}]}], 100, "part"),
    ([{"role": "system", "content": "rules"}], 100, None),
    ([{"role": "user", "content": ""}], 100, None),
]


@pytest.mark.parametrize(("messages", "keep", "text"), TEXTS)
def test_text_is_kept_only_as_far_as_asked(
    clock: Clock, messages: list[dict[str, Any]], keep: int, text: str | None
) -> None:
    """Of the last user message: so many bytes of its beginning and end; none unless the settings ask for it."""
    record = Record(INCOMING, clock, keep)
    record.identify(chat.parse(msgspec.json.encode({"model": "auto", "messages": messages})), Hints())
    assert record.build((), False).text == text


def test_what_a_step_was_decided_by_is_recorded(clock: Clock) -> None:
    """Its facts, its hints, and the version of its policy."""
    record = begun(clock, accuracy=0.9)
    record.asked(Terms(policy="default", step_class="code"), Facts(turn=3), (), "0123456789ab")
    found = record.build((), False)
    assert (found.facts, found.hints, found.policy_version) == (Facts(turn=3), Hints(accuracy=0.9), "0123456789ab")
    assert Record(INCOMING, clock).build((), False).facts is None
