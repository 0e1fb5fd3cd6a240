"""The limit of calls at once and the queue before it, on a clock that only the test moves."""

from __future__ import annotations

import asyncio

import pytest

from router.attempts import Admission
from router.attempts.admission import HOLD_S, LEAST, LONGEST_QUEUE, Verdict
from tests.clock import Clock

D = "m:d"


class World:
    """An Admission, its clock, and what it told."""

    def __init__(self, cap: int = 16) -> None:
        self.clock, self.cap = Clock(1000.0), cap
        self.told: list[str] = []
        self.admission = Admission(self.clock, lambda key, event: self.told.append(event))

    def fill(self) -> int:
        """Enters as often as it may."""
        count = 0
        while self.admission.enter(D, self.cap):
            count += 1
        return count

    def leave(self, verdict: Verdict, times: int = 1, took: float = 1.0) -> None:
        for _ in range(times):
            self.admission.leave(D, self.clock.now - took, verdict)

    @property
    def limit(self) -> int:
        return self.admission.limit(D, self.cap)

    def round(self, verdict: Verdict) -> None:
        """As many calls as may be, all ending so."""
        count = self.fill()
        self.clock.now += 1.0
        self.leave(verdict, count)

    async def wait(self, seconds: float = 1.0, expected: float = 0.1) -> bool:
        return await self.admission.wait(D, seconds, expected, elsewhere=False)


def test_the_catalogs_limit_is_the_cap() -> None:
    """No more enter, and a place that is given back can be taken."""
    world = World(cap=3)
    assert world.limit == 3 and world.admission.free(D) and world.admission.wait_s(D, 1.0) == 0.0
    assert world.fill() == 3 and not world.admission.free(D)
    assert world.admission.inflight[D] == 3
    world.leave("unknown")
    assert world.admission.free(D) and world.fill() == 1


def test_a_burst_is_refused_down_to_what_is_served() -> None:
    """64 at once where 40 are served: after one round the limit is 40, after 30 seconds it probes for more."""
    world = World(cap=64)
    assert world.fill() == 64
    world.leave("refused", 24)
    assert world.limit == 40
    world.leave("served", 40)
    assert world.limit == 40 and world.fill() == 40
    world.clock.now += HOLD_S
    world.leave("served", 40)
    assert 42 <= world.limit <= 46


def test_a_burst_halves_the_limit_at_most() -> None:
    """A single round may be a mishap; the next one halves it again, down to a few."""
    world = World(cap=64)
    limits = []
    for _ in range(8):
        world.round("refused")
        limits.append(world.limit)
        world.clock.now += 1.0
    assert limits[:4] == [32, 16, 8, 4] and limits[-1] == LEAST


def test_of_one_round_only_the_first_slow_answer_counts() -> None:
    """A tenth less for each round of slow answers."""
    world = World(cap=100)
    world.round("slow")
    assert world.limit == 90
    world.clock.now += 1.0
    world.round("slow")
    assert world.limit == 81


def test_a_low_cap_is_never_undercut() -> None:
    """One that is stated as two stays at two."""
    world = World(cap=2)
    for _ in range(5):
        world.round("refused")
        world.clock.now += 1.0
    assert world.limit == 2


def test_a_refusal_with_few_in_flight_is_no_reason_to_close_down() -> None:
    """It is a matter of tokens a minute, which Retry-After governs."""
    world = World(cap=1000)
    world.admission.enter(D, 1000)
    world.leave("refused")
    assert world.limit == LEAST


def test_it_grows_back_to_the_cap_only_under_load() -> None:
    """By the square root of the limit each round, once the time without growth is over."""
    world = World(cap=64)
    world.round("refused")
    world.clock.now += HOLD_S
    for _ in range(50):
        world.admission.enter(D, 64)
        world.leave("served")
    assert world.limit == 32
    rounds = 0
    while world.limit < 64:
        world.round("served")
        rounds += 1
    assert 4 <= rounds <= 12


def test_what_says_nothing_changes_nothing() -> None:
    """A caller's mistake or leaving."""
    world = World(cap=8)
    for _ in range(20):
        world.round("unknown")
    assert world.limit == 8


@pytest.mark.parametrize(("cap", "limit"), [(8, 8), (64, 64), (5, 5)])
def test_a_new_cap_holds_at_once(cap: int, limit: int) -> None:
    """The catalog was read again while serving."""
    world = World(cap=16)
    world.admission.enter(D, 16)
    world.cap = cap
    world.admission.enter(D, cap)
    assert world.limit == limit


def test_a_new_cap_leaves_what_was_learned() -> None:
    """A limit below the cap stays where it is."""
    world = World(cap=64)
    world.round("refused")
    world.cap = 100
    world.admission.enter(D, 100)
    assert world.limit == 32


async def test_the_queue_is_first_come_first_served() -> None:
    """Who waits is called in turn, and nobody overtakes."""
    world = World(cap=1)
    world.fill()
    order: list[int] = []

    async def one(number: int) -> None:
        assert await world.wait()
        order.append(number)

    waiting = [asyncio.create_task(one(n)) for n in range(5)]
    await asyncio.sleep(0)
    assert world.admission.waiting(D) == 5
    for _ in range(6):
        world.leave("served", took=0.01)
        assert not world.admission.enter(D, 1) or not world.admission.waiting(D)
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3, 4] and world.told == ["waited"] * 5


async def test_who_would_wait_too_long_is_told_at_once() -> None:
    """By what a call takes on the mean, or is expected to."""
    world = World(cap=2)
    world.fill()
    assert not await world.wait(seconds=1.0, expected=3.0)
    assert world.admission.wait_s(D, 3.0) == 1.5
    world.leave("served", took=0.5)
    assert world.fill() == 1
    assert world.admission.wait_s(D, 3.0) == 0.25
    assert world.told == ["shed"]


async def test_a_wait_ends_with_its_time() -> None:
    """And leaves no trace in the queue."""
    world = World(cap=1)
    world.fill()
    assert not await world.wait(seconds=0.02, expected=0.01)
    assert world.admission.waiting(D) == 0
    world.leave("served")
    assert world.fill() == 1


async def test_who_leaves_while_waiting_gives_up_its_turn() -> None:
    """Also one that was just called: its place goes to the next."""
    world = World(cap=1)
    world.fill()
    first, second, third = (asyncio.create_task(world.wait()) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    world.leave("served")  # calls the first ...
    first.cancel()  # ... which leaves before it hears of it
    assert await third
    assert first.cancelled() and second.cancelled()
    assert world.admission.inflight[D] == 1
    world.leave("served")
    assert world.admission.inflight[D] == 0 and world.admission.free(D)


async def test_the_queue_is_bounded() -> None:
    """However short the calls."""
    world = World(cap=1)
    world.fill()
    waiting = [asyncio.create_task(world.wait(30.0, 1e-6)) for _ in range(LONGEST_QUEUE + 5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert world.admission.waiting(D) == LONGEST_QUEUE and world.told == ["shed"] * 5
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert world.admission.waiting(D) == 0


async def test_a_limit_that_falls_below_what_runs_lets_nobody_in() -> None:
    """Until enough have left."""
    world = World(cap=10)
    world.fill()
    waiting = asyncio.create_task(world.wait())
    await asyncio.sleep(0)
    world.leave("refused")
    assert world.limit == 9 and not waiting.done() and world.admission.inflight[D] == 9
    world.leave("served")
    assert await waiting and world.admission.inflight[D] == 9
