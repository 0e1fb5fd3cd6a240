"""When connections are closed, kept, and used again by the byte pass-through."""

from __future__ import annotations

import asyncio

import pytest

from router.errors import UpstreamFault
from router.upstream import native, openai
from router.upstream.base import Call
from router.upstream.openai import OpenAIUpstream
from tests import answers
from tests.faulty import Faulty
from tests.upstream.calls import MB, call, deployed, gathered

CANCELS = [
    ("hang", False),
    ("hang", True),
    ("dripped", True),
    ("silent-body", False),
    ("silent-mid", True),
    ("endless", True),
]


@pytest.mark.parametrize(("name", "stream"), CANCELS)
async def test_a_cancelled_call_closes_its_upstream(
    server: Faulty, client: OpenAIUpstream, name: str, stream: bool
) -> None:
    """Before the headers, within them, in a body and in a silent stream: the socket is closed within a second."""

    async def use() -> None:
        reply = await client.send(call(server.url, name, stream=stream))
        try:
            await (gathered(reply) if stream else reply.read(MB))
        finally:
            await reply.close()

    task = asyncio.create_task(use())
    await server.until(lambda: server.requests == 1)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.until(lambda: server.aborts == 1 and server.open == 0)


@pytest.mark.parametrize("size", [1000, 900_000, 30 * MB])
async def test_a_call_cancelled_while_it_is_sent_closes_its_upstream(client: OpenAIUpstream, size: int) -> None:
    """An upstream that takes no bytes does not keep the socket open, however much is still to be written."""
    async with Faulty(deaf=True) as server:
        body = b'{"model": "good", "padding": "%s"}' % (b"x" * size)
        task = asyncio.create_task(client.send(Call(deployed(server.url), body, False)))
        await server.until(lambda: server.connections == 1)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.until(lambda: server.aborts == 1)


async def test_a_call_cancelled_while_connecting_leaves_nothing(client: OpenAIUpstream) -> None:
    """A TLS handshake that is never answered ends with the cancellation."""
    async with Faulty(deaf=True) as server:
        task = asyncio.create_task(client.send(call(server.url.replace("http:", "https:"), "good")))
        await server.until(lambda: server.connections == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.until(lambda: server.aborts == 1 and server.open == 0)


async def test_connecting_has_a_limit(client: OpenAIUpstream) -> None:
    """It holds for all of it, TLS too, and is told as a connect fault."""
    async with Faulty(deaf=True) as server:
        endless = call(server.url.replace("http:", "https:"), "good")
        with pytest.raises(UpstreamFault) as caught:
            await client.send(Call(endless.deployment, endless.body, False, connect_s=0.2))
        assert caught.value.kind == "connect"
        assert "in time" in caught.value.message
        await server.until(lambda: server.open == 0)


async def test_closing_early_cuts_and_closing_late_keeps(server: Faulty, client: OpenAIUpstream) -> None:
    """A reply closed before its end takes its connection with it; one read to its end leaves it for the next call."""
    reply = await client.send(call(server.url, "endless", stream=True))
    await anext(reply.chunks())
    await reply.close()
    await reply.close()
    await server.until(lambda: server.aborts == 1)
    for _ in range(3):
        reply = await client.send(call(server.url, "good"))
        await reply.read(MB)
        await reply.close()
    assert server.connections == 2


async def test_a_stream_may_be_taken_up_again(server: Faulty, client: OpenAIUpstream) -> None:
    """Leaving a loop over the pieces loses none of them."""
    reply = await client.send(call(server.url, "good-stream", stream=True))
    chunks, got = reply.chunks(), b""
    async for piece in chunks:
        got += piece
        break
    async for piece in chunks:
        got += piece
    assert got == b"".join(answers.STREAM)


async def test_a_connection_that_went_stale_is_no_failure(client: OpenAIUpstream) -> None:
    """An upstream that closes idle connections is called again on a new one, whenever its closing is noticed."""
    async with Faulty(idle_close=True) as server:
        for _ in range(20):
            reply = await client.send(call(server.url, "good"))
            assert await reply.read(MB) == answers.completion()
            await reply.close()
        assert server.requests == 20


async def test_a_call_is_sent_again_once_and_only_on_a_used_connection(server: Faulty, client: OpenAIUpstream) -> None:
    """A new connection that breaks is a failure at once; a used one gets a single second try."""
    for sent, name in ((1, "hang-up"), (2, "good"), (4, "hang-up")):
        if name == "good":
            await (await client.send(call(server.url, name))).read(MB)
        else:
            with pytest.raises(UpstreamFault) as caught:
                await client.send(call(server.url, name))
            assert caught.value.kind == "reset"
        assert server.requests == sent


async def test_a_break_after_the_upstream_has_worked_is_not_sent_again(
    server: Faulty, client: OpenAIUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a connection that breaks at once was stale; a later break may have cost a generation."""
    for module in (openai, native):
        monkeypatch.setattr(module, "STALE_S", -1.0)
    await (await client.send(call(server.url, "good"))).read(MB)
    with pytest.raises(UpstreamFault):
        await client.send(call(server.url, "hang-up"))
    assert server.requests == 2


async def test_a_client_can_be_closed_twice_and_used_again(server: Faulty, client: OpenAIUpstream) -> None:
    """Closing lets go of every connection, those in use too."""
    reply = await client.send(call(server.url, "silent-mid", stream=True))
    await client.close()
    await client.close()
    await server.until(lambda: server.open == 0)
    with pytest.raises(UpstreamFault):
        await gathered(reply)
    assert await (await client.send(call(server.url, "good"))).read(MB) == answers.completion()
