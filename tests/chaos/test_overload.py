"""Four times as much as the upstreams can serve: what they can serve is served, and the rest hears of it at once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from statistics import fmean

import pytest

from tests.answers import ANSWERS, ERROR, http
from tests.faulty import ACTS, Exchange
from tests.proxy.yard import Got, Proxy, Yard

SERVICE_S = 0.4
CAPACITY = 16
REFUSAL = http(ERROR, "429 Too Many Requests", "application/json", "retry-after: 1")


class Limited:
    """An upstream that serves CAPACITY calls at a time, each in SERVICE_S, and refuses the others."""

    def __init__(self) -> None:
        self.now = self.most = self.refused = 0

    async def __call__(self, exchange: Exchange) -> None:
        if self.now >= CAPACITY:
            self.refused += 1
            await exchange.send(REFUSAL)
            return
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(SERVICE_S)
        finally:
            self.now -= 1
        await exchange.send(*ANSWERS["good"])


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Limited:
    upstream = Limited()
    monkeypatch.setitem(ACTS, "limited", upstream)
    return upstream


async def load(proxy: Proxy, callers: int, seconds: float) -> list[tuple[float, Got]]:
    """Callers that ask without a pause, but for the one that a refusal names; each answer and the seconds to it."""
    seen: list[tuple[float, Got]] = []
    end = time.monotonic() + seconds

    async def caller() -> None:
        while (now := time.monotonic()) < end:
            got = await proxy.chat()
            seen.append((time.monotonic() - now, got))
            if "retry-after" in got.headers:
                await asyncio.sleep(max(0.0, min(float(got.headers["retry-after"]), end - time.monotonic())))

    await asyncio.gather(*[caller() for _ in range(callers)])
    return seen


async def goodput(proxy: Proxy, upstream: Limited, seconds: float) -> tuple[float, list[tuple[float, Got]]]:
    """Share of the capacity in use under four times the load, once it is there, and what the callers saw."""
    asking = asyncio.create_task(load(proxy, 4 * CAPACITY, seconds))
    busy: list[float] = []
    end = time.monotonic() + seconds
    await asyncio.sleep(SERVICE_S / 2)
    while time.monotonic() < end:
        busy.append(upstream.now / CAPACITY)
        await asyncio.sleep(0.01)
    return fmean(busy), await asking


async def test_a_stated_limit_is_kept_and_used(yard: Yard, limited: Limited) -> None:
    """With the catalog's `concurrency` right, the upstream refuses nobody, and at least nine tenths of it are used."""
    proxy = await yard({"cheap": [{"model": "limited", "concurrency": CAPACITY}]})
    used, seen = await goodput(proxy, limited, 3.0)
    assert limited.refused == 0 and limited.most == CAPACITY
    assert {got.status for _, got in seen} == {200}
    assert used >= 0.9, used


async def test_an_unstated_limit_is_found(yard: Yard, limited: Limited) -> None:
    """By the refusals; once found, at least nine tenths are used, and nearly nobody is refused upstream."""
    proxy = await yard({"cheap": "limited"})
    await load(proxy, 4 * CAPACITY, 4.0)
    refused = limited.refused
    used, seen = await goodput(proxy, limited, 3.0)
    assert limited.refused - refused <= 0.02 * len(seen)
    assert Counter(got.status for _, got in seen)[200] >= 0.95 * len(seen)
    assert used >= 0.9, used
    metrics = (await proxy.fetch("GET", "/metrics")).body.decode()
    assert 'turnout_concurrency_limit{deployment="cheap:d0"} 16.0' in metrics
    assert 'turnout_queue_total{deployment="cheap:d0",result="waited"}' in metrics


async def test_the_excess_is_told_at_once(yard: Yard, limited: Limited) -> None:
    """503 in OpenAI's shape with a time to come back, in far less than a second; nothing was spent on it."""
    proxy = await yard({"cheap": [{"model": "limited", "concurrency": CAPACITY}]}, queue_timeout=0.6)
    used, seen = await goodput(proxy, limited, 3.0)
    shed = [(seconds, got) for seconds, got in seen if got.status != 200]
    assert len(shed) >= CAPACITY and used >= 0.9, used
    for seconds, got in shed:
        assert (got.status, got.error["type"], got.error["code"]) == (503, "server_error", "overloaded")
        assert 1 <= int(got.headers["retry-after"]) <= 60 and got.headers["x-turnout-attempts"] == "0"
        assert seconds < 1.0
    await proxy.all_settled()
    assert {(o.status, o.error, len(o.attempts)) for o in proxy.outcomes} == {(200, None, 1), (503, "overloaded", 0)}


async def test_a_full_deployment_gives_way_to_a_free_one(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """First to another deployment of the same model at once, then, after a moment in the queue, to another model."""
    hold = asyncio.Event()

    async def held(exchange: Exchange) -> None:
        await hold.wait()
        await exchange.send(*ANSWERS["good"])

    monkeypatch.setitem(ACTS, "held", held)
    one = {"model": "held", "concurrency": 1}
    proxy = await yard({"cheap": [one, one], "dear": "good"})
    pair = [asyncio.create_task(proxy.chat()) for _ in range(2)]
    await proxy.upstream.until(lambda: proxy.upstream.requests == 2)
    got = await proxy.chat()
    assert (got.status, got.headers["x-turnout-model"], got.headers["x-turnout-attempts"]) == (200, "dear/off", "1")
    hold.set()
    assert {(await task).headers["x-turnout-model"] for task in pair} == {"cheap/off"}
    await proxy.all_settled()
    assert {a.deployment for o in proxy.outcomes for a in o.attempts if a.model == "cheap"} == {"d0", "d1"}
    metrics = (await proxy.fetch("GET", "/metrics")).body.decode()
    assert 'turnout_queue_total{deployment="cheap:d0",result="elsewhere"} 1.0' in metrics


async def test_a_caller_that_leaves_the_queue_is_forgotten(yard: Yard) -> None:
    """Its turn goes to the next, and no attempt begins for it."""
    proxy = await yard({"cheap": [{"model": "hang", "concurrency": 1}]})
    _, first = await proxy.connect()
    await proxy.upstream.until(lambda: proxy.upstream.requests == 1)
    _, second = await proxy.connect()
    await waits(proxy, 1)
    second.close()
    await waits(proxy, 0)
    first.close()
    await proxy.all_settled()
    assert [(o.status, len(o.attempts)) for o in proxy.outcomes] == [(499, 0), (499, 1)]
    assert proxy.upstream.requests == 1


async def waits(proxy: Proxy, count: int) -> None:
    """Returns once so many are in the queue."""
    line = f'turnout_queue_waiting{{deployment="cheap:d0"}} {count}.0'
    async with asyncio.timeout(3):
        while line not in (await proxy.fetch("GET", "/metrics")).body.decode():  # noqa: ASYNC110 (a scrape tells)
            await asyncio.sleep(0.01)
