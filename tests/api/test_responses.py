"""`/v1/responses` over real sockets: what is kept for whom, what fails how, and what reaches the upstream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jsonschema_rs
import pytest

from router.store.memory import MemoryStore
from tests import faulty
from tests.answers import ROLE, STREAM, WORDS, chunked, completion, http
from tests.proxy.yard import CHEAP_THEN_DEAR, Got, Proxy, Yard
from tests.wire.responses.told import events, kinds

PATH = "/v1/responses"
STREAMED = "good-stream"


async def ask(proxy: Proxy, headers: Mapping[str, str] = {}, **fields: Any) -> Got:
    """One request, which must leave one outcome."""
    body = json.dumps({"model": "auto", "input": "Hello.", **fields}).encode()
    got = await proxy.fetch("POST", PATH, body, {"content-type": "application/json", **headers})
    proxy.admitted += got.status != 401
    return got


async def made(proxy: Proxy, headers: Mapping[str, str] = {}, **fields: Any) -> dict[str, Any]:
    """The response to one request that goes well."""
    got = await ask(proxy, headers, **fields)
    assert got.status == 200, got.body
    read: dict[str, Any] = json.loads(got.body)
    return read


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def test_an_answer(yard: Yard) -> None:
    """A response with the same headers as a chat completion, as it is described."""
    proxy = await yard({"cheap": "good"})
    got = await ask(proxy, {"x-request-id": "mine"}, metadata={"a": "b"})
    response = json.loads(got.body)
    assert response["output"][0]["content"][0]["text"] == "All is well." and response["metadata"] == {"a": "b"}
    assert response["usage"]["input_tokens"] == 9 and response["model"] == "m"
    assert got.headers["x-request-id"] == "mine" and got.headers["x-turnout-model"] == "cheap/off"
    described = json.loads((await proxy.fetch("GET", "/openapi.json")).body)["paths"][PATH]["post"]
    schema = described["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema_rs.validate(schema, response)
    jsonschema_rs.validate(
        described["requestBody"]["content"]["application/json"]["schema"], {"model": "auto", "input": []}
    )
    assert proxy.sent() == {"model": "good", "messages": [{"role": "user", "content": "Hello."}]}


async def test_a_stream(yard: Yard) -> None:
    """Ends with the response; the upstream was asked for usage, which is in it."""
    proxy = await yard({"cheap": STREAMED})
    got = await ask(proxy, stream=True)
    told = events(got.body)
    assert kinds(told)[0] == "created" and kinds(told)[-1] == "completed"
    final = told[-1]["response"]
    assert final["output"][0]["content"][0]["text"] == "All is well." and final["usage"]["output_tokens"] == 4
    assert proxy.sent()["stream_options"] == {"include_usage": True}
    assert json.loads((await proxy.fetch("GET", f"{PATH}/{final['id']}")).body) == final
    assert got.headers["content-type"].startswith("text/event-stream")


async def test_what_follows_is_told_what_came_before(yard: Yard) -> None:
    """Input and answer of each response before it, but not their instructions; all in one run."""
    proxy = await yard({"cheap": "good"})
    first = await made(proxy, input="One.", instructions="Be kind.")
    second = await made(proxy, input="Two.", previous_response_id=first["id"])
    await made(proxy, input="Three.", previous_response_id=second["id"], instructions="Be brief.")
    assert [(m["role"], m["content"]) for m in proxy.sent()["messages"]] == [
        ("system", "Be brief."),
        ("user", "One."),
        ("assistant", "All is well."),
        ("user", "Two."),
        ("assistant", "All is well."),
        ("user", "Three."),
    ]
    await proxy.all_settled()
    assert [outcome.run_id for outcome in proxy.outcomes] == [first["id"]] * 3


async def test_what_was_thought_comes_back_within_the_turn(yard: Yard, answer: Callable[..., str]) -> None:
    """To the model that thought it, beside the call that it led to; not once the user has spoken again."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "reasoning": "hm", "tool_calls": [call]}
    choices = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    proxy = await yard({"cheap": answer(http(completion(choices=choices)))})
    first = await made(proxy, tools=tools)
    output = {"type": "function_call_output", "call_id": "c", "output": "1"}
    second = await made(proxy, tools=tools, input=[output], previous_response_id=first["id"])
    sent = proxy.sent()["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool"] and sent[1]["tool_calls"] == [call]
    assert "hm" in (sent[1].get("reasoning"), sent[1].get("reasoning_content"))
    await made(
        proxy, tools=tools, input=[output, {"role": "user", "content": "So?"}], previous_response_id=second["id"]
    )
    assert "hm" not in json.dumps(proxy.sent())


