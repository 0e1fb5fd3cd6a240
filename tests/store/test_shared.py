"""Two proxies over one Valkey know the same of steps, runs and decisions; without it each goes on by itself."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from router.errors import NotFound
from router.store.link import Link
from router.store.log import EVENTS
from router.store.shared import SharedStore
from router.verdicts import Said
from tests.journal.made import outcome
from tests.proxy.yard import Proxy, Yard
from tests.store.valkey import Valkey, valkey
from tests.test_keeper import judge

ASKED = {"accuracy": 0.88, "retries": 1}


MODELS = {"cheap": "good", "dear": "good"}


class Pair:
    """Two proxies, each with its own policies, catalog and upstream, over one store."""

    def __init__(self, folder: Path, stack: AsyncExitStack, url: str) -> None:
        self._folder, self._stack, self._url, self._made = folder, stack, url, 0

    async def __call__(self, models: Mapping[str, str] = MODELS, **settings: Any) -> Proxy:
        self._made += 1
        home = self._folder / f"p{self._made}"
        home.mkdir()
        proxy = await Yard(home, self._stack)(models, store=self._url, **settings)
        await current(proxy)
        return proxy


async def current(proxy: Proxy) -> None:
    """Returns once it has read the log."""
    async with asyncio.timeout(25):
        while await gauge(proxy, "turnout_store_degraded"):  # noqa: ASYNC110 (it is asked for over HTTP)
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)


async def gauge(proxy: Proxy, name: str) -> float:
    lines = (await proxy.fetch("GET", "/metrics")).body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name + " "))


async def reaches(proxy: Proxy, name: str, value: float, seconds: float = 20.0) -> None:
    """Waits until a metric has that value."""
    async with asyncio.timeout(seconds):
        while await gauge(proxy, name) != value:  # noqa: ASYNC110 (it is asked for over HTTP)
            await asyncio.sleep(0.05)


@pytest.fixture
async def pair(short: Path, server: Valkey) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        yield Pair(short, stack, server.url)


async def answered(proxy: Proxy, step_id: str) -> list[str]:
    """What the proxy knows was answered to a step before, as `/v1/route` takes it."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}], "turnout": ASKED}
    headers = {"x-turnout-step-id": step_id}
    got = await proxy.fetch("POST", "/v1/route", json.dumps(body).encode(), headers)
    arms: list[str] = json.loads(got.body)["chosen"]["arms"]
    return arms


async def test_a_step_goes_on_at_the_other(pair: Pair) -> None:
    """Asked for again at the second proxy, a step that the first has answered is planned with that failure known, and
    its run has spent what it has spent anywhere."""
    first, second = await pair(), await pair()
    fresh = await answered(second, "s")
    got = await first.chat({"x-turnout-step-id": "s", "x-turnout-run-id": "r"}, turnout=ASKED)
    assert got.status == 200 and got.headers["x-turnout-model"] == fresh[0]
    await first.settled()
    again = await answered(second, "s")
    assert again != fresh
    last = (await first.settled()).cost_usd
    assert last > 0
    recall = await second_recall(pair, "r")
    assert recall.run_cost == pytest.approx(last)


async def second_recall(pair: Pair, run: str) -> Any:
    """What a third process reads of a run, from the log alone."""
    store = SharedStore(Link(pair._url, lambda: None, lambda _: None), ttl=100.0, lost=lambda _: None)
    store.start()
    async with asyncio.timeout(25):
        while not store.log.current:  # noqa: ASYNC110 (a flag of another task)
            await asyncio.sleep(0.01)
    recall = await store.recall("local", None, run)
    await store.close()
    return recall


async def test_a_verdict_at_the_other(pair: Pair) -> None:
    """It counts once whoever takes it, contradictions are refused everywhere, and nobody knows what never was."""
    first, second = await pair(), await pair()
    name = (await first.chat()).headers["x-turnout-decision-id"]
    assert [await judge(p, True, decision_id=name) for p in (second, first)] == [200, 200]
    assert [await judge(p, False, decision_id=name) for p in (second, first)] == [409, 409]
    before = await logged(pair)
    assert await judge(second, True, decision_id="dec_never") == 404
    assert await logged(pair) == before


async def logged(pair: Pair) -> int:
    """Entries of the log."""
    link = Link(pair._url + "?socket_timeout=1", lambda: None, lambda _: None)
    (length,) = await link.run(("XLEN", EVENTS))
    await link.close()
    return int(length)


async def test_a_response_kept_at_the_other(server: Valkey) -> None:
    """What one process keeps, another finds and forgets, for that key alone; without the store each has its own."""
    links = [Link(server.url + "?socket_timeout=5", lambda: None, lambda _: None) for _ in range(2)]
    first, second = (SharedStore(link, ttl=10.0, lost=lambda _: None, kept_ttl=100.0) for link in links)
    await first.keep("k", "a", b"1")
    assert await second.kept("k", ["a", "b"]) == [b"1", None] and await second.kept("other", ["a"]) == [None]
    assert await second.kept("k", []) == []
    assert await second.forget("k", "a") and not await second.forget("k", "a")
    assert await first.kept("k", ["a"]) == [b"1"]  # still on its own shelf, as a cache would have it
    server.kill()
    await second.keep("k", "c", b"2")
    assert await second.kept("k", ["c"]) == [b"2"] and await second.forget("k", "c")
    for store in (first, second):
        await store.close()


