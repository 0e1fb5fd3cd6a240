"""What can come of a step beside an answer: each situation of the table, played through."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from tests.answers import ERROR, http
from tests.chaos.table import PAGE, SITUATIONS, Situation, written
from tests.faulty import Faulty, closed_url
from tests.proxy.yard import CHAT, HELLO, Got, Proxy, Yard

Act = Callable[[Yard], Awaitable[tuple[Proxy, Got | None]]]
"""Plays a situation; the answer is None where nobody is there to take it."""


async def mistake(yard: Yard) -> tuple[Proxy, Got | None]:
    proxy = await yard({"cheap": ["bad-request", "good"], "dear": "good"})
    return proxy, await proxy.chat()


async def unreachable(yard: Yard) -> tuple[Proxy, Got | None]:
    proxy = await yard({"cheap": [{"model": "m", "base_url": closed_url()}]})
    return proxy, await proxy.chat()


async def deaf(yard: Yard) -> tuple[Proxy, Got | None]:
    async with Faulty(deaf=True) as upstream:
        proxy = await yard({"cheap": [{"model": "m", "base_url": upstream.url}]})
        return proxy, await proxy.chat(turnout={"deadline": 0.5}, odd="x" * 3_000_000)


async def late(yard: Yard) -> tuple[Proxy, Got | None]:
    proxy = await yard({"cheap": "dripped"})
    return proxy, await proxy.chat(turnout={"deadline": 0.5})


async def limited(yard: Yard) -> tuple[Proxy, Got | None]:
    proxy = await yard({"cheap": "rate-limited", "dear": "rate-limited"})
    await proxy.chat()
    return proxy, await proxy.chat()


async def broken(yard: Yard) -> tuple[Proxy, Got | None]:
    proxy = await yard({"cheap": "reset"})
    for _ in range(5):
        await proxy.chat()
    return proxy, await proxy.chat()


async def overloaded(yard: Yard) -> tuple[Proxy, Got | None]:
    proxy = await yard({"cheap": [{"model": "hang", "concurrency": 1}]}, queue_timeout=0)
    _, writer = await proxy.connect()
    await proxy.upstream.until(lambda: proxy.upstream.requests == 1)
    got = await proxy.chat()
    assert len(proxy.outcomes) == 1  # the other has none yet
    proxy.admitted -= 1
    await proxy.settled()
    proxy.admitted += 1
    writer.close()
    return proxy, got


async def leaving(yard: Yard) -> tuple[Proxy, Got | None]:
    proxy = await yard({"cheap": ["hang", "good"]})
    _, writer = await proxy.connect()
    await proxy.upstream.until(lambda: proxy.upstream.requests == 1)
    writer.close()
    return proxy, None


async def stopping(yard: Yard) -> tuple[Proxy, Got | None]:
    proxy = await yard({"cheap": "hang"})
    asking = asyncio.create_task(proxy.chat())
    await proxy.upstream.until(lambda: proxy.upstream.requests == 1)
    (running,) = [t for t in asyncio.all_tasks() if "run_asgi" in str(t.get_coro())]
    running.cancel()  # as the command does at its second signal
    return proxy, await asking


ACTS: dict[str, Act] = {
    act.__name__: act
    for act in (mistake, unreachable, deaf, late, limited, broken, overloaded, leaving, stopping)
}  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS, ids=[s.name for s in SITUATIONS])
async def test_a_situation(yard: Yard, situation: Situation) -> None:
    """The caller sees what the table says, in OpenAI's shape, and the outcome is recorded as it says."""
    proxy, got = await ACTS[situation.name](yard)
    if got is not None:
        assert (got.status, got.error["code"]) == (situation.status, situation.code)
        assert ("retry-after" in got.headers) == situation.waits
    await proxy.all_settled()
    # The last step is the one in question; where the server was full, one that filled it may end after it.
    outcome = next(o for o in reversed(proxy.outcomes) if situation.name != "overloaded" or o.error == "overloaded")
    assert outcome.result == situation.result
    assert [a.fault for a in outcome.attempts] == list(situation.faults)
    assert outcome.status == (499 if situation.result == "disconnected" else situation.status)
    assert outcome.error == (None if situation.result == "disconnected" else situation.code)


