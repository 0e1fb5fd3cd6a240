"""The byte pass-through against an upstream that fails in every way, on real sockets."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router import __version__
from router.deployment import Deployment, Prices
from router.errors import UpstreamFault
from router.upstream import openai
from router.upstream.base import Call, Reply
from router.upstream.openai import OpenAIUpstream
from tests import answers
from tests.faulty import Faulty, closed_url

MB = 1_000_000
SECRETS = ("127.0.0.1", "localhost", "sk-secret", "engine died", "SSH", "/v1")


@pytest.fixture
async def server() -> AsyncIterator[Faulty]:
    async with Faulty() as upstream:
        yield upstream


@pytest.fixture
async def client() -> AsyncIterator[OpenAIUpstream]:
    upstream = OpenAIUpstream({"KEY": "sk-secret"})
    yield upstream
    await upstream.close()


def deployed(url: str, **fields: object) -> Deployment:
    return Deployment.model_validate(
        {"name": "d", "model": "m", "base_url": url, "prices": Prices(input=1, output=1), **fields}
    )


def call(url: str, model: str, *, stream: bool = False, idle_s: float = 5.0, **fields: object) -> Call:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream}).encode()
    return Call(deployed(url, **fields), body, stream, connect_s=2.0, idle_s=idle_s)


async def gathered(reply: Reply) -> bytes:
    return b"".join([piece async for piece in reply.chunks()])


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate for 127.0.0.1 that only itself vouches for."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1"
    options = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *options], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def quiet(fault: UpstreamFault) -> bool:
    """Whether the fault says nothing of hosts, keys or what the upstream said, and keeps what caused it."""
    return not any(secret in fault.message for secret in SECRETS)


async def test_a_call_goes_out_as_it_was_given(server: Faulty, client: OpenAIUpstream) -> None:
    """The body's bytes are unchanged; the headers are ours, the deployment's and the call's; no cookie, no encoding."""
    body = b'{ "model":"cookie",  "odd": 1e5, "emoji": "\xf0\x9f\x91\xa9" }'
    deployment = deployed(server.url, api_key_env="KEY", headers={"x-team": "rail"})
    for _ in range(2):
        reply = await client.send(Call(deployment, body, False, headers=(("traceparent", "00-1"),)))
        await reply.read(MB)
        await reply.close()
    for exchange in server.seen:
        assert exchange.body == body
        headers = exchange.headers
        assert headers.pop(":request") == "POST /v1/chat/completions HTTP/1.1"
        assert headers.pop("host").startswith("127.0.0.1:")
        assert headers == {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "accept": "*/*",
            "accept-encoding": "identity",
            "user-agent": f"turnout/{__version__}",
            "authorization": "Bearer sk-secret",
            "x-team": "rail",
            "traceparent": "00-1",
        }
    assert (server.connections, server.requests) == (1, 2)


async def test_a_query_in_the_address_stays_behind_the_path(server: Faulty, client: OpenAIUpstream) -> None:
    """Endpoints that want a version in the query get it on every call."""
    reply = await client.send(call(server.url + "?api-version=1", "good"))
    await reply.close()
    assert server.seen[0].headers[":request"] == "POST /v1/chat/completions?api-version=1 HTTP/1.1"


@pytest.mark.parametrize("keys", [{}, {"KEY": ""}, {"KEY": " \n"}])
async def test_a_missing_key_is_told_before_anything_is_sent(server: Faulty, keys: dict[str, str]) -> None:
    """A deployment that names a key cannot be called without one."""
    client = OpenAIUpstream(keys)
    with pytest.raises(UpstreamFault) as caught:
        await client.send(call(server.url, "good", api_key_env="KEY"))
    assert caught.value.kind == "auth"
    assert server.connections == 0
    await client.close()


async def test_a_key_with_a_line_break_around_it_still_works(server: Faulty) -> None:
    """Keys read from files often end in one."""
    client = OpenAIUpstream({"KEY": "sk-secret\n"})
    reply = await client.send(call(server.url, "good", api_key_env="KEY"))
    await reply.close()
    assert server.seen[0].headers["authorization"] == "Bearer sk-secret"
    await client.close()


async def test_a_header_that_would_forge_another_is_refused(server: Faulty, client: OpenAIUpstream) -> None:
    """Line breaks in a configured header never reach the wire."""
    with pytest.raises(UpstreamFault) as caught:
        await client.send(call(server.url, "good", headers={"x-team": "a\r\nx-admin: 1"}))
    assert caught.value.kind == "connect"
    assert server.requests == 0


# name → status of a reply that reaches the caller, whatever its body
STATUSES = [
    ("good", 200),
    ("good-close", 200),
    ("rate-limited", 429),
    ("bad-request", 400),
    ("unauthorized", 401),
    ("html-500", 500),
    ("html-502", 502),
    ("html-200", 200),
    ("invalid-json", 200),
    ("error-200", 200),
    ("redirect", 307),
    ("wrong-type", 200),
    ("empty-body", 200),
    ("empty-choices", 200),
]


