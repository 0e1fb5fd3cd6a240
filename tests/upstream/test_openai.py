"""The byte pass-through: what goes out, and that what comes back is what was sent."""

from __future__ import annotations

import asyncio

import pytest

from router import __version__
from router.errors import UpstreamFault
from router.upstream import openai
from router.upstream.base import Call
from router.upstream.openai import OpenAIUpstream
from tests import answers
from tests.faulty import Faulty, closed_url
from tests.upstream.calls import MB, call, deployed, gathered


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


async def test_the_ids_an_endpoint_lists(server: Faulty, lister: OpenAIUpstream) -> None:
    """Ids in the order of the list."""
    listed = deployed(server.url.replace("/v1", "/listed/v1"), api_key_env="KEY")
    assert await lister.ids(listed) == ("nemotron", "qwen")


@pytest.mark.parametrize(("path", "kind"), [("/v1", "status"), ("/html/v1", "invalid_body"), ("/huge/v1", "too_large")])
async def test_an_endpoint_that_lists_nothing(server: Faulty, lister: OpenAIUpstream, path: str, kind: str) -> None:
    """No such path, no list, or one that never ends."""
    with pytest.raises(UpstreamFault) as caught:
        await lister.ids(deployed(server.url.replace("/v1", path)))
    assert caught.value.kind == kind
    with pytest.raises(UpstreamFault) as caught:
        await lister.ids(deployed(closed_url()))
    assert caught.value.kind == "connect"


async def test_catalogs_read_again_do_not_pile_up(server: Faulty, client: OpenAIUpstream) -> None:
    """What is prepared per deployment stays bounded over reloads."""
    for _ in range(openai.MAX_ROUTES):
        client._route(deployed(server.url))
    await (await client.send(call(server.url, "good"))).close()
    assert len(client._routes) == 1