def test_the_page_shows_the_tables() -> None:
    """docs/reliability.md is what `python -m tests.chaos.table` writes."""
    assert PAGE.read_text() == written(PAGE.read_text())
    assert set(ACTS) == {s.name for s in SITUATIONS}


async def test_another_takes_over_from_one_that_is_limited_at_once(yard: Yard) -> None:
    """The step goes on in the same moment, and the limited one is not asked again while its word holds."""
    proxy = await yard({"cheap": "rate-limited", "dear": "good"})
    for number in range(10):
        got = await proxy.chat()
        assert (got.status, got.headers["x-turnout-attempts"]) == (200, "2" if number == 0 else "1")
    outcome = (await proxy.settled(), proxy.outcomes[0])[1]
    assert outcome.attempts[1].started < 0.5
    assert proxy.asked.count("rate-limited") == 1


async def test_a_503_is_heeded_as_a_429_is(yard: Yard, answer: Callable[..., str]) -> None:
    """One suffices for the deployment to be left alone as long as it says, and lowers its limit of calls."""
    does = answer(http(ERROR, "503 Service Unavailable", "application/json", "retry-after: 30"))
    proxy = await yard({"cheap": does, "dear": "good"})
    assert [(await proxy.chat()).headers["x-turnout-attempts"] for _ in range(5)] == ["2", "1", "1", "1", "1"]
    assert proxy.asked.count(does) == 1
    metrics = (await proxy.fetch("GET", "/metrics")).body.decode()
    assert 'turnout_concurrency_limit{deployment="cheap:d0"} 4.0' in metrics
    only = await proxy.chat(model="cheap")
    assert (only.status, only.error["code"]) == (503, "no_healthy_model") and int(only.headers["retry-after"]) > 25


async def test_one_deadline_holds_over_everything(yard: Yard) -> None:
    """Whatever three deployments do one after another, and in each way of asking, the step ends with its deadline."""
    for does in (["dripped", "hang", "silent-body"], ["silent-mid"] * 3, ["endless"]):
        for fields in ({}, {"stream": True}, {"stream": True, "hold": True}):
            hints = {"deadline": 0.7} | ({"hold": True} if fields.pop("hold", None) else {})
            proxy = await yard({"cheap": does}, max_answer_bytes=10**9)
            began = asyncio.get_running_loop().time()
            got = await proxy.chat(turnout=hints, **fields)
            assert asyncio.get_running_loop().time() - began < 1.7  # as 13 seconds for 12
            assert got.status in (200, 502, 504)
            if got.status == 200:
                assert json.loads(got.events[-1].removeprefix(b"data: "))["error"]["code"] == "deadline_exceeded"
            assert (await proxy.settled()).result == "error"


async def test_an_attempt_has_its_own_time(yard: Yard) -> None:
    """`TURNOUT_ATTEMPT_TIMEOUT` ends one that the deadline would leave alone, for another deployment to take over."""
    proxy = await yard({"cheap": "dripped", "dear": "good"}, attempt_timeout=0.3)
    got = await proxy.chat(turnout={"deadline": 20})
    assert (got.status, got.headers["x-turnout-model"]) == (200, "dear/off")
    assert [a.fault for a in (await proxy.settled()).attempts] == ["timeout", None]


async def test_a_caller_that_sends_and_leaves_at_once(yard: Yard) -> None:
    """A hundred that do not even wait: each has its outcome, nothing stays behind."""
    proxy = await yard({"cheap": "paused"})
    body = json.dumps(HELLO | {"stream": True}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    async def one() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(head + body)
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    await asyncio.gather(*[one() for _ in range(100)])
    await proxy.upstream.until(lambda: proxy.upstream.open == 0, 5.0)
    async with asyncio.timeout(5):
        metrics = ""
        while 'turnout_inflight{deployment="cheap:d0"} 0.0' not in metrics:
            metrics = (await proxy.fetch("GET", "/metrics")).body.decode()
    proxy.admitted = len(proxy.outcomes)
    assert {o.result for o in proxy.outcomes} <= {"disconnected"}