async def test_a_deployment_that_fails_is_left_alone_by_all(pair: Pair) -> None:
    """The breaker that opens at one server opens at the other, and closes with it."""
    first = await pair({"cheap": "html-500"})
    second = await pair({"cheap": "good"})
    state = 'turnout_breaker_state{deployment="cheap:d0"}'
    assert await gauge(second, state) == 0
    for _ in range(6):
        await first.chat(model="cheap")
    assert await gauge(first, state) == 2
    await reaches(second, state, 2.0)
    assert (await second.chat(model="cheap")).status == 503
    await reaches(second, state, 1.0)  # its pause is over
    assert (await second.chat(model="cheap")).status == 200
    for each in (second, first):
        await reaches(each, state, 0.0)


FAULTS = ("kill", "stop", "full")


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_request_fails_while_the_store_does(short: Path, fault: str) -> None:
    """Killed, hung or full under load: every request is answered, about as fast as before; verdicts are taken; what
    could not be written is there within five seconds of the store, and the other proxy then knows it too."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(valkey(short / "v"))
        pair = Pair(short, stack, server.url)
        first, second = await pair(), await pair()
        before = await load(first)
        if fault == "full":
            await filled(server)
        elif fault == "stop":
            server.signal(signal.SIGSTOP)
        else:
            server.kill()
        during = await load(first)
        # With redis-py's own defaults each would wait for seconds.
        assert max(during) < max(0.5, 5 * max(before))
        assert sorted(during)[len(during) // 2] < sorted(before)[len(before) // 2] + 0.06
        got = await first.chat({"x-turnout-run-id": "dark"})
        name = got.headers["x-turnout-decision-id"]
        await first.settled()
        assert await judge(first, True, decision_id=name) == 200
        assert await judge(first, True, run_id="dark") == 200
        await reaches(first, "turnout_store_degraded", 1.0)
        assert await gauge(first, "turnout_store_waiting") > 0
        if fault == "full":
            await emptied(server)
        elif fault == "stop":
            server.signal(signal.SIGCONT)
        else:
            server.start()
        async with asyncio.timeout(5):
            for proxy in (first, second):
                await reaches(proxy, "turnout_store_degraded", 0.0)
                await reaches(proxy, "turnout_store_waiting", 0.0)
        assert await gauge(first, "turnout_store_lost_total") == 0
        async with asyncio.timeout(25):
            while (status := await judge(second, False, decision_id=name)) == 404:  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(0.2)
        assert status == 409


async def load(proxy: Proxy, requests: int = 40) -> list[float]:
    """Seconds of each of some requests of eight runs at once; all of them go well."""

    async def run(number: int) -> list[float]:
        taken = []
        for step in range(requests // 8):
            began = time.perf_counter()
            got = await proxy.chat({"x-turnout-run-id": f"run{number}", "x-turnout-step-id": f"{number}.{step}"})
            taken.append(time.perf_counter() - began)
            assert got.status == 200
        return taken

    return [t for each in await asyncio.gather(*(run(n) for n in range(8))) for t in each]


async def filled(server: Valkey) -> None:
    """Writes until there is no room."""
    link = Link(server.url + "?socket_timeout=2", lambda: None, lambda _: None)
    await link.run(("CONFIG", "SET", "maxmemory", "100kb"))
    await link.close()


async def emptied(server: Valkey) -> None:
    link = Link(server.url + "?socket_timeout=2", lambda: None, lambda _: None)
    await link.run(("CONFIG", "SET", "maxmemory", "100mb"))
    await link.close()


async def test_a_store_that_was_never_there(short: Path) -> None:
    """The proxy starts, serves, and shares from the moment on that the store is up."""
    async with AsyncExitStack() as stack:
        server = Valkey(short)
        home = short / "p"
        home.mkdir()
        proxy = await Yard(home, stack)({"cheap": "good"}, store=server.url)
        got = await proxy.chat({"x-turnout-run-id": "r"})
        assert got.status == 200 and await gauge(proxy, "turnout_store_degraded") == 1
        await proxy.settled()
        assert await judge(proxy, True, decision_id="dec_never") == 404
        server.start()
        try:
            await reaches(proxy, "turnout_store_waiting", 0.0)
            assert (await second_recall(Pair(short, stack, server.url), "r")).run_cost > 0
        finally:
            server.kill()


async def test_what_waits_is_written_at_the_end(server: Valkey) -> None:
    """A proxy that ends leaves nothing behind that others should know; one whose store is gone ends all the same."""
    url = server.url + "?socket_timeout=5"
    store = SharedStore(Link(url, lambda: None, lambda _: None), ttl=10.0, lost=lambda _: None)
    for number in range(3):
        await store.record(outcome(number))
    await store.close()
    reader = SharedStore(Link(url, lambda: None, lambda _: None), ttl=10.0, lost=lambda _: None)
    reader.start()
    async with asyncio.timeout(25):
        while not reader.log.current:  # noqa: ASYNC110 (a flag of another task)
            await asyncio.sleep(0.01)
    assert (await reader.recall("key-hash", None, "run")).run_cost == pytest.approx(0.015)
    server.kill()
    await reader.record(outcome(9))
    with pytest.raises(NotFound):
        await reader.judge("key-hash", Said("decision", "never", 1.0, "caller", 0.0))
    await reader.close()
