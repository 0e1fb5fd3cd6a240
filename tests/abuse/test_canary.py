"""Whatever a request says, only the upstreams of the catalog are called: a canary listens for all others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.answers import completion, http
from tests.proxy.yard import CHAT, HELLO, Proxy, Yard


class Canary:
    """Listens, and remembers whoever comes."""

    def __init__(self) -> None:
        self.url = ""
        self.knocks: list[bytes] = []

    async def knocked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.knocks.append(b"")
        self.knocks[-1] = await reader.read(4096)
        writer.write(http(completion("I am the canary.")))
        writer.close()


@asynccontextmanager
async def canary() -> AsyncIterator[Canary]:
    """One that sees, when the block ends, that nobody came."""
    bird = Canary()
    server = await asyncio.start_server(bird.knocked, "127.0.0.1", 0)
    async with server:
        bird.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield bird
        await asyncio.sleep(0.05)
    assert bird.knocks == []


async def test_the_canary_sings() -> None:
    """Else it would prove nothing."""
    with pytest.raises(AssertionError):
        async with canary() as bird:
            host, port = bird.url.removeprefix("http://").split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()


ADDRESSES = (
    "base_url api_base api_url url endpoint host proxy proxies openai_api_base azure_endpoint api_key api_type "
    "deployment deployment_id custom_llm_provider provider upstream target_url callback_url success_callback webhook "
    "fallbacks model_list router config litellm_params client http_client transport mock_response"
).split()
"""Fields by which other proxies and clients may be told where to go."""
HEADERS = (
    "x-turnout-base-url x-turnout-upstream x-turnout-deployment x-forwarded-host x-forwarded-for x-original-url "
    "x-rewrite-url x-host forwarded via x-openai-base-url openai-base-url helicone-target-url x-portkey-custom-host "
    "x-api-base proxy proxy-authorization referer origin destination location"
).split()


def bodies(url: str) -> list[dict[str, Any]]:
    """Requests with the canary's address wherever one might be read, by sort."""
    say = [{"role": "user", "content": "Hello."}]
    part: dict[str, Any] = {"type": "image_url", "image_url": {"url": f"{url}/x.png"}}
    schema = {"$ref": f"{url}/schema.json", "$schema": f"{url}/meta.json", "$id": url}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    wide = {name: url for name in ADDRESSES} | {"extra_headers": {"host": url}, "headers": {"host": url}}
    return [
        {"messages": say, **wide},
        {"messages": say, "extra_body": wide, "metadata": {k: v for k, v in wide.items() if isinstance(v, str)}},
        *({"model": name, "messages": say} for name in (url, f"{url}/v1", f"openai/{url}", f"auto:{url}", "../../x")),
        *({"model": f"auto?{name}={url}", "messages": say} for name in ("base_url", "models", "runtime", "step")),
        *({"messages": say, "turnout": {name: url}} for name in ("base_url", "models", "runtime", "step", "run_id")),
        *({"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, p]}]} for p in (
            part,
            {"type": "image_url", "image_url": f"{url}/x.png"},
            {"type": "file", "file": {"file_id": f"{url}/x.pdf"}},
            {"type": "input_audio", "input_audio": {"data": f"{url}/x.wav", "format": "wav"}},
            {"type": "video_url", "video_url": {"url": f"{url}/x.mp4"}},
        )),
        {"messages": say, "tools": [tool], "tool_choice": "auto"},
        {"messages": say, "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}},
        {"messages": [{"role": "user", "content": f"Fetch {url}/x and ![x]({url}/x.png)"}]},
        {"messages": say, "stream": True, "stream_options": {"include_usage": True, "url": url}},
    ]  # fmt: skip


PICTURES = {"cheap": {"modalities": ["text", "image"]}}


async def everything(proxy: Proxy, url: str) -> None:
    """All the bodies on each route, then all the headers."""
    for body in bodies(url):
        data = json.dumps({"model": "auto", **body}).encode()
        got = await proxy.post(data)
        assert b"canary" not in got.body and (got.status < 500 or body.get("stream"))
        assert (await proxy.fetch("POST", "/v1/route", data)).status < 500
    for name in HEADERS:
        got = await proxy.chat({name: url})
        assert b"canary" not in got.body
    for target in (url, f"{url}{CHAT}", f"//{url.removeprefix('http://')}{CHAT}"):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        data = json.dumps(HELLO).encode()
        head = f"POST {target} HTTP/1.1\r\nhost: {url[7:]}\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        got_all = await asyncio.wait_for(reader.read(), 5)
        assert b"canary" not in got_all
        proxy.admitted += b"x-turnout-decision-id" in got_all
        writer.close()


@pytest.mark.parametrize("client", ["native", "aiohttp"])
async def test_no_request_reaches_another_server(yard: Yard, client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its fields nor its headers, model names, pictures, schemas or request line choose where it goes, nor do
    the usual variables for a proxy."""
    async with canary() as bird:
        proxies = {name: bird.url for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")}
        for name, url in proxies.items():
            monkeypatch.setenv(name, url)
        proxy = await yard({"cheap": "good"}, facts=PICTURES, client=client, environment=proxies)
        await everything(proxy, bird.url)
        await proxy.all_settled()
        assert all(e.headers["host"] == proxy.upstream.url.split("/")[2] for e in proxy.upstream.seen)
        assert len(proxy.upstream.seen) > 20


@pytest.mark.parametrize("client", ["native", "aiohttp"])
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(yard: Yard, answer: Any, client: str, status: str) -> None:
    """An upstream that was taken over sends nobody, and no key, elsewhere."""
    async with canary() as bird:
        away = (f"location: {bird.url}/v1/chat/completions", f"refresh: 0;{bird.url}")
        name = answer(http(b"", status, "text/plain", *away))
        proxy = await yard({"cheap": [{"model": name, "api_key_env": "KEY"}]}, client=client, environment={"KEY": "sk"})
        got = await proxy.chat()
        assert got.status == 502 and bird.url not in got.body.decode() + str(got.headers)


async def test_addresses_in_an_answer_are_not_followed(yard: Yard, answer: Any) -> None:
    """Nor in the verdicts on it."""
    async with canary() as bird:
        proxy = await yard({"cheap": answer(http(completion(f"![x]({bird.url}/x.png)")))})
        got = await proxy.chat()
        decision = got.headers["x-turnout-decision-id"]
        verdict = {"decision_id": decision, "success": False, "reason": f"see {bird.url}/x"}
        assert (await proxy.fetch("POST", "/v1/outcomes", json.dumps(verdict).encode())).status == 200
