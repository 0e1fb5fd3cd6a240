"""Trace context through the proxy: the caller's trace goes on to the upstream on every route, by every client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.proxy.yard import CHEAP_THEN_DEAR, Proxy, Yard
from tests.test_embeddings import vectors

ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = {"traceparent": f"00-{ID}-{SPAN}-01", "tracestate": "congo=t61rcWkgMzE"}
ASKED = [{"role": "user", "content": "Hello."}]
ROUTES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": ASKED},
    "/v1/messages": {"messages": ASKED, "max_tokens": 100},
    "/v1/responses": {"input": "Hello."},
    "/v1/completions": {"prompt": "Hello."},
    "/v1/embeddings": {"input": "Hello."},
}


def told(proxy: Proxy, number: int = -1) -> tuple[list[str], str | None]:
    """The `traceparent`, in its parts, and the `tracestate` that the upstream got."""
    headers = proxy.upstream.seen[number].headers
    return headers["traceparent"].split("-"), headers.get("tracestate")


async def ask(proxy: Proxy, path: str, headers: dict[str, str], **fields: Any) -> None:
    body = json.dumps({"model": "auto", **ROUTES[path], **fields}).encode()
    got = await proxy.fetch("POST", path, body, {"content-type": "application/json", **headers})
    assert got.status == 200, got.body
    proxy.admitted += 1
    await proxy.settled()


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("client", ["native", "aiohttp"])
async def test_a_trace_goes_on(yard: Yard, answer: Callable[..., str], path: str, client: str) -> None:
    """With the caller's trace, the span of the call as its parent, the flags and the state as they came; what was told
    is in the outcome."""
    proxy = await yard(embeddings={"small": answer(vectors([0.1]))}, client=client)
    await ask(proxy, path, GIVEN)
    (version, trace_id, span_id, flags), state = told(proxy)
    outcome = proxy.outcomes[-1]
    assert (version, trace_id, flags, state) == ("00", ID, "01", GIVEN["tracestate"])
    assert outcome.trace is not None and outcome.trace_id == ID and outcome.trace.parent_id == SPAN
    assert span_id == outcome.attempts[0].span_id and len({span_id, SPAN, outcome.trace.span_id}) == 3


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_stream_has_its_trace(yard: Yard, path: str) -> None:
    """And so has the attempt that ended with it."""
    proxy = await yard({"cheap": "one-packet"})
    await ask(proxy, path, GIVEN, stream=True)
    assert told(proxy)[0][1:3] == [ID, proxy.outcomes[-1].attempts[0].span_id]


async def test_each_attempt_is_a_span(yard: Yard) -> None:
    """Two attempts of one step: one trace, two spans."""
    proxy = await yard({"cheap": "empty-content", "dear": "good"})
    await proxy.chat(GIVEN, turnout=CHEAP_THEN_DEAR)
    outcome = await proxy.settled()
    parts = [told(proxy, number)[0] for number in range(2)]
    assert [p[1] for p in parts] == [ID, ID]
    assert [p[2] for p in parts] == [a.span_id for a in outcome.attempts] and parts[0][2] != parts[1][2]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"traceparent": f"00-{'0' * 32}-{SPAN}-01", "tracestate": "congo=1"},
        {"traceparent": "zz", "tracestate": "a"},
    ],
)
async def test_a_new_trace_begins(yard: Yard, headers: dict[str, str]) -> None:
    """Where the caller sent none that is valid; its state then goes no further."""
    proxy = await yard()
    await proxy.chat(headers)
    await proxy.chat(headers)
    await proxy.all_settled()
    ids = [told(proxy, number)[0][1] for number in range(2)]
    assert ids == [o.trace_id for o in proxy.outcomes] and len({*ids, ID, "0" * 32}) == 4
    assert told(proxy)[1] is None and told(proxy)[0][3] == "01"


async def test_marks_of_sampling(yard: Yard) -> None:
    """A caller's mark goes on as it is; new traces are marked as the setting says."""
    proxy = await yard(trace_ratio=0.0)
    for given, flags in ((f"00-{ID}-{SPAN}-00", "00"), (f"00-{ID}-{SPAN}-01", "01"), (None, "00")):
        await proxy.chat({} if given is None else {"traceparent": given})
        assert told(proxy)[0][3] == flags


async def test_headers_that_came_twice(yard: Yard) -> None:
    """Two parents are none; two lines of state are one list."""
    proxy = await yard()
    parent = f"traceparent: {GIVEN['traceparent']}\r\n"
    for headers in (parent + parent, f"{parent}tracestate: a=1\r\ntracestate: b=2\r\n"):
        reader, writer = await proxy.connect(headers)
        assert b"200 OK" in await reader.readline()
        writer.close()
        await proxy.all_settled()
    assert told(proxy, 0)[0][1] != ID
    assert told(proxy, 1) == (["00", ID, proxy.outcomes[-1].attempts[0].span_id, "01"], "a=1,b=2")


async def test_forwarding_the_header_changes_nothing(yard: Yard) -> None:
    """A catalog that names it, as one had to before, does not send the caller's own beside ours."""
    deployment = {"model": "good", "forward_headers": ["traceparent", "tracestate", "x-tenant"]}
    proxy = await yard({"cheap": [deployment]})
    await proxy.chat({**GIVEN, "x-tenant": "rail"})
    span_id = (await proxy.settled()).attempts[0].span_id
    assert told(proxy) == (["00", ID, span_id, "01"], GIVEN["tracestate"])
    assert proxy.upstream.seen[-1].headers["x-tenant"] == "rail"
