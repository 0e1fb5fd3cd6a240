"""What the log says of upstreams that fail."""

from __future__ import annotations

import logging

import pytest

from router.chronicle import EVERY_S, Chronicle
from router.health import FAILURES_TO_OPEN, Health
from router.outcome import Attempt, Outcome
from tests.clock import Clock


def outcome(*faults: str | None, status: int | None = None, deployment: str = "nim") -> Outcome:
    attempts = tuple(
        Attempt("n/off", "n", deployment, i, started=0.0, seconds=0.25, fault=fault, status=status)
        for i, fault in enumerate(faults)
    )
    return Outcome("dec_1", "key_zzz", "default", "code", False, 1.0, 0.0, 502, "error", attempts, run_id="run_zzz")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_failed_attempt_leaves_a_line(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Deployment, kind, status, and the decision to look up; no key and no run."""
    Chronicle(clock).observe(outcome("status", status=500))
    (line,) = caplog.records
    assert (line.name, line.levelno) == ("turnout", logging.WARNING)
    assert line.getMessage() == "n:nim failed: status, status 500 after 0.2 s (decision dec_1)"


def test_what_is_not_the_upstreams_fault_leaves_none(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """An answer, a request that is wrong, a caller that left."""
    Chronicle(clock).observe(outcome(None, "caller", "cancelled"))
    assert not caplog.records


def test_a_dead_upstream_does_not_fill_the_log(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """One line in ten seconds for each deployment; the next says how many were left out, once."""
    chronicle = Chronicle(clock)
    for _ in range(50):
        chronicle.observe(outcome("connect"))
    chronicle.observe(outcome("reset", deployment="vllm"))
    for _ in range(2):
        clock.now += EVERY_S
        chronicle.observe(outcome("timeout"))
    said = [line.getMessage() for line in caplog.records]
    assert [line.split(" after")[0] for line in said] == [
        "n:nim failed: connect",
        "n:vllm failed: reset",
        "n:nim failed: timeout",
        "n:nim failed: timeout",
    ]
    assert [line.endswith("; 49 more since its last line") for line in said] == [False, False, True, False]


def test_a_breaker_that_opens_or_closes_leaves_a_line(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Once each: not for a single fault, nor for a success in good times."""
    caplog.set_level(logging.INFO, "turnout")
    health = Health(clock, lambda: 0.0, Chronicle(clock).breaker)
    health.succeeded("n:nim")
    for _ in range(FAILURES_TO_OPEN):
        health.failed("n:nim")
    clock.now += 3.0
    health.begin("n:nim")
    health.failed("n:nim")
    clock.now += 6.0
    health.begin("n:nim")
    health.succeeded("n:nim")
    health.failed("n:nim")
    health.succeeded("n:nim")
    assert [(line.levelno, line.getMessage()) for line in caplog.records] == [
        (logging.WARNING, "n:nim fails again and again: left alone for 3 s"),
        (logging.WARNING, "n:nim fails again and again: left alone for 6 s"),
        (logging.INFO, "n:nim works again"),
    ]