@pytest.mark.parametrize(("name", "status"), STATUSES)
async def test_a_whole_answer_passes_byte_for_byte(
    server: Faulty, client: OpenAIUpstream, name: str, status: int
) -> None:
    """Every answer that is whole HTTP is handed on, status, headers and body; redirects are not followed."""
    reply = await client.send(call(server.url, name))
    sent = b"".join(answers.ANSWERS[name])
    assert reply.status == status
    assert f"content-type: {reply.headers['content-type']}".encode() in sent
    assert all(header == header.lower() for header in reply.headers)
    assert await reply.read(MB) == sent.partition(b"\r\n\r\n")[2]
    await reply.close()
    assert server.requests == 1


async def test_retry_after_is_kept(server: Faulty, client: OpenAIUpstream) -> None:
    """The caller finds the upstream's own header."""
    reply = await client.send(call(server.url, "rate-limited"))
    assert reply.headers["retry-after"] == "7"
    await reply.close()


STREAMS = [
    ("good-stream", b"".join(answers.STREAM)),
    ("one-packet", b"".join(answers.STREAM)),
    ("length-stream", b"".join(answers.STREAM)),
    ("crlf", b"".join(answers.CRLF)),
    ("gzip-stream", b"".join(answers.STREAM)),
    ("no-finish", answers.ROLE + b"".join(answers.WORDS)),
    ("early-done", answers.ROLE + answers.WORDS[0] + answers.DONE),
    ("emoji-split", answers.ROLE + answers.EMOJI + answers.STOP + answers.DONE),
    ("empty-stream", answers.ROLE + answers.STOP + answers.DONE),
]


@pytest.mark.parametrize(("name", "expected"), STREAMS)
async def test_a_stream_passes_byte_for_byte(
    server: Faulty, client: OpenAIUpstream, name: str, expected: bytes
) -> None:
    """Whatever the packets and line ends, the bytes are the upstream's, and the connection is used again."""
    for _ in range(2):
        reply = await client.send(call(server.url, name, stream=True))
        assert await gathered(reply) == expected
        await reply.close()
    assert (server.connections, server.requests) == (1, 2)


async def test_a_piece_is_handed_on_before_the_next_has_come(server: Faulty, client: OpenAIUpstream) -> None:
    """Nothing waits for more: the first event is there while the upstream is silent."""
    reply = await client.send(call(server.url, "silent-mid", stream=True))
    got, chunks = b"", reply.chunks()
    async with asyncio.timeout(2):
        while got != answers.ROLE + answers.WORDS[0]:
            got += await anext(chunks)
    await reply.close()


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


@pytest.mark.parametrize("name", ["large", "large-chunked"])
async def test_a_slow_reader_misses_nothing(server: Faulty, client: OpenAIUpstream, name: str) -> None:
    """What the upstream sent before it closed its side is all there, however late it is taken."""
    reply = await client.send(call(server.url, name, stream=True))
    size = 0
    async for piece in reply.chunks():
        size += len(piece)
        await asyncio.sleep(0.005)
    assert size == answers.LARGE_BYTES


async def test_a_slow_reader_holds_the_upstream_back(server: Faulty, client: OpenAIUpstream) -> None:
    """Reading pauses while nobody takes the pieces, so an endless stream costs bounded memory."""
    reply = await client.send(call(server.url, "endless", stream=True, idle_s=0.2))
    chunks = reply.chunks()
    await anext(chunks)
    await asyncio.sleep(0.5)  # beyond the idle limit, which is about the upstream, not about the reader
    assert len(await anext(chunks)) < 2 * MB
    await anext(chunks)
    await reply.close()
    await server.until(lambda: server.aborts == 1)


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


async def test_a_call_is_sent_again_once_and_only_on_a_used_connection(
    server: Faulty, client: OpenAIUpstream
) -> None:
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
    monkeypatch.setattr(openai, "STALE_S", -1.0)
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


async def test_the_ids_an_endpoint_lists(server: Faulty, client: OpenAIUpstream) -> None:
    """Ids in the order of the list."""
    listed = deployed(server.url.replace("/v1", "/listed/v1"), api_key_env="KEY")
    assert await client.ids(listed) == ("nemotron", "qwen")


@pytest.mark.parametrize(("path", "kind"), [("/v1", "status"), ("/html/v1", "invalid_body"), ("/huge/v1", "too_large")])
async def test_an_endpoint_that_lists_nothing(server: Faulty, client: OpenAIUpstream, path: str, kind: str) -> None:
    """No such path, no list, or one that never ends."""
    with pytest.raises(UpstreamFault) as caught:
        await client.ids(deployed(server.url.replace("/v1", path)))
    assert caught.value.kind == kind
    with pytest.raises(UpstreamFault) as caught:
        await client.ids(deployed(closed_url()))
    assert caught.value.kind == "connect"


async def test_catalogs_read_again_do_not_pile_up(server: Faulty, client: OpenAIUpstream) -> None:
    """What is prepared per deployment stays bounded over reloads."""
    for _ in range(openai.MAX_ROUTES):
        client._route(deployed(server.url))
    await (await client.send(call(server.url, "good"))).close()
    assert len(client._routes) == 1
