"""Event streams as they may come, cut anywhere, between two real sockets: what goes out is what came in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.errors import UpstreamFault
from router.relay import Live
from router.step import StepRequest
from router.wire import chat
from tests.answers import ANSWERS, DONE, ROLE, STOP, USAGE, chunked, event
from tests.proxy.yard import Yard

TEXTS = st.sampled_from(
    ["a", "\u2028", "\u2029", "\x85", "\x0b\x0c\x1c", "👩‍🚀", "data: [DONE]", "\\n\\n", '"usage": {', "é" * 40]
)
NOISE = st.sampled_from(
    [
        b": keep-alive\n\n",
        b":\n\n",
        b"event: ping\n\n",
        b"id: 7\nretry: 9\n\n",
        b": \xff\xfe\n\n",
        b"x-\xc3: 1\n\n",
    ]
)
"""Comments, events without data, lines that are no UTF-8."""
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


class Pieces:
    """A reply whose body comes in these pieces."""

    status, headers = 200, {"content-type": "text/event-stream"}

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def read(self, limit: int) -> bytes:
        return b"".join(self._pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece

    async def close(self) -> None: ...


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], bytes, bytes]:
    """The pieces of a stream, all of it, and all of it without its usage."""
    words = [event({"content": draw(TEXTS)}) for _ in range(draw(st.integers(1, 5)))]
    end = draw(ENDS)
    parts = [ROLE, *words, STOP, USAGE, DONE]
    with_noise: list[bytes] = []
    for part in parts:
        with_noise += [draw(NOISE)] * draw(st.integers(0, 1))
        with_noise.append(part)
    told = [part.replace(b"\n", end) for part in with_noise]
    whole = b"".join(told)
    cuts = sorted({0, len(whole), *draw(st.lists(st.integers(0, len(whole)), max_size=30))})
    shown = b"".join(part for part in told if b'"prompt_tokens"' not in part)
    return [whole[a:b] for a, b in zip(cuts, cuts[1:], strict=False)], whole, shown


def asked(usage: bool) -> StepRequest:
    options = ', "stream_options": {"include_usage": true}' if usage else ""
    messages = '"messages": [{"role": "user", "content": "x"}]'
    return chat.parse(f'{{"model": "auto", "stream": true, {messages}{options}}}'.encode())


async def relayed(pieces: list[bytes], usage: bool) -> tuple[bytes, Live]:
    live = Live(Pieces(pieces), asked(usage))
    assert await live.begin(1_000_000) is None
    return live.head + b"".join([block async for block in live.rest()]), live


@given(streams(), st.booleans())
def test_a_stream_cut_anywhere_passes_byte_for_byte(stream: tuple[list[bytes], bytes, bytes], usage: bool) -> None:
    """CR, LF and CRLF end lines and nothing else does; comments, events without data and bytes that are no UTF-8 pass;
    only the usage that nobody asked for is taken out."""
    pieces, whole, shown = stream
    out, live = asyncio.run(relayed(pieces, usage))
    expected = whole if usage else shown
    assert out in (expected, expected.removesuffix(b"\n"))  # the LF of a CRLF behind [DONE] ends nothing any more
    assert live.done and live.finish_reason == "stop"
    assert live.usage is not None and live.usage.completion_tokens == 4


@pytest.mark.parametrize("client", ["native", "aiohttp"])
async def test_the_same_between_sockets(tmp_path: Path, client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst of it, byte by byte, and in one piece."""
    noise = b": \xff\xfe\n\nevent: ping\n\n:\n\n"
    told = [ROLE, event({"content": "a\u2028b\u2029\x85"}), noise, event({"content": "👩‍🚀"}), STOP, DONE]
    body = b"".join(told).replace(b"\n", b"\r\n")
    from_bytes = chunked(*[body[i : i + 7] for i in range(0, len(body), 7)])
    monkeypatch.setattr("tests.faulty.PACKET_GAP_S", 0.0005)
    monkeypatch.setitem(ANSWERS, "noise", from_bytes)
    async with AsyncExitStack() as stack:
        proxy = await Yard(tmp_path, stack)({"cheap": "noise"}, client=client)
        got = await proxy.chat(stream=True)
        assert (got.status, got.body) == (200, body)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=10))
def test_no_bytes_are_fatal(noise: bytes, cuts: list[int]) -> None:
    """Whatever an upstream sends behind the commit point, the relay ends with it as it came, or with a fault of its own
    kind: never with an error of ours."""
    whole = ROLE + event({"content": "a"}) + noise + b"\n\n" + STOP + DONE
    at = sorted({0, len(whole), *(c % len(whole) for c in cuts)})
    try:
        out, _ = asyncio.run(relayed([whole[a:b] for a, b in zip(at, at[1:], strict=False)], True))
    except UpstreamFault as fault:
        assert fault.kind in {"truncated", "error_object", "invalid_body"}
    else:
        assert whole.startswith(out) and event({"content": "a"}) in out
