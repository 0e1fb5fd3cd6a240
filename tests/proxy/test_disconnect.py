"""A caller that leaves ends the work for it, in whatever phase: the upstream is let go, no attempt follows."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.answers import WORDS
from tests.proxy.yard import CHEAP_THEN_DEAR, HELLO, Proxy, Yard


async def leave(proxy: Proxy, writer: asyncio.StreamWriter) -> None:
    """Closes the caller's connection; within a second the upstream's is closed too, and no attempt follows."""
    writer.close()
    await proxy.upstream.until(lambda: proxy.upstream.aborts == 1)
    outcome = await proxy.settled()
    assert (outcome.status, outcome.result, outcome.error) == (499, "disconnected", None)
    assert [a.fault for a in outcome.attempts][-1] == "cancelled"
    await asyncio.sleep(0.05)
    assert len(proxy.asked) == len(outcome.attempts)
    metrics = await proxy.fetch("GET", "/metrics")
    assert b'turnout_inflight{deployment="cheap:d0"} 0.0' in metrics.body


# phase → what the upstream does, the request, what to read before leaving
PHASES: list[tuple[str, str, dict[str, Any], bytes | None]] = [
    ("whole, before the headers", "hang", {}, None),
    ("whole, in the body", "silent-body", {}, None),
    ("streamed, before the headers", "hang", {"stream": True}, None),
    ("streamed, silent", "silent-mid", {"stream": True}, WORDS[0]),
    ("streamed, flowing", "endless", {"stream": True}, b"".join(WORDS)),
    ("held, before the headers", "hang", {"stream": True, "turnout": {"hold": True}}, None),
    ("held, in the answer", "silent-mid", {"stream": True, "turnout": {"hold": True}}, b": waiting\n\n"),
    ("held, flowing", "endless", {"stream": True, "turnout": {"hold": True}}, b": waiting\n\n"),
]


@pytest.mark.parametrize(("does", "fields", "read"), [p[1:] for p in PHASES], ids=[p[0] for p in PHASES])
async def test_leaving(yard: Yard, does: str, fields: dict[str, Any], read: bytes | None) -> None:
    """No deployment is tried any more, though there would be more of them."""
    proxy = await yard({"cheap": [does, "good"], "dear": "good"}, keepalive_interval=0.05, max_answer_bytes=10**9)
    reader, writer = await proxy.connect(**fields)
    await proxy.upstream.until(lambda: proxy.upstream.requests == 1)
    if read is None:
        await asyncio.sleep(0.05)
    else:
        await asyncio.wait_for(reader.readuntil(read), 2)
    await leave(proxy, writer)
    assert proxy.outcomes[-1].committed == (read is not None and b"waiting" not in read)


async def test_leaving_at_the_second_attempt(yard: Yard) -> None:
    """Attempts that are over stay in the record, with their cost."""
    proxy = await yard({"cheap": "empty-content", "dear": "hang"})
    _, writer = await proxy.connect(turnout=CHEAP_THEN_DEAR)
    await proxy.upstream.until(lambda: proxy.upstream.requests == 2)
    await leave(proxy, writer)
    first, second = proxy.outcomes[-1].attempts
    assert (first.fault, second.fault) == (None, "cancelled") and first.cost_usd > 0


async def test_a_reader_that_stops_reading_holds_the_upstream_back(yard: Yard) -> None:
    """An endless stream to a caller that does not read costs bounded memory, and its leaving is still noticed."""
    proxy = await yard({"cheap": "endless"})
    reader, writer = await proxy.connect(stream=True)
    await asyncio.wait_for(reader.readuntil(WORDS[0]), 2)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(0.4)
    sent = proxy.outcomes
    assert sent == []
    await leave(proxy, writer)
    assert proxy.outcomes[-1].attempts[0].output_tokens < 500_000


async def test_leaving_says_nothing_of_the_upstreams_health(yard: Yard) -> None:
    """However often callers leave, the deployment is still asked."""
    proxy = await yard({"cheap": "hang"})
    for count in range(1, 8):
        _, writer = await proxy.connect()
        await proxy.upstream.until(lambda count=count: proxy.upstream.requests == count)  # type: ignore[misc]
        writer.close()
        await proxy.upstream.until(lambda count=count: proxy.upstream.aborts == count)  # type: ignore[misc]
    assert (await proxy.settled()).result == "disconnected"


async def test_a_caller_that_leaves_after_its_answer_has_left_nothing(yard: Yard) -> None:
    """The end of an answer is the end of the step; what the connection does then is no disconnect."""
    proxy = await yard({"cheap": "good"})
    body = json.dumps(HELLO).encode()
    for _ in range(3):
        reader, writer = await proxy.connect("connection: close\r\n")
        assert (await asyncio.wait_for(reader.read(), 2)).startswith(b"HTTP/1.1 200 ")
        writer.close()
    assert (await proxy.post(body)).status == 200
    await proxy.settled()
    assert {outcome.result for outcome in proxy.outcomes} == {"accepted"}


async def test_a_caller_that_stops_at_done_has_its_answer(yard: Yard) -> None:
    """Most clients close as soon as they read [DONE]; that is no disconnect either."""
    proxy = await yard({"cheap": "one-packet"})
    for _ in range(5):
        reader, writer = await proxy.connect(stream=True)
        await asyncio.wait_for(reader.readuntil(b"[DONE]"), 2)
        writer.transport.abort()  # type: ignore[attr-defined]
        assert (await proxy.settled()).result == "returned"