RUNS: list[tuple[dict[str, str], dict[str, Any], str | None]] = [
    ({}, {"prompt_cache_key": "key"}, "key"),
    ({"session-id": "mine"}, {"prompt_cache_key": "key"}, "mine"),
    ({"x-turnout-run-id": "hint"}, {"prompt_cache_key": "key"}, "hint"),
    ({}, {"store": False}, None),
]


@pytest.mark.parametrize(("headers", "fields", "run"), RUNS)
async def test_runs(yard: Yard, headers: dict[str, str], fields: dict[str, Any], run: str | None) -> None:
    """A hint names the run, else the session, else the prompt cache's key; what nobody can follow has none."""
    proxy = await yard({"cheap": "good"})
    await made(proxy, headers, **fields)
    assert (await proxy.settled()).run_id == run


async def test_references(yard: Yard) -> None:
    """An item of the input or the answer of a response that is kept; any other is refused."""
    proxy = await yard({"cheap": "good"})
    first = await made(proxy, input="One.")
    listed = json.loads((await proxy.fetch("GET", f"{PATH}/{first['id']}/input_items")).body)["data"]
    wanted = [listed[0]["id"], first["output"][0]["id"]]
    await made(
        proxy, input=[*({"type": "item_reference", "id": name} for name in wanted), {"role": "user", "content": "Two."}]
    )
    assert [m["content"] for m in proxy.sent()["messages"]] == ["One.", "All is well.", "Two."]
    got = await ask(proxy, input=[{"type": "item_reference", "id": "msg_0123456789abcdef01234567_0"}])
    assert (got.status, got.error["param"]) == (400, "input[0].id")


async def test_nobody_sees_what_another_key_keeps(yard: Yard) -> None:
    """Neither to read, nor to list, to follow, to refer to, or to delete: the same as if it had never been."""
    proxy = await yard({"cheap": "good"}, api_keys=("alice", "mallory"))
    first = await made(proxy, bearer("alice"))
    name, item = first["id"], first["output"][0]["id"]
    for method, path in (("GET", ""), ("GET", "/input_items"), ("DELETE", ""), ("POST", "/cancel")):
        got = await proxy.fetch(method, f"{PATH}/{name}{path}", headers=bearer("mallory"))
        never = await proxy.fetch(method, f"{PATH}/resp_{'0' * 24}{path}", headers=bearer("mallory"))
        assert (got.status, got.error["code"]) == (404, "response_not_found")
        assert got.error["message"].replace(name, "") == never.error["message"].replace("resp_" + "0" * 24, "")
    followed = await ask(proxy, bearer("mallory"), previous_response_id=name)
    assert (followed.status, followed.error["code"]) == (400, "previous_response_not_found")
    referred = await ask(proxy, bearer("mallory"), input=[{"type": "item_reference", "id": item}])
    assert referred.status == 400
    assert (await proxy.fetch("GET", f"{PATH}/{name}")).status == 401
    assert json.loads((await proxy.fetch("GET", f"{PATH}/{name}", headers=bearer("alice"))).body) == first


