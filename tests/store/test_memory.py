"""What is remembered of a step and its run, and what the caller refuses by asking again."""

from __future__ import annotations

from typing import Any

import pytest

from router.hints import Hints
from router.outcome import Attempt, CheckResult, Outcome, Recall, Thread
from router.step import Facts
from router.store.memory import MemoryStore
from router.store.state import LONGEST, THREADS, WARM_S
from router.wire import ask
from tests.test_evidence import DECISION, FIRST

N, Q, Z = "nemotron/off", "qwen/off", "qwen/on"
RESENT = {"x-stainless-retry-count": "1"}


def attempt(arm: str, position: int = 0, **changes: Any) -> Attempt:
    fields = {"model": arm.split("/")[0], "deployment": "d", "started": 0.0, "seconds": 1.0, "cost_usd": 0.25}
    return Attempt(arm=arm, position=position, **{**fields, **changes})


def rejected(arm: str, position: int = 0) -> Attempt:
    return attempt(arm, position, checks=(CheckResult("nonempty", False),))


class World:
    """A store, a clock, and a caller who sends one step several times."""

    def __init__(self, **options: Any) -> None:
        self.now = 1000.0
        self.store = MemoryStore(clock=lambda: self.now, **options)

    async def refuses(self, headers: dict[str, str] | None = None, **hints: Any) -> tuple[tuple[str, ...], int]:
        """What a request with these headers and hints refuses."""
        recall = await self.store.recall("key", "step", None)
        return ask.refused(Hints(step_id="step", **hints), recall, headers or {})

    async def send(self, *attempts: Attempt | str, headers: dict[str, str] | None = None, **changes: Any) -> None:
        """One whole request, a second long: recall, attempts, record."""
        hints = {k: changes.pop(k) for k in ("attempt",) if k in changes}
        refused, _ = await self.refuses(headers, **hints)
        self.now += 1.0
        await self.record(attempts, judged_before=refused, again=bool(refused), **changes)

    async def record(self, attempts: tuple[Attempt | str, ...], **changes: Any) -> None:
        made = tuple(attempt(a, i) if isinstance(a, str) else a for i, a in enumerate(attempts))
        fields: dict[str, Any] = {"step_id": "step", "status": 200, "result": "returned", "seconds": 1.0}
        base: dict[str, Any] = {
            "decision_id": "dec",
            "key_id": "key",
            "policy": "p",
            "step_class": "c",
            "stream": False,
        }
        await self.store.record(Outcome(attempts=made, overhead_s=0.0, **{**base, **fields, **changes}))


async def test_nothing_is_known_of_a_step_without_identity() -> None:
    """Nor of one that is new, and recording one leaves nothing behind."""
    world = World()
    await world.record((N,), step_id=None)
    assert await world.store.recall("key", None, None) == await world.store.recall("key", "step", "run") == Recall()


async def test_asking_again_refuses_every_answer_that_went_out() -> None:
    """In order, and with them what the checks rejected on the way."""
    world = World()
    assert await world.refuses() == ((), 0)
    await world.send(N)
    assert await world.refuses() == ((N,), 0)
    await world.send(rejected(N), attempt(Q, 1))
    assert await world.refuses() == ((N, N, Q), 0)


async def test_how_long_the_request_was_is_remembered() -> None:
    """Of the last one for the step: a longer one shows the model what was wrong."""
    world = World()
    await world.record((FIRST.arm,), decision=DECISION, facts=Facts(input_bytes=77))
    assert (await world.store.recall("key", "step", None)).size == 77
    await world.record((FIRST.arm,), decision=DECISION, facts=Facts(input_bytes=99))
    assert (await world.store.recall("key", "step", None)).size == 99


async def test_an_attempt_without_an_answer_teaches_nothing() -> None:
    """A fault is no wrong answer."""
    world = World()
    await world.send(attempt(N, fault="reset"), attempt(Q, 0))
    assert await world.refuses() == ((Q,), 0)


@pytest.mark.parametrize(
    "lost",
    [{"status": 502, "result": "error"}, {"status": 504, "result": "error"}, {"status": 499, "result": "disconnected"}],
)
async def test_an_answer_that_did_not_arrive_is_not_refused(lost: dict[str, Any]) -> None:
    """Sent again, the step is where it was, whether the caller's library or its author sends it."""
    world = World()
    await world.send(N, **lost)
    assert await world.refuses() == await world.refuses(RESENT) == ((), 0)
    await world.send(N)
    await world.send(Q, **lost)
    assert await world.refuses() == await world.refuses(RESENT) == ((N,), 0)


