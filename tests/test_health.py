"""Circuit breakers, moved by a clock that only the test moves."""

from __future__ import annotations

import pytest

from router.health import FAILURES_TO_OPEN, LONGEST_PAUSE_S, PROBE_S, PROBES, Health

A, B = "nemotron:nim", "qwen:vllm"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class World:
    """A Health with one key to fail at and a clock."""

    def __init__(self, jitter: float = 1.0) -> None:
        self.clock = Clock()
        self.health = Health(self.clock, lambda: jitter)

    def after(self, seconds: float) -> Health:
        self.clock.now += seconds
        return self.health

    def open(self) -> Health:
        for _ in range(FAILURES_TO_OPEN):
            self.health.failed(A)
        return self.health

    def half_open(self) -> Health:
        self.open()
        return self.after(3.0)


def test_in_good_times_nobody_is_unhealthy() -> None:
    """And nothing is remembered: reports of success and of calls that told nothing leave no trace."""
    health = World().health
    assert health.unhealthy() == frozenset() and health.begin(A) and health.state(A) == "closed"
    health.succeeded(A)
    health.abandoned(A)
    assert health.unhealthy() is health.unhealthy()
    assert health.retry_after(frozenset({A})) == 1.0


def test_five_faults_in_a_row_open_the_breaker_for_three_seconds() -> None:
    """Of that deployment alone."""
    world = World()
    for _ in range(FAILURES_TO_OPEN - 1):
        world.health.failed(A)
        assert world.health.begin(A) and world.health.state(A) == "closed"
    world.health.failed(A)
    assert world.health.unhealthy() == {A} and not world.health.begin(A) and world.health.begin(B)
    assert world.health.state(A) == "open" and world.health.state(B) == "closed"
    assert world.after(1.0).retry_after(frozenset({A, B})) == 2.0
    assert world.after(1.9).unhealthy() == {A}
    assert world.after(0.2).unhealthy() == frozenset() and world.health.state(A) == "half_open"


def test_a_success_in_between_begins_the_count_anew() -> None:
    """Single faults are no outage."""
    health = World().health
    for _ in range(3 * FAILURES_TO_OPEN):
        health.failed(A)
        health.succeeded(A)
    health.abandoned(A)
    assert health.begin(A) and health.state(A) == "closed"
    for _ in range(FAILURES_TO_OPEN - 1):
        health.failed(A)
    health.succeeded(B)
    health.abandoned(A)
    assert health.state(A) == "closed"
    health.failed(A)
    assert health.state(A) == "open"


def test_after_the_pause_a_few_probes_go_through() -> None:
    """One that tells nothing makes room for the next, one that succeeds closes the breaker."""
    health = World().half_open()
    assert [health.begin(A) for _ in range(PROBES + 1)] == [True] * PROBES + [False]
    assert health.unhealthy() == {A} and health.state(A) == "half_open"
    assert health.retry_after(frozenset({A})) == 1.0
    health.abandoned(A)
    assert health.unhealthy() == frozenset()
    assert health.begin(A) and not health.begin(A)
    health.succeeded(A)
    assert health.state(A) == "closed" and all(health.begin(A) for _ in range(100))


def test_probes_that_never_report_do_not_lock_a_deployment_out() -> None:
    """A long stream tells of its success only at its end, and one that is lost never does."""
    world = World()
    health = world.half_open()
    assert all(health.begin(A) for _ in range(PROBES)) and not health.begin(A)
    assert world.after(PROBE_S - 1).unhealthy() == {A}
    assert world.after(1).unhealthy() == frozenset()
    assert [health.begin(A) for _ in range(PROBES + 1)] == [True] * PROBES + [False]


def test_each_failed_probe_doubles_the_pause_up_to_thirty_seconds() -> None:
    """Over hours of outage too: the exponent must not overflow."""
    world = World()
    health = world.half_open()
    pauses = []
    for _ in range(2000):
        assert health.begin(A)
        health.failed(A)
        pauses.append(health.retry_after(frozenset({A})))
        world.after(pauses[-1])
    assert pauses[:5] == [6.0, 12.0, 24.0, 30.0, 30.0] and set(pauses[5:]) == {LONGEST_PAUSE_S}
    health.succeeded(A)
    world.open()
    assert health.retry_after(frozenset({A})) == 3.0


def test_jitter_shortens_later_pauses_by_at_most_half() -> None:
    """So that many replicas do not come back in the same moment."""
    world = World(jitter=0.0)
    world.half_open().failed(A)
    assert world.health.retry_after(frozenset({A})) == 3.0


def test_a_burst_of_faults_counts_once() -> None:
    """64 calls under way when a server dies all fail: they must not add up to the longest pause."""
    world = World()
    for _ in range(64):
        world.health.failed(A)
    assert world.health.retry_after(frozenset({A})) == 3.0
    health = world.after(3.0)
    assert all(health.begin(A) for _ in range(PROBES))
    for _ in range(PROBES):
        health.failed(A)
    assert health.retry_after(frozenset({A})) == 6.0


def test_what_began_before_a_pause_does_not_end_it() -> None:
    """A server that is shutting down finishes its old streams and refuses every new call."""
    world = World()
    world.open().succeeded(A)
    assert world.health.state(A) == "open"
    assert world.after(3.0).state(A) == "half_open"


@pytest.mark.parametrize(("told", "left_alone"), [(2.0, 2.0), (0.5, 1.0), (59.0, 59.0), (1e9, 60.0)])
def test_a_retry_after_is_heeded_at_once(told: float, left_alone: float) -> None:
    """One 429 suffices; its word is capped at a minute, and afterwards no probing is needed."""
    world = World()
    world.health.failed(A, told)
    assert world.health.unhealthy() == {A} and not world.health.begin(A) and world.health.state(A) == "open"
    assert world.health.retry_after(frozenset({A})) == left_alone
    world.health.succeeded(A)  # one that was under way: the word of the refusal still holds
    assert world.health.unhealthy() == {A}
    health = world.after(60.0)
    assert health.state(A) == "closed" and all(health.begin(A) for _ in range(100))


def test_a_later_word_can_only_lengthen_the_pause() -> None:
    """Whichever of several refusals comes first."""
    world = World()
    for told in (20.0, 5.0):
        world.health.failed(A, told)
    assert world.health.retry_after(frozenset({A})) == 20.0
    world.health.failed(A, 30.0)
    world.health.failed(A)
    assert world.health.retry_after(frozenset({A})) == 30.0


def test_a_retry_after_of_nothing_still_counts() -> None:
    """A server that fails every call and always says `retry-after: 0` is broken too."""
    world = World()
    for _ in range(FAILURES_TO_OPEN):
        world.health.failed(A, 0.0)
    assert world.health.retry_after(frozenset({A})) == 3.0
    world.after(3.0).failed(A, 40.0)
    assert world.health.retry_after(frozenset({A})) == 40.0
