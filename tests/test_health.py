"""Circuit breakers, moved by a clock that only the test moves."""

from __future__ import annotations

import pytest

from router.health import FAILURES_TO_OPEN, LEAST_CALLS, LONGEST_PAUSE_S, NOTHING, PROBE_S, PROBES, Closed, Health
from tests.clock import Clock

A, B = "nemotron:nim", "qwen:vllm"


class World:
    """A Health with one key to fail at and a clock."""

    def __init__(self, jitter: float = 0.0) -> None:
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
    assert health.closed().keys == frozenset() and health.begin(A) and health.state(A) == "closed"
    health.succeeded(A)
    health.abandoned(A)
    assert health.closed().keys is health.closed().keys
    assert health.closed().wait == 1.0


def test_five_faults_in_a_row_open_the_breaker_for_three_seconds() -> None:
    """Of that deployment alone."""
    world = World()
    for _ in range(FAILURES_TO_OPEN - 1):
        world.health.failed(A)
        assert world.health.begin(A) and world.health.state(A) == "closed"
    world.health.failed(A)
    assert world.health.closed().keys == {A} and not world.health.begin(A) and world.health.begin(B)
    assert world.health.state(A) == "open" and world.health.state(B) == "closed"
    assert world.after(1.0).closed().wait == 2.0
    assert world.after(1.9).closed().keys == {A}
    assert world.after(0.2).closed().keys == frozenset() and world.health.state(A) == "half_open"


def test_a_success_in_between_begins_the_count_anew() -> None:
    """Single faults are no outage."""
    health = World().health
    for _ in range(3 * FAILURES_TO_OPEN):
        health.failed(A)
        health.succeeded(A)
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
    assert health.closed().keys == {A} and health.state(A) == "half_open"
    assert health.closed().wait == 1.0
    health.abandoned(A)
    assert health.closed().keys == frozenset()
    assert health.begin(A) and not health.begin(A)
    health.succeeded(A)
    assert health.state(A) == "closed" and all(health.begin(A) for _ in range(100))


def test_probes_that_never_report_do_not_lock_a_deployment_out() -> None:
    """A long stream tells of its success only at its end, and one that is lost never does."""
    world = World()
    health = world.half_open()
    assert all(health.begin(A) for _ in range(PROBES)) and not health.begin(A)
    assert world.after(PROBE_S - 1).closed().keys == {A}
    assert world.after(1).closed().keys == frozenset()
    assert [health.begin(A) for _ in range(PROBES + 1)] == [True] * PROBES + [False]


def test_each_failed_probe_doubles_the_pause_up_to_thirty_seconds() -> None:
    """Over hours of outage too: the exponent must not overflow."""
    world = World()
    health = world.half_open()
    pauses = []
    for _ in range(2000):
        assert health.begin(A)
        health.failed(A)
        pauses.append(health.closed().wait)
        world.after(pauses[-1])
    assert pauses[:5] == [6.0, 12.0, 15.0, 15.0, 15.0] and set(pauses[5:]) == {LONGEST_PAUSE_S / 2}
    health.succeeded(A)
    world.open()
    assert health.closed().wait == 3.0


def test_jitter_spreads_pauses_over_three_to_thirty_seconds() -> None:
    """So that many replicas do not come back in the same moment; each pause is at most twice the shortest."""
    for jitter, pauses in ((0.0, [3.0, 6.0, 12.0, 15.0, 15.0]), (1.0, [6.0, 12.0, 24.0, 30.0, 30.0])):
        world = World(jitter)
        world.open()
        for pause in pauses:
            assert world.health.closed().wait == pause
            world.after(pause).failed(A)


def test_a_burst_of_faults_counts_once() -> None:
    """64 calls under way when a server dies all fail: they must not add up to the longest pause."""
    world = World()
    for _ in range(64):
        world.health.failed(A)
    assert world.health.closed().wait == 3.0
    health = world.after(3.0)
    assert all(health.begin(A) for _ in range(PROBES))
    for _ in range(PROBES):
        health.failed(A)
    assert health.closed().wait == 6.0


def test_what_began_before_a_pause_does_not_end_it() -> None:
    """A server that is shutting down finishes its old streams and refuses every new call."""
    world = World()
    world.open().succeeded(A)
    assert world.health.state(A) == "open"
    assert world.after(3.0).state(A) == "half_open"


@pytest.mark.parametrize(("told", "left_alone"), [(2.0, 2.0), (0.5, 1.0), (None, 1.0), (59.0, 59.0), (1e9, 60.0)])
def test_the_word_of_a_429_is_heeded_at_once(told: float | None, left_alone: float) -> None:
    """One suffices; its word is capped at a minute and lasts a second at least, and afterwards no probing is needed."""
    world = World()
    world.health.limited(A, told)
    assert world.health.closed() == Closed(frozenset({A}), wait=left_alone, limited=True)
    assert not world.health.begin(A) and world.health.state(A) == "open"
    world.health.succeeded(A)  # one that was under way: the word of the refusal still holds
    assert world.health.closed().keys == {A}
    health = world.after(60.0)
    assert health.state(A) == "closed" and all(health.begin(A) for _ in range(100))