async def test_a_librarys_own_resend_takes_only_the_last_answer_for_lost() -> None:
    """What a check rejected before it, and what the caller refused earlier, stay refused."""
    world = World()
    await world.send(N)
    assert await world.refuses({"x-stainless-retry-count": "0"}) == ((N,), 0)
    assert await world.refuses(RESENT) == ((), 0)
    await world.send(rejected(Z), attempt(Q, 1))
    assert await world.refuses(RESENT) == ((N, Z), 0)


async def test_of_several_resends_none_is_a_verdict() -> None:
    """One that fails in between does not turn the lost answer into a wrong one."""
    world = World()
    await world.send(N)
    await world.send(N, headers=RESENT, status=502, result="error")
    assert await world.refuses(RESENT) == ((), 0)
    await world.send(Q, headers=RESENT)
    assert await world.refuses() == ((Q,), 0)


async def test_a_resend_goes_on_where_the_lost_request_was() -> None:
    """The rejected answers of both belong to one request: the next is `attempt=2`."""
    world = World()
    await world.send(rejected(N), attempt(Q, 1))
    await world.send(Z, headers=RESENT)
    assert await world.refuses() == await world.refuses(attempt=2) == ((N, Z), 0)


async def test_attempt_counts_requests_not_answers() -> None:
    """`attempt=2` refuses all that the first request brought, be it three answers; `attempt=1` starts afresh."""
    world = World()
    await world.send(rejected(N), rejected(N, 1), attempt(Q, 2), attempt=1)
    assert await world.refuses(attempt=1) == ((), 0)
    assert await world.refuses(attempt=2) == ((N, N, Q), 0)
    assert await world.refuses(attempt=3) == ((N, N, Q), 1)
    await world.send(Z, attempt=2)
    assert await world.refuses(attempt=2) == await world.refuses(RESENT, attempt=2) == ((N, N, Q), 0)
    assert await world.refuses(attempt=3) == await world.refuses() == ((N, N, Q, Z), 0)


async def test_attempt_without_memory_says_how_many_failed() -> None:
    """Without a step id, or after a restart, the planner takes its own first choices to have failed."""
    assert ask.refused(Hints(attempt=3), Recall(), {}) == ((), 2)
    assert ask.refused(Hints(), Recall(), {}) == ask.refused(Hints(attempt=1), Recall(), {}) == ((), 0)


async def test_a_fresh_start_forgets() -> None:
    """`attempt=1` on a known step: what went before counts no more."""
    world = World()
    await world.send(N)
    await world.send(Q, attempt=1)
    assert await world.refuses() == ((Q,), 0)


async def test_parallel_samples_do_not_refuse_each_other() -> None:
    """Each was sent before the other's answer was there; a later request refuses both."""
    world = World()
    world.now += 1.0
    await world.record((N,), seconds=1.0)
    await world.record((Q,), seconds=1.0)  # began a second ago too, when nothing was known
    assert await world.refuses() == ((N, Q), 0)


async def test_a_request_refused_for_what_it_says_changes_nothing() -> None:
    """A 400 or an exhausted budget comes before anybody asked which answers it refuses."""
    world = World()
    await world.send(N)
    await world.record((), policy="", step_class="none", status=400, result="error", seconds=0.0)
    assert await world.refuses() == await world.refuses(RESENT) == ((N,), 0)


async def test_what_is_remembered_of_one_step_is_bounded() -> None:
    """A loop that sends the same step for ever does not fill the memory; the latest answers count."""
    world = World()
    for _ in range(2 * LONGEST):
        await world.send(N)
    await world.send(Q)
    refused, _ = await world.refuses()
    assert refused == (N,) * (LONGEST - 1) + (Q,)
    await world.send(*(rejected(N, i) for i in range(20)), attempt(Z, 20))
    assert (await world.refuses())[0][-3:] == (N, N, Z)
    assert len((await world.store.recall("key", "step", None)).answered[-1]) == LONGEST


async def test_callers_see_only_their_own() -> None:
    """The same ids under another key are another step and another run."""
    world = World()
    await world.record((N,), run_id="run")
    assert await world.store.recall("other", "step", "run") == Recall()