async def test_what_is_not_to_be_stored_is_not(yard: Yard) -> None:
    """By the caller's wish, or by the server's."""
    proxy = await yard({"cheap": "good"})
    unkept = await made(proxy, store=False)
    assert unkept["store"] is False
    assert (await proxy.fetch("GET", f"{PATH}/{unkept['id']}")).status == 404
    streamed = await yard({"cheap": STREAMED})
    told = events((await ask(streamed, store=False, stream=True)).body)
    assert (await streamed.fetch("GET", f"{PATH}/{told[-1]['response']['id']}")).status == 404
    nothing = await yard({"cheap": "good"}, response_bytes=0)
    first = await made(nothing)
    assert first["store"] is False
    assert (await ask(nothing, previous_response_id=first["id"])).status == 400


async def test_responses_are_forgotten(yard: Yard) -> None:
    """When they were neither asked for nor followed for long; a chain that is followed stays whole."""
    now = 0.0
    proxy = await yard({"cheap": "good"}, store=MemoryStore(clock=lambda: now, kept_ttl=100.0))
    first, other = await made(proxy, input="One."), await made(proxy)
    now = 80.0
    second = await made(proxy, input="Two.", previous_response_id=first["id"])
    now = 160.0
    third = await made(proxy, input="Three.", previous_response_id=second["id"])
    assert (await proxy.fetch("GET", f"{PATH}/{other['id']}")).status == 404
    now = 300.0
    got = await ask(proxy, previous_response_id=third["id"])
    assert (got.status, got.error["param"]) == (400, "previous_response_id")


