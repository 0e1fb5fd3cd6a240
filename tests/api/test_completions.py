"""`/v1/completions` on the wire."""

from __future__ import annotations

import json
from typing import Any

from router.wire import sse
from tests.proxy.yard import Got, Proxy, Yard


async def ask(proxy: Proxy, **fields: Any) -> Got:
    body = json.dumps({"model": "auto", "prompt": "Once", **fields}).encode()
    got = await proxy.fetch("POST", "/v1/completions", body)
    proxy.admitted += 1
    return got


async def test_a_completion(yard: Yard) -> None:
    """One step like any other, told in the older words."""
    proxy = await yard({"cheap": "good"})
    got = await ask(proxy, echo=True)
    told = json.loads(got.body)
    assert got.status == 200 and told["object"] == "text_completion"
    assert told["choices"][0]["text"] == "OnceAll is well." and told["usage"]["completion_tokens"] == 4
    assert got.headers["x-turnout-model"] == "cheap/off"
    assert proxy.sent()["messages"] == [{"role": "user", "content": "Once"}]
    assert (await proxy.settled()).result == "accepted"


async def test_a_stream(yard: Yard) -> None:
    """Usage only where it is asked for, and `[DONE]` at the end."""
    proxy = await yard({"cheap": "good-stream"})
    for asked in (False, True):
        got = await ask(proxy, stream=True, **({"stream_options": {"include_usage": True}} if asked else {}))
        assert got.body.endswith(b"data: [DONE]\n\n")
        pieces = [json.loads(data) for data in sse.events(got.body) if not sse.is_done(data)]
        assert "".join(c["text"] for p in pieces for c in p["choices"]) == "All is well."
        assert [p["choices"] == [] for p in pieces].count(True) == asked


async def test_a_held_stream_and_one_that_breaks(yard: Yard) -> None:
    """Comments while it waits; a fault in mid-stream is an event in OpenAI's shape."""
    proxy = await yard({"cheap": "good-stream", "dear": "close-mid"}, keepalive_interval=0.02)
    got = await ask(proxy, stream=True, turnout={"hold": True, "models": ["cheap"]})
    assert got.body.startswith(b": waiting\n\n") and b": turnout model=cheap/off" in got.events[-2]
    got = await ask(proxy, stream=True, model="dear")
    assert json.loads(list(sse.events(got.body))[-1])["error"]["code"] == "upstream_error"


async def test_mistakes(yard: Yard) -> None:
    """In OpenAI's shape, with the reason; each leaves an outcome."""
    proxy = await yard({"cheap": "good"})
    got = await ask(proxy, suffix="The end.")
    assert got.status == 400 and got.error["param"] == "suffix"
    assert (await proxy.settled()).status == 400 and not proxy.upstream.seen
