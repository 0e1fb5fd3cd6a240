"""The fake upstream: it says its lines, remembers the calls, and never answers what was not foreseen."""

from __future__ import annotations

import asyncio

import pytest

from router.deployment import Deployment, Prices
from router.errors import UpstreamFault
from router.upstream import Line, Scripted
from router.upstream.base import Call
from tests import answers


def call(name: str = "d", *, stream: bool = False) -> Call:
    fields = {"name": name, "model": "m", "base_url": "http://127.0.0.1:1", "prices": Prices(input=1, output=1)}
    return Call(Deployment.model_validate(fields), b"{}", stream)


async def test_lines_are_said_in_order_and_calls_remembered() -> None:
    """Status, headers and body as scripted; the content type fits the call where none is given."""
    upstream = Scripted([Line(answers.completion()), Line(answers.STREAM), Line(b"no", 429, {"retry-after": "7"})])
    sent = [call(), call(stream=True), call()]
    whole = await upstream.send(sent[0])
    assert (whole.status, whole.headers["content-type"], await whole.read(9999)) == (
        200,
        "application/json",
        answers.completion(),
    )
    stream = await upstream.send(sent[1])
    assert stream.headers["content-type"] == "text/event-stream"
    assert [piece async for piece in stream.chunks()] == list(answers.STREAM)
    refused = await upstream.send(sent[2])
    assert (refused.status, refused.headers, await refused.read(9)) == (429, {"retry-after": "7"}, b"no")
    for reply in (whole, stream, refused):
        await reply.close()
    assert (upstream.calls, upstream.cancelled) == (sent, 0)
    await upstream.close()


async def test_a_deployment_may_have_a_script_of_its_own() -> None:
    """Calls to others take the common one."""
    upstream = Scripted([Line(b"common")], {"own": [Line(b"mine")]})
    for name, body in (("own", b"mine"), ("d", b"common")):
        assert await (await upstream.send(call(name))).read(99) == body


async def test_a_call_that_is_not_in_the_script_is_a_mistake_of_the_test() -> None:
    """It never reaches anybody, and says which call it was."""
    with pytest.raises(AssertionError, match="call 1, to d, is not in the script"):
        await Scripted().send(call())


async def test_faults_come_where_the_script_says() -> None:
    """In place of the reply, or after some pieces of the body."""
    fault = UpstreamFault("reset", "gone")
    upstream = Scripted([Line(fault=fault), Line(answers.STREAM, fault=fault, after=2)])
    with pytest.raises(UpstreamFault):
        await upstream.send(call())
    got = []
    with pytest.raises(UpstreamFault):
        async for piece in (await upstream.send(call(stream=True))).chunks():
            got.append(piece)
    assert got == list(answers.STREAM[:2])


async def test_giving_up_is_counted() -> None:
    """A call cancelled while it waits or hangs, and a reply closed before its end."""
    upstream = Scripted([Line(hang=True), Line(delay=60), Line(answers.STREAM, hang=True, after=1)])
    for _ in range(2):
        task = asyncio.create_task(upstream.send(call()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    reply = await upstream.send(call(stream=True))
    assert await anext(reply.chunks()) == answers.STREAM[0]
    await reply.close()
    await reply.close()
    assert upstream.cancelled == 3


async def test_the_limit_of_a_read() -> None:
    """As every upstream keeps it."""
    with pytest.raises(UpstreamFault) as caught:
        await (await Scripted([Line(b"12345")]).send(call())).read(4)
    assert caught.value.kind == "too_large"