@pytest.mark.parametrize("size", [10, 5_000, 300_000])
async def test_what_is_kept_is_packed(yard: Yard, size: int) -> None:
    """Where that pays; it comes back as it was."""
    store = MemoryStore(kept_bytes=2_000_000)
    proxy = await yard({"cheap": "good"}, store=store)
    first = await made(proxy, input="word " * (size // 5))
    assert json.loads((await proxy.fetch("GET", f"{PATH}/{first['id']}")).body) == first
    (data,) = await store.kept("local", [first["id"] + ".input"])
    assert data is not None and (len(data) < size / 2) == (size == 5_000)
    await made(proxy, previous_response_id=first["id"])
    assert proxy.sent()["messages"][0]["content"] == "word " * (size // 5)


async def test_forgetting_a_link_ends_the_chain(yard: Yard) -> None:
    """What follows it can be read, with what is left of its input, but no more be followed."""
    proxy = await yard({"cheap": "good"})
    first = await made(proxy, input="One.")
    second = await made(proxy, input="Two.", previous_response_id=first["id"])
    gone = json.loads((await proxy.fetch("DELETE", f"{PATH}/{first['id']}")).body)
    assert gone == {"id": first["id"], "object": "response", "deleted": True}
    for name in (first["output"][0]["id"], f"msg_{first['id'][5:]}_i0"):
        assert (await ask(proxy, input=[{"type": "item_reference", "id": name}])).status == 400
    assert (await proxy.fetch("DELETE", f"{PATH}/{first['id']}")).status == 404
    listed = json.loads((await proxy.fetch("GET", f"{PATH}/{second['id']}/input_items?order=asc")).body)
    assert [item["content"][0]["text"] for item in listed["data"]] == ["Two."]
    assert (await ask(proxy, previous_response_id=second["id"])).error["code"] == "previous_response_not_found"


ODD: list[tuple[str, str, int, str | None]] = [
    ("GET", "", 404, "response_id"),
    ("GET", "?stream=true", 400, "stream"),
    ("GET", "/input_items?limit=0", 404, "response_id"),
    ("POST", "/cancel", 404, "response_id"),
]


@pytest.mark.parametrize(("method", "path", "status", "param"), ODD)
async def test_names_that_are_none(yard: Yard, method: str, path: str, status: int, param: str) -> None:
    """Whatever they are made of, they lead nowhere."""
    proxy = await yard({"cheap": "good"})
    for name in ("x", "resp_..", "dec_" + "0" * 24, "%00"):
        got = await proxy.fetch(method, f"{PATH}/{name}{path}")
        assert (got.status, got.error["param"]) == (status, param)


async def test_what_cannot_be_asked_of_a_kept_response(yard: Yard) -> None:
    """Is named."""
    proxy = await yard({"cheap": "good"})
    name = (await made(proxy))["id"]
    for method, path, param in (
        ("GET", "?stream=1", "stream"),
        ("GET", "/input_items?limit=1000", "limit"),
        ("GET", "/input_items?limit=x", "limit"),
        ("GET", "/input_items?order=up", "order"),
        ("POST", "/cancel", "response_id"),
    ):
        got = await proxy.fetch(method, f"{PATH}/{name}{path}")
        assert (got.status, got.error["param"]) == (400, param)
    assert (await proxy.fetch("GET", PATH)).status == 405


WRONG: list[tuple[dict[str, Any], int, str, str]] = [
    ({"input": 7}, 400, "input", "invalid_request"),
    ({"model": "nope"}, 404, "model", "model_not_found"),
    ({"messages": []}, 400, "messages", "invalid_request"),
    ({"tools": [{"type": "mcp"}]}, 400, "tools[0].type", "invalid_request"),
    ({"turnout": {"accuracy": 7}}, 400, "turnout.accuracy", "invalid_hint"),
    ({"previous_response_id": "resp_1"}, 400, "previous_response_id", "previous_response_not_found"),
]


@pytest.mark.parametrize(("fields", "status", "param", "code"), WRONG)
async def test_what_is_wrong_is_named(yard: Yard, fields: dict[str, Any], status: int, param: str, code: str) -> None:
    """In OpenAI's shape, whoever finds it; nothing goes upstream, and an outcome is recorded."""
    proxy = await yard({"cheap": "good"})
    got = await ask(proxy, **fields)
    assert (got.status, got.error["param"], got.error["code"]) == (status, param, code)
    assert not proxy.upstream.seen and (await proxy.settled()).result == "error"


async def test_an_upstreams_own_names_are_turned_back(yard: Yard, answer: Callable[..., str]) -> None:
    """What it says of a field of the chat completion is said of the field that the caller wrote."""
    refusal = {"error": {"message": "max_tokens is wrong", "type": "t", "param": "max_tokens", "code": None}}
    proxy = await yard({"cheap": answer(http(json.dumps(refusal).encode(), "400 Bad Request"))})
    assert (await ask(proxy)).error["param"] == "max_output_tokens"


async def test_a_conversation_has_the_size_of_a_body(yard: Yard) -> None:
    """However small its last request is."""
    proxy = await yard({"cheap": "good"}, max_body_bytes=2_000)
    first = await made(proxy, input="x" * 1_000)
    got = await ask(proxy, input="x" * 1_000, previous_response_id=first["id"])
    assert (got.status, got.error["param"]) == (413, "previous_response_id")
    second = await made(proxy, input="x" * 600, previous_response_id=first["id"])
    assert (await ask(proxy, input="", previous_response_id=second["id"])).status == 413


async def test_counting(yard: Yard) -> None:
    """The tokens of a request and of all that it follows; nothing is sent, and what is wrong is named."""
    proxy = await yard({"cheap": "good"})
    first = await made(proxy, input="One. " * 200)
    counts = []
    for fields in ({}, {"previous_response_id": first["id"]}, {"input": 7}):
        body = json.dumps({"model": "auto", "input": "Two.", **fields}).encode()
        got = await proxy.fetch("POST", f"{PATH}/input_tokens", body)
        counts.append(json.loads(got.body).get("input_tokens"))
    assert counts[0] < 100 < counts[1] and counts[2] is None
    assert (got.status, got.error["param"]) == (400, "input")
    assert len(proxy.upstream.seen) == 1


async def test_a_stream_that_breaks(yard: Yard) -> None:
    """Is told of by an error and as failed, and is not kept."""
    proxy = await yard({"cheap": "close-mid"})
    told = events((await ask(proxy, stream=True)).body)
    assert kinds(told)[-2:] == ["error", "failed"] and told[-2]["code"] == "upstream_error"
    assert (await proxy.fetch("GET", f"{PATH}/{told[-1]['response']['id']}")).status == 404


async def test_a_held_stream(yard: Yard) -> None:
    """Is told once the checks have passed; the answer that they refused is not kept."""
    proxy = await yard({"cheap": "empty-stream", "dear": STREAMED})
    got = await ask(proxy, stream=True, turnout={"hold": True, **CHEAP_THEN_DEAR})
    comments = [event for event in got.events if event.startswith(b":")]
    told = events(b"".join(event for event in got.events if not event.startswith(b":")))
    assert len(comments) == 1 and b"attempts=2" in comments[0]
    assert kinds(told)[-1] == "completed" and told[-1]["response"]["output"][0]["content"][0]["text"] == "All is well."
    assert (await proxy.fetch("GET", f"{PATH}/{told[-1]['response']['id']}")).status == 200


async def test_a_held_stream_stays_open(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """By comments, which clients skip, before the response begins."""

    async def slow(exchange: faulty.Exchange) -> None:
        await asyncio.sleep(0.3)
        await exchange.send(*chunked(*STREAM))

    monkeypatch.setitem(faulty.ACTS, "slow", slow)
    proxy = await yard({"cheap": "slow"}, keepalive_interval=0.05)
    got = await ask(proxy, stream=True, turnout={"hold": True})
    assert got.events[0] == got.events[1] == b": waiting\n\n"
    assert kinds(events(b"".join(event for event in got.events if not event.startswith(b":"))))[-1] == "completed"


async def test_a_caller_that_leaves(yard: Yard) -> None:
    """Ends the call upstream, and nothing is kept."""
    proxy = await yard({"cheap": "silent-mid"})
    body = json.dumps({"model": "auto", "input": "Hello.", "stream": True}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    proxy.admitted += 1
    assert b"response.created" in await reader.readuntil(b"response.output_text.delta")
    writer.close()
    await proxy.upstream.until(lambda: proxy.upstream.aborts == 1)
    assert (await proxy.settled()).result == "disconnected"


async def test_an_answer_that_is_no_completion(yard: Yard, answer: Callable[..., str]) -> None:
    """Is no response either."""
    proxy = await yard({"cheap": answer(http(completion(choices=[])))})
    got = await ask(proxy)
    assert (got.status, got.error["code"]) == (502, "upstream_error")


async def test_words_come_as_they_are_said(yard: Yard, answer: Callable[..., str]) -> None:
    """Each packet of the upstream's is told at once, before the next is there."""
    proxy = await yard({"cheap": answer(*chunked(ROLE, *WORDS, *STREAM[-3:]))})
    told = events((await ask(proxy, stream=True)).body)
    assert [event["delta"] for event in told if event["type"] == "response.output_text.delta"] == [
        "All ",
        "is ",
        "well.",
    ]


class Slow(MemoryStore):
    """A store that takes its time to find what was kept."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.asked = seconds, asyncio.Event()

    async def kept(self, key_id: str, names: Sequence[str]) -> Sequence[bytes | None]:
        self.asked.set()
        await asyncio.sleep(self.seconds)
        return await super().kept(key_id, names)


async def test_what_comes_before_the_decision_is_overhead_too(yard: Yard) -> None:
    """Looking for what a request follows, and the translation: on the header, and in the outcome."""
    proxy = await yard({"cheap": "good"}, store=Slow(0.05))
    first = await made(proxy)
    got = await ask(proxy, previous_response_id=first["id"])
    assert float(got.headers["x-turnout-overhead-ms"]) >= 50
    assert (await proxy.settled()).overhead_s >= 0.05


async def test_a_caller_that_leaves_before_the_decision(yard: Yard) -> None:
    """Is noticed at once, and leaves its outcome."""
    store = Slow(60)
    proxy = await yard({"cheap": "good"}, store=store)
    body = json.dumps({"model": "auto", "input": "x", "previous_response_id": "resp_" + 24 * "0"}).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    proxy.admitted += 1
    await asyncio.wait_for(store.asked.wait(), 5)
    writer.close()
    await writer.wait_closed()
    outcome = await proxy.settled()
    assert (outcome.result, outcome.status, outcome.attempts) == ("disconnected", 499, ())
    assert proxy.upstream.requests == 0
