"""Every way in which an upstream fails, and what the byte pass-through calls it."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from router.errors import UpstreamFault
from router.upstream.openai import OpenAIUpstream
from tests import answers
from tests.faulty import Faulty, closed_url
from tests.upstream.calls import MB, call, gathered, quiet, self_signed

# name, streamed, while "send" or "read", kind
FAULTS = [
    ("reset", False, "send", "reset"),
    ("hang-up", False, "send", "reset"),
    ("not-http", False, "send", "invalid_body"),
    ("long-header", False, "send", "invalid_body"),
    ("hang", True, "send", "timeout"),
    ("reset-mid", True, "read", "truncated"),
    ("close-mid", True, "read", "truncated"),
    ("truncated", False, "read", "truncated"),
    ("bad-chunk", True, "read", "invalid_body"),
    ("silent-mid", True, "read", "timeout"),
    ("silent-body", False, "read", "timeout"),
]


@pytest.mark.parametrize(("name", "stream", "phase", "kind"), FAULTS)
async def test_a_failure_is_told_by_kind_and_nothing_else(
    server: Faulty, client: OpenAIUpstream, name: str, stream: bool, phase: str, kind: str
) -> None:
    """Every way to fail has its kind, a message without secrets, its cause, and leaves no connection open."""
    sent = call(server.url, name, stream=stream, idle_s=0.2, api_key_env="KEY")
    if phase == "send":
        with pytest.raises(UpstreamFault) as caught:
            await client.send(sent)
    else:
        reply = await client.send(sent)
        with pytest.raises(UpstreamFault) as caught:
            await (gathered(reply) if stream else reply.read(MB))
        await reply.close()
    assert caught.value.kind == kind
    assert caught.value.retryable
    assert quiet(caught.value)
    assert caught.value.__cause__ is not None
    await server.until(lambda: server.open == 0)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("gzip-cut", "truncated"), ("gzip-lie", "invalid_body"), ("brotli", "invalid_body"), ("gzip-bomb", "too_large")],
)
async def test_a_body_that_cannot_be_decoded_is_a_failure(
    server: Faulty, client: OpenAIUpstream, name: str, kind: str
) -> None:
    """Compressed data that ends early, is none, is of another kind, or swells."""
    reply = await client.send(call(server.url, name))
    with pytest.raises(UpstreamFault) as caught:
        await reply.read(MB)
    assert caught.value.kind == kind
    assert quiet(caught.value)
    await reply.close()


async def test_nobody_there_is_a_connect_fault(client: OpenAIUpstream) -> None:
    """A refused connection."""
    with pytest.raises(UpstreamFault) as caught:
        await client.send(call(closed_url(), "good"))
    assert caught.value.kind == "connect"
    assert quiet(caught.value)
    assert caught.value.__cause__ is not None


async def test_a_certificate_that_nobody_signed_is_refused(client: OpenAIUpstream, tmp_path: Path) -> None:
    """TLS is verified, always: a self-signed server is a connect fault and sees no request."""
    context = self_signed(tmp_path)
    async with Faulty(tls=context) as server:
        with pytest.raises(UpstreamFault) as caught:
            await client.send(call(server.url, "good", api_key_env="KEY"))
        assert caught.value.kind == "connect"
        assert "certificate" in caught.value.message
        assert quiet(caught.value)
        assert server.requests == 0


async def test_the_limit_of_a_read_is_exact(server: Faulty, client: OpenAIUpstream) -> None:
    """A body of the limit's size is read; one byte more is too large, and closes the connection."""
    size = len(answers.completion())
    for name in ("good", "gzip"):
        reply = await client.send(call(server.url, name))
        assert await reply.read(size) == answers.completion()
        reply = await client.send(call(server.url, name))
        with pytest.raises(UpstreamFault) as caught:
            await reply.read(size - 1)
        assert caught.value.kind == "too_large"


async def test_a_gzip_bomb_costs_little_memory(server: Faulty, client: OpenAIUpstream) -> None:
    """64 MB of zeros in 0.3 MB are given up at the limit, decoded a piece at a time."""
    reply = await client.send(call(server.url, "gzip-bomb"))
    tracemalloc.start()
    try:
        with pytest.raises(UpstreamFault):
            await reply.read(MB)
        assert tracemalloc.get_traced_memory()[1] < 8 * MB
    finally:
        tracemalloc.stop()
