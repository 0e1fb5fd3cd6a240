"""A caller that leaves ends the work for it, in whatever phase and dialect: the upstream is let go, no attempt follows.

So does its deadline."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from tests.answers import WORDS, chunked
from tests.api import test_native as native
from tests.api import test_native_responses as native_responses
from tests.faulty import ACTS, Exchange
from tests.proxy.yard import CHEAP_THEN_DEAR, HELLO, Proxy, Yard


async def leave(proxy: Proxy, writer: asyncio.StreamWriter) -> None:
    """Closes the caller's connection; within a second the upstream's is closed too, and no attempt follows."""
    writer.close()
    await proxy.upstream.until(lambda: proxy.upstream.aborts == 1, 1.0)
    outcome = await proxy.settled()
    assert (outcome.status, outcome.result, outcome.error) == (499, "disconnected", None)
    assert [a.fault for a in outcome.attempts][-1] == "cancelled"
    await asyncio.sleep(0.05)
    assert len(proxy.asked) == len(outcome.attempts)
    metrics = await proxy.fetch("GET", "/metrics")
    inflight = re.findall(rb"turnout_inflight\{.*\} (.+)", metrics.body)
    assert inflight and set(inflight) == {b"0.0"}


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


async def _native_silent(exchange: Exchange) -> None:
    """A stream in the dialect of the path, that says a word and no more."""
    path = exchange.headers[":request"].split()[1]
    begun = {"/v1/messages": (native.START, native.BEGUN, native.WORDS[0])}
    begun["/v1/responses"] = (native_responses.START, native_responses.WORDS[0])
    await exchange.send(*chunked(*begun[path], end=False))
    await asyncio.Event().wait()


# what is spoken → the path, the request, what the deployment says of itself
DIALECTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "completions": ("/v1/completions", {"prompt": "Hello."}, {}),
    "messages": ("/v1/messages", {"max_tokens": 64, "messages": HELLO["messages"]}, {}),
    "responses": ("/v1/responses", {"input": "Hello."}, {}),
    "messages, as they are": ("/v1/messages", {"max_tokens": 64, "messages": HELLO["messages"]}, native.SPEAKS),
    "responses, as they are": ("/v1/responses", {"input": "Hello.", "store": False}, native_responses.SPEAKS),
}


async def opened(proxy: Proxy, path: str, **body: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which a request has been sent that has reached an upstream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    data = json.dumps({"model": "auto", **body}).encode()
    writer.write(f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
    proxy.admitted += 1
    await proxy.upstream.until(lambda: proxy.upstream.requests == 1)
    return reader, writer


@pytest.mark.parametrize("spoken", DIALECTS)
@pytest.mark.parametrize(("does", "fields", "read"), [p[1:] for p in PHASES], ids=[p[0] for p in PHASES])
async def test_leaving_in_every_dialect(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, spoken: str, does: str, fields: dict[str, Any], read: bytes | None
) -> None:
    """The same in each phase, whether what is spoken is translated or passes as it is."""
    path, body, speaks = DIALECTS[spoken]
    if speaks and read is not None:
        does = "native-silent"
        monkeypatch.setitem(ACTS, does, _native_silent)
    models = {"cheap": [{"model": name, **speaks} for name in (does, "good")], "dear": "good"}
    proxy = await yard(models, keepalive_interval=0.05, max_answer_bytes=10**9)
    reader, writer = await opened(proxy, path, **body, **fields)
    if read is None:
        await asyncio.sleep(0.05)
    else:
        kept_alive = b"event: ping" if path == "/v1/messages" else b": waiting"
        await asyncio.wait_for(reader.readuntil(kept_alive if b"waiting" in read else b"All "), 2)
    await leave(proxy, writer)
    assert proxy.outcomes[-1].committed == (read is not None and b"waiting" not in read)


@pytest.mark.parametrize("spoken", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_deadline_in_every_dialect(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, spoken: str, stream: bool
) -> None:
    """It ends the step though the upstream is silent: as an error, or where words have gone out as the stream's end."""
    path, body, speaks = DIALECTS[spoken]
    monkeypatch.setitem(ACTS, "native-silent", _native_silent)
    does = "hang" if not stream else "native-silent" if speaks else "silent-mid"
    proxy = await yard({"cheap": [{"model": does, **speaks}]})
    data = json.dumps({"model": "auto?deadline=0.5", "stream": stream, **body}).encode()
    async with asyncio.timeout(1.5):
        got = await proxy.fetch("POST", path, data)
    proxy.admitted += 1
    assert got.status == (200 if stream else 504) and b"deadline" in got.body.lower()
    assert b"message_stop" not in got.body and b"response.completed" not in got.body and b"[DONE]" not in got.body
    outcome = await proxy.settled()
    assert (outcome.status, outcome.result, outcome.error) == (504, "error", "deadline_exceeded")


@pytest.mark.parametrize("does", ["hang", "silent-body"])
async def test_leaving_embeddings(yard: Yard, does: str) -> None:
    """Nor is another deployment asked for them."""
    proxy = await yard(embeddings={"small": [does, "good"]})
    _, writer = await opened(proxy, "/v1/embeddings", input="Hello.")
    await leave(proxy, writer)


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