async def test_a_run_adds_up_what_its_steps_spent() -> None:
    """Money of every attempt, faults included, and retries; with or without a step id."""
    world = World()
    await world.record((N,), step_id=None, run_id="run")
    await world.record((rejected(N), attempt(Q, 1), attempt(Z, 1, fault="reset")), run_id="run", again=True)
    await world.record((), run_id="run", status=503, result="error", again=True)
    recall = await world.store.recall("key", "step", "run")
    assert (recall.run_cost, recall.run_retries) == (1.0, 2)


async def test_a_prompt_cache_is_warm_for_five_minutes() -> None:
    """For the models that answered, with the tokens they last read."""
    world = World()
    await world.record((attempt(N, input_tokens=900), attempt(Q, 1, fault="reset", input_tokens=50)), run_id="run")
    await world.record((attempt(N, input_tokens=0), attempt(Z, input_tokens=70)), run_id="run")
    world.now += WARM_S - 1
    await world.record((attempt(Z, input_tokens=80),), run_id="run")
    assert (await world.store.recall("key", None, "run")).warm == {"nemotron": 900, "qwen": 80}
    world.now += 1
    assert (await world.store.recall("key", None, "run")).warm == {"qwen": 80}


async def test_old_entries_are_forgotten_and_freed() -> None:
    """A day after a step or run was last heard of, by default."""
    world = World(ttl=100.0)
    await world.record((N,), run_id="run")
    world.now += 100.0
    assert (await world.store.recall("key", "step", "run")).answered == ((N,),)
    world.now += 0.5
    assert await world.store.recall("key", "step", "run") == Recall()
    await world.record((Q,), run_id="run")
    recall = await world.store.recall("key", "step", "run")
    assert (recall.answered, recall.run_cost) == (((Q,),), 0.25)
    world.now += 100.5
    await world.record((Q,), step_id="other", run_id="other")
    assert len(world.store._state) == 2


async def test_the_least_recently_used_goes_first() -> None:
    """Where there are more steps or runs than there is room for."""
    world = World(capacity=2)
    for name in ("a", "b", "a", "c"):
        await world.record((N,), step_id=name, run_id=name)
    known = [name for name in "abc" if (await world.store.recall("key", name, None)).answered]
    assert known == ["a", "c"]
    assert [(await world.store.recall("key", None, name)).run_cost for name in "abc"] == [0.5, 0.0, 0.25]


async def test_closing_forgets_all() -> None:
    """Nothing survives in the process."""
    world = World()
    await world.record((N,), run_id="run")
    await world.store.close()
    assert await world.store.recall("key", "step", "run") == Recall()


async def test_a_run_knows_who_answers_each_of_its_conversations() -> None:
    """The model of the last answer that went out, and since which turn it has answered."""
    world = World()

    async def told(thread: str) -> Thread | None:
        return (await world.store.recall("key", None, "run")).threads.get(thread)

    async def said(thread: str | None, turn: int, *arms: Attempt | str, **changes: Any) -> None:
        facts = Facts(turn=turn)
        await world.record(arms, step_id=None, run_id="run", thread=thread, facts=facts, **changes)

    await said("a", 0, N)
    await said("b", 0, Q)
    await said("a", 1, N)
    assert (await told("a"), await told("b")) == (Thread("nemotron", 0), Thread("qwen", 0))
    await said("a", 2, rejected(N), attempt(Q, 1))
    assert await told("a") == Thread("qwen", 2)
    await said("a", 2, Q)
    await said("a", 3, Q)
    assert await told("a") == Thread("qwen", 2)
    await said("a", 4, N, status=502)
    await said("a", 4, attempt(N, fault="reset"))
    await said(None, 4, N)
    assert await told("a") == Thread("qwen", 2), "nobody got these"
    await said("a", 1, Q)
    assert await told("a") == Thread("qwen", 1), "the caller went back"
    await world.record((N,), step_id=None, run_id="run", thread="a")
    assert await told("a") == Thread("nemotron", 0)


async def test_a_run_remembers_only_so_many_conversations() -> None:
    """Those that were heard of last."""
    world = World()
    for number in range(THREADS + 4):
        for thread in ("0", str(number)):
            await world.record((N,), step_id=None, run_id="run", thread=thread)
    known = (await world.store.recall("key", None, "run")).threads
    assert len(known) == THREADS and {"0", str(THREADS + 3)} <= known.keys()
