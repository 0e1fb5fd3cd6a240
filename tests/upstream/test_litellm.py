"""Answers that litellm translates from Anthropic's dialect, against what OpenAI's clients expect."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from router.deployment import Deployment, Prices
from router.errors import CallerFault, TurnoutError, UpstreamFault
from router.loader import LITELLM_ENVIRONMENT, load_litellm
from router.upstream.base import Call
from router.upstream.litellm import LiteLLMUpstream
from router.wire import fault as wire_fault
from tests.faulty import Faulty, closed_url
from tests.upstream.messages_server import CONTENT, ERRORS, MessagesServer, serving

# litellm's own types; it silences this itself, but the tests' filters come after its.
# The second: after a refusal litellm leaves it to the collector to close its connection, whenever that comes.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*Connection.__del__.*:pytest.PytestUnraisableExceptionWarning"),
]

MB = 1_000_000
PARAMETERS = {"type": "object", "properties": {"at": {"type": "string"}}}
TOOLS = [{"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": PARAMETERS}}]


@pytest.fixture(scope="module")
def litellm() -> Iterator[Any]:
    before = {name: os.environ.get(name) for name in LITELLM_ENVIRONMENT}
    yield load_litellm()
    for name, value in before.items():
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value


@pytest.fixture
async def server() -> AsyncIterator[MessagesServer]:
    async with serving() as messages:
        yield messages


@pytest.fixture
async def client(litellm: Any) -> AsyncIterator[LiteLLMUpstream]:
    upstream = LiteLLMUpstream({"KEY": "sk-secret\n"}, litellm)
    yield upstream
    await upstream.close()


def call(url: str, model: str, *, stream: bool = False, idle_s: float = 5.0, **body: Any) -> Call:
    deployment = Deployment.model_validate(
        {
            "name": "d",
            "model": model,
            "litellm_provider": "anthropic",
            "api_base": url,
            "api_key_env": "KEY",
            "headers": {"x-team": "rail"},
            "prices": Prices(input=1, output=1),
            "thinking": {"on": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
        }
    )
    asked = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2000, "stream": stream}
    if stream:
        asked["stream_options"] = {"include_usage": True}
    return Call(deployment, json.dumps(asked | body).encode(), stream, connect_s=2.0, idle_s=idle_s)


async def answered(client: LiteLLMUpstream, sent: Call) -> dict[str, Any]:
    reply = await client.send(sent)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    body: dict[str, Any] = json.loads(await reply.read(MB))
    await reply.close()
    return body


async def streamed(client: LiteLLMUpstream, sent: Call) -> list[dict[str, Any]]:
    """The events of a stream, which must end with [DONE]."""
    reply = await client.send(sent)
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/event-stream"
    whole = b"".join([piece async for piece in reply.chunks()])
    await reply.close()
    *events, done, rest = whole.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


async def test_the_trace_goes_on(server: MessagesServer, client: LiteLLMUpstream) -> None:
    """Through litellm too, beside the deployment's own headers."""
    trace = (("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"), ("tracestate", "congo=1"))
    await answered(client, msgspec.structs.replace(call(server.url, "text"), trace=trace))
    headers, _ = server.seen[0]
    assert [headers[name] for name, _ in trace] == [value for _, value in trace] and headers["x-team"] == "rail"