def test_however_many_429s_open_no_breaker() -> None:
    """Who refuses is alive: a burst of refusals is no outage, and nothing grows with it."""
    world = World()
    for _ in range(100):
        world.health.limited(A, None)
    assert world.health.closed().wait == 1.0
    assert world.after(1.0).closed().keys == frozenset() and world.health.state(A) == "closed"


def test_all_limited_is_told_apart_from_broken() -> None:
    """Limited only if all that are shut said so themselves."""
    world = World()
    world.health.limited(A, 5.0)
    world.health.limited(B, 7.0)
    assert world.health.closed() == Closed(frozenset({A, B}), wait=5.0, limited=True)
    assert world.health.closed(frozenset({B})) == Closed(frozenset({B}), wait=7.0, limited=True)
    world.health.failed(B, 20.0)
    assert not world.health.closed().limited and world.health.closed(frozenset({A})).limited
    world.health.limited(B, 30.0)  # it is shut for faults: a 429 in that time changes only how long
    assert not world.health.closed().limited


def test_a_later_word_can_only_lengthen_the_pause() -> None:
    """Whichever of several refusals comes first, with 429 or 503."""
    world = World()
    for told in (20.0, 5.0):
        world.health.limited(A, told)
    assert world.health.closed().wait == 20.0
    world.health.failed(A, 30.0)
    world.health.failed(A)
    assert world.health.closed().wait == 30.0


def test_a_retry_after_of_nothing_still_counts() -> None:
    """A server that fails every call and always says `retry-after: 0` is broken too."""
    world = World()
    for _ in range(FAILURES_TO_OPEN):
        world.health.failed(A, 0.0)
    assert world.health.closed().wait == 3.0
    world.after(3.0).failed(A, 40.0)
    assert world.health.closed().wait == 40.0


def test_half_of_the_calls_failing_opens_the_breaker() -> None:
    """Though never five in a row; fewer than twenty calls say nothing yet."""
    world = World()
    for call in range(LEAST_CALLS):
        assert world.health.state(A) == "closed", call
        (world.health.succeeded if call % 2 else world.health.failed)(A)
    world.health.failed(A)
    assert world.health.state(A) == "open"


def test_faults_long_ago_are_forgotten() -> None:
    """The shares are of the last ten seconds."""
    world = World()
    for _ in range(LEAST_CALLS - 1):
        world.health.failed(A)
        world.health.succeeded(A)
        world.after(1.3)
    assert world.after(11.0).state(A) == "closed"
    world.health.succeeded(A)
    assert world.health.closed() is NOTHING
    for _ in range(LEAST_CALLS):
        world.health.succeeded(A)  # nothing is counted once it is quiet
    world.health.failed(A)
    assert world.health.state(A) == "closed"


def slow(world: World) -> Health:
    for _ in range(LEAST_CALLS):
        world.health.succeeded(A, slow=True)
    return world.health


def test_a_deployment_that_only_answers_slowly_is_planned_around() -> None:
    """But not refused: where nobody else is, slow is better than nothing."""
    world = World()
    health = slow(world)
    assert health.closed() == Closed(frozenset({A}), frozenset({A}), wait=3.0) and health.state(A) == "open"
    assert health.begin(A)
    health.succeeded(A, slow=True)  # within the pause: no news
    assert health.closed().wait == 3.0
    assert world.after(3.0).state(A) == "half_open"
    health.succeeded(A, slow=True)
    assert health.closed().wait == 6.0
    world.after(6.0).succeeded(A)
    assert health.closed() is NOTHING and health.state(A) == "closed"


def test_a_slow_answer_of_one_that_failed_closes_its_breaker() -> None:
    """It answers again; that it is slow is a matter of its own."""
    world = World()
    world.half_open().succeeded(A, slow=True)
    assert world.health.state(A) == "closed"
    assert world.health.closed() is NOTHING


def test_some_slow_answers_are_none_of_its_business() -> None:
    """Under four in five."""
    world = World()
    for call in range(10 * LEAST_CALLS):
        world.health.succeeded(A, slow=call % 4 > 0)
    assert world.health.closed() is NOTHING


def test_a_slow_deployment_that_says_429_is_left_alone() -> None:
    """Its own word counts, though there be nobody else."""
    world = World()
    slow(world).limited(A, 9.0)
    assert not world.health.begin(A) and world.health.closed().slow == frozenset()


def test_what_replicas_tell_each_other() -> None:
    """A breaker that opens here opens there, and closes there too; hearing of it is told to nobody again."""
    here, there = World(), World()
    told: list[tuple[str, float | None]] = []
    here.health = Health(here.clock, lambda: 0.0, lambda key, pause: told.append((key, pause)))
    here.open()
    for key, pause in told:
        there.health.hear(key, pause)
    assert there.health.closed() == here.health.closed() == Closed(frozenset({A}), wait=3.0)
    here.after(3.0).succeeded(A)
    there.after(1.0).hear(*told[-1])
    assert told == [(A, 3.0), (A, None)]
    assert there.health.closed() is NOTHING and there.health.state(A) == "closed"
    there.health.hear(B, None)
    there.health.hear(A, 1e9)
    assert there.health.closed().wait == 60.0