async def test_an_answer_has_the_shape_of_openai(server: MessagesServer, client: LiteLLMUpstream) -> None:
    """Keys, finish reason and usage are those of a chat.completion."""
    body = await answered(client, call(server.url, "text"))
    assert set(body) == {"id", "object", "created", "model", "choices", "usage"}
    assert (body["object"], body["model"]) == ("chat.completion", "text")
    [choice] = body["choices"]
    message = {"role": "assistant", "content": "All is well 👩‍🚀."}
    assert choice == {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = body["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (9, 12, 21)
    assert None not in usage.values()


async def test_tool_calls_have_the_shape_of_openai(server: MessagesServer, client: LiteLLMUpstream) -> None:
    """Arguments are JSON text, ids are the provider's, the order is kept."""
    [choice] = (await answered(client, call(server.url, "tools", tools=TOOLS)))["choices"]
    assert choice["finish_reason"] == "tool_calls"
    calls = choice["message"]["tool_calls"]
    assert [set(each) for each in calls] == [{"id", "type", "function"}] * 2
    assert [each["id"] for each in calls] == ["toolu_1", "toolu_2"]
    assert json.loads(calls[0]["function"]["arguments"]) == {"at": "the track", "far": 2}


async def test_thinking_is_reasoning(server: MessagesServer, client: LiteLLMUpstream) -> None:
    """Thoughts come as `reasoning_content`; the signed blocks stay, since the next turn has to send them back."""
    [choice] = (await answered(client, call(server.url, "thinking")))["choices"]
    assert choice["message"]["reasoning_content"] == "Hm."
    assert choice["message"]["thinking_blocks"] == [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}]
    events = await streamed(client, call(server.url, "thinking", stream=True))
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "Hm."
    assert "".join(delta.get("content", "") for delta in deltas) == "All is well 👩‍🚀."


@pytest.mark.parametrize("model", sorted(CONTENT))
async def test_a_stream_has_the_shape_of_openai(server: MessagesServer, client: LiteLLMUpstream, model: str) -> None:
    """Every event has the keys of a chunk; the role comes first, one finish reason last, then usage without choices."""
    *events, usage = await streamed(client, call(server.url, model, stream=True, tools=TOOLS))
    head = {"id", "object", "created", "model", "choices"}
    assert all(set(event) == head and event["object"] == "chat.completion.chunk" for event in events)
    assert len({event["id"] for event in [*events, usage]}) == 1
    assert all(set(c) == {"index", "delta", "logprobs", "finish_reason"} for e in events for c in e["choices"])
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert not any("role" in event["choices"][0]["delta"] for event in events[1:])
    reason = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls"}[CONTENT[model][1]]
    assert [event["choices"][0]["finish_reason"] for event in events] == [None] * (len(events) - 1) + [reason]
    assert set(usage) == head | {"usage"} and usage["choices"] == []
    assert (usage["usage"]["prompt_tokens"], usage["usage"]["completion_tokens"]) == (9, 12)


async def test_tool_call_deltas_add_up(server: MessagesServer, client: LiteLLMUpstream) -> None:
    """The first delta of each call has id, type and name; the others only index and arguments."""
    events = await streamed(client, call(server.url, "tools", stream=True, tools=TOOLS))
    deltas = [d for e in events for c in e["choices"] for d in c["delta"].get("tool_calls", ())]
    for index, block in enumerate(CONTENT["tools"][0][1:]):
        first, *rest = [delta for delta in deltas if delta["index"] == index]
        assert (first["id"], first["type"], first["function"]["name"]) == (block["id"], "function", "look")
        assert all(set(delta) == {"index", "function"} and set(delta["function"]) == {"arguments"} for delta in rest)
        assert json.loads("".join(delta["function"]["arguments"] for delta in [first, *rest])) == block["input"]


async def test_usage_comes_only_where_it_was_asked_for(server: MessagesServer, client: LiteLLMUpstream) -> None:
    """As OpenAI does it."""
    events = await streamed(client, call(server.url, "text", stream=True, stream_options=None))
    assert not any("usage" in event for event in events)
    assert all(event["choices"] for event in events)


async def test_only_chat_fields_reach_litellm(server: MessagesServer, client: LiteLLMUpstream) -> None:
    """A caller cannot redirect the call, swap the key or switch litellm's own features; hints may be dropped."""
    away = closed_url()
    body = await answered(
        client,
        call(
            server.url,
            "text",
            api_base=away,
            base_url=away,
            api_key="stolen",
            custom_llm_provider="openai",
            mock_response="fooled",
            extra_headers={"x-evil": "1"},
            fallbacks=["x"],
            num_retries=9,
            seed=3,
            user="u",
            temperature=0.5,
            thinking={"type": "enabled", "budget_tokens": 1024},
        ),
    )
    assert body["choices"][0]["message"]["content"] == "All is well 👩‍🚀."
    headers, sent = server.seen[0]
    assert (headers["x-api-key"], headers["x-team"]) == ("sk-secret", "rail")
    assert "x-evil" not in headers
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert len(server.seen) == 1


@pytest.mark.parametrize("field", [{"n": 3}, {"logprobs": True}])
async def test_what_the_provider_cannot_do_is_refused(
    server: MessagesServer, client: LiteLLMUpstream, field: dict[str, Any]
) -> None:
    """It is told as an OpenAI-compatible server would, so that another arm may take the step; nothing is left out."""
    reply = await client.send(call(server.url, "text", **field))
    error = wire_fault.from_reply(reply.status, reply.headers, await reply.read(MB))
    assert isinstance(error, UpstreamFault) and error.kind == "unsupported"
    assert next(iter(field)) in error.message and "litellm" not in error.message
    assert server.seen == []


# model → what the caller's logic makes of the reply
REFUSALS: dict[str, tuple[type[TurnoutError], str | None]] = {
    "too-long": (UpstreamFault, "unsupported"),
    "wrong": (CallerFault, None),
    "unauthorized": (UpstreamFault, "auth"),
    "limited": (UpstreamFault, "rate_limited"),
    "broken": (UpstreamFault, "status"),
    "overloaded": (UpstreamFault, "status"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", sorted(REFUSALS))
async def test_a_refusal_is_a_reply(server: MessagesServer, client: LiteLLMUpstream, model: str, stream: bool) -> None:
    """Status, the provider's words and retry-after arrive as from an OpenAI-compatible endpoint; nothing is retried."""
    reply = await client.send(call(server.url, model, stream=stream))
    body = await reply.read(MB)
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"] == ERRORS[model][2]
    kind, name = REFUSALS[model]
    told = wire_fault.from_reply(reply.status, reply.headers, body)
    assert isinstance(told, kind)
    assert name is None or (isinstance(told, UpstreamFault) and told.kind == name)
    assert model != "limited" or told.retry_after == 7
    assert len(server.seen) == 1


FAULTS = [
    ("reset", False, "reset"),
    ("reset", True, "reset"),
    ("html", False, "invalid_body"),
    ("html", True, "truncated"),
    ("cut", True, "truncated"),
    ("cut-off", True, "truncated"),
    ("error-mid", True, "error_object"),
    ("silent", True, "timeout"),
    ("hang", True, "timeout"),
]


@pytest.mark.parametrize(("model", "stream", "kind"), FAULTS)
async def test_a_failure_has_a_kind(
    server: MessagesServer, client: LiteLLMUpstream, model: str, stream: bool, kind: str
) -> None:
    """A broken, silent or unfinished answer is a fault that tells no secrets, never a clean end."""
    with pytest.raises(UpstreamFault) as caught:
        reply = await client.send(call(server.url, model, stream=stream, idle_s=0.3))
        await reply.read(MB)
    assert caught.value.kind == kind
    assert not any(word in caught.value.message for word in ("127.0.0.1", "sk-secret", "Overloaded", "litellm"))


async def test_nobody_there_is_a_connect_fault(client: LiteLLMUpstream) -> None:
    """A refused connection."""
    for stream in (False, True):
        with pytest.raises(UpstreamFault) as caught:
            await client.send(call(closed_url(), "text", stream=stream))
        assert caught.value.kind == "connect"


async def test_a_redirect_is_not_followed(server: MessagesServer, client: LiteLLMUpstream) -> None:
    """The key goes to the address in the catalog and to no other."""
    reply = await client.send(call(server.url, "redirect"))
    assert reply.status == 307
    assert len(server.seen) == 1


async def test_a_missing_key_is_told_before_anything_is_sent(server: MessagesServer, litellm: Any) -> None:
    """litellm does not go looking for another."""
    with pytest.raises(UpstreamFault) as caught:
        await LiteLLMUpstream({}, litellm).send(call(server.url, "text"))
    assert caught.value.kind == "auth"
    assert server.seen == []


@pytest.mark.parametrize(("model", "stream"), [("hang", False), ("hang", True), ("silent", True), ("endless", True)])
async def test_a_cancelled_call_closes_its_upstream(
    server: MessagesServer, client: LiteLLMUpstream, model: str, stream: bool
) -> None:
    """Before the headers and in the stream: the provider sees the connection close within a second."""

    async def use() -> None:
        reply = await client.send(call(server.url, model, stream=stream))
        try:
            async for _ in reply.chunks():
                pass
        finally:
            await reply.close()

    task = asyncio.create_task(use())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(1):
        await server.aborted.wait()


@pytest.mark.parametrize("model", ["silent", "endless"])
async def test_closing_a_stream_closes_its_upstream(
    server: MessagesServer, client: LiteLLMUpstream, model: str
) -> None:
    """Also where nobody waits for the next piece."""
    reply = await client.send(call(server.url, model, stream=True))
    await anext(reply.chunks())
    await reply.close()
    await reply.close()
    async with asyncio.timeout(1):
        await server.aborted.wait()


async def test_the_limit_of_a_read(server: MessagesServer, client: LiteLLMUpstream) -> None:
    """An answer over the limit is a fault, whole or streamed."""
    for model, stream in (("text", False), ("endless", True)):
        reply = await client.send(call(server.url, model, stream=stream))
        with pytest.raises(UpstreamFault) as caught:
            await reply.read(100)
        assert caught.value.kind == "too_large"
        await reply.close()


async def test_a_provider_with_a_package_of_its_own(litellm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the openai package too an answer arrives, a stream that is cut is a fault, and closing closes."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")  # without a key in the catalog, litellm looks for the usual one
    client = LiteLLMUpstream({}, litellm)
    async with Faulty() as server:
        fields = {
            "name": "d",
            "litellm_provider": "openai",
            "api_base": server.url,
            "prices": Prices(input=1, output=1),
        }

        def sent(model: str, stream: bool) -> Call:
            body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "stream": stream}).encode()
            return Call(Deployment.model_validate(fields | {"model": model}), body, stream, idle_s=2.0)

        body = await answered(client, sent("good", False))
        assert body["choices"][0]["message"]["content"] == "All is well."
        assert server.seen[0].headers["authorization"] == "Bearer sk-other"
        events = await streamed(client, sent("good-stream", True))
        text = "".join(choice["delta"].get("content", "") for event in events for choice in event["choices"])
        assert text == "All is well."
        for model in ("no-finish", "close-mid"):
            with pytest.raises(UpstreamFault) as caught:
                await (await client.send(sent(model, True))).read(MB)
            assert caught.value.kind == "truncated"
        reply = await client.send(sent("silent-mid", True))
        await anext(reply.chunks())
        await reply.close()
        await server.until(lambda: server.aborts == 1)
    await client.close()


@pytest.mark.parametrize("provider", ["anthropic", "bedrock", "gemini"])
async def test_no_picture_is_fetched(client: LiteLLMUpstream, provider: str) -> None:
    """litellm would get it from where this server stands, inside whatever network that is. Another arm may take it."""
    knocks = []

    async def knocked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.append(await reader.readline())
        writer.close()

    canary = await asyncio.start_server(knocked, "127.0.0.1", 0)
    async with canary:
        url = f"http://127.0.0.1:{canary.sockets[0].getsockname()[1]}/x.png"
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "file", "file": {"file_id": url}}]
        sent = call(closed_url(), "text", messages=[{"role": "user", "content": content}])
        deployment = sent.deployment.model_copy(update={"litellm_provider": provider})
        with pytest.raises(UpstreamFault) as caught:
            await client.send(msgspec.structs.replace(sent, deployment=deployment))
    assert caught.value.kind == "unsupported" and not knocks
