"""`/v1/messages` on the wire: the same journey as a chat completion's, in Anthropic's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.answers import DONE, ROLE, STOP, USAGE, WORDS, chunked, completion, event, http
from tests.proxy.test_keys import key_of
from tests.proxy.yard import CHEAP_THEN_DEAR, HELLO, Got, Proxy, Yard
from tests.wire.anthropic.test_stream import gather, parse

MESSAGES = "/v1/messages"
ASKED = {"max_tokens": 64, **HELLO}


async def ask(proxy: Proxy, headers: Mapping[str, str] = {}, **fields: Any) -> Got:
    return await send(proxy, json.dumps(ASKED | fields).encode(), headers)


async def send(proxy: Proxy, body: bytes, headers: Mapping[str, str] = {}) -> Got:
    got = await proxy.fetch("POST", MESSAGES, body, {"content-type": "application/json", **headers})
    proxy.admitted += got.status not in (401, 408, 413)
    return got


def error(got: Got) -> dict[str, Any]:
    """The error, in Anthropic's shape to the letter, with the request's id in all its places."""
    assert got.headers["content-type"] == "application/json"
    whole = json.loads(got.body)
    assert set(whole) == {"type", "error", "request_id"} and whole["type"] == "error"
    assert whole["request_id"] == got.headers["request-id"] == got.headers["x-request-id"]
    assert set(whole["error"]) == {"type", "message", "param", "code"}
    told: dict[str, Any] = whole["error"]
    return told


async def test_a_message(yard: Yard) -> None:
    """The upstream gets a chat completion's request, the caller a message with all of Turnout's headers."""
    proxy = await yard({"cheap": "good"})
    got = await ask(proxy, {"x-request-id": "mine"}, system="Be kind.", stop_sequences=["END"])
    assert got.status == 200, got.body
    message = json.loads(got.body)
    assert message["type"] == "message" and message["id"].startswith("msg_")
    assert message["content"] == [{"type": "text", "text": "All is well."}]
    assert message["usage"]["input_tokens"] == 9 and message["usage"]["output_tokens"] == 4
    assert got.headers["request-id"] == got.headers["x-request-id"] == "mine"
    assert got.headers["x-turnout-model"] == "cheap/off" and "x-turnout-cost-usd" in got.headers
    sent = proxy.sent()
    assert sent["messages"][0] == {"role": "system", "content": "Be kind."} and sent["stop"] == ["END"]
    outcome = await proxy.settled()
    assert outcome.result == "accepted" and outcome.status == 200


async def test_a_stream(yard: Yard) -> None:
    """The whole sequence, with the usage that the caller did not have to ask for."""
    proxy = await yard({"cheap": "good-stream"})
    got = await ask(proxy, stream=True)
    assert got.headers["content-type"].startswith("text/event-stream") and got.headers["request-id"]
    message = gather(parse(got.body))
    assert message["content"] == [{"type": "text", "text": "All is well."}]
    assert message["usage"]["input_tokens"] == 9 and message["stop_reason"] == "end_turn"
    assert (await proxy.settled()).result == "returned"


async def test_a_stream_begins_with_an_estimate_of_its_input(yard: Yard) -> None:
    """The one that `count_tokens` gives; what the server counted replaces it."""
    proxy = await yard({"cheap": "good-stream"})
    long = {"messages": [{"role": "user", "content": "A word. " * 200}]}
    counted = await proxy.fetch("POST", f"{MESSAGES}/count_tokens", json.dumps(ASKED | long).encode())
    begun = parse((await ask(proxy, stream=True, **long)).body)[0]["message"]["usage"]
    assert begun["input_tokens"] == json.loads(counted.body)["input_tokens"] > 200 and begun["output_tokens"] == 0


async def test_what_would_be_done_with_a_message(yard: Yard) -> None:
    """`/v1/route` takes it where its dialect is named, and finds the same faults."""
    proxy = await yard({"cheap": "good", "dear": "good"})

    async def route(dialect: str, body: Mapping[str, Any]) -> Got:
        return await proxy.fetch("POST", f"/v1/route?dialect={dialect}", json.dumps(body).encode())

    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    got = await route("messages", {**ASKED, "system": "Be kind.", "tools": tools})
    assert got.status == 200 and json.loads(got.body)["facts"]["tools"] == 1
    got = await route("responses", {"model": "dear", "input": "Hello."})
    assert json.loads(got.body)["chosen"]["arms"] == ["dear/off"]
    assert (await route("completions", {"model": "auto", "prompt": "Hello."})).status == 200
    got = await route("responses", {"model": "auto", "input": 5})
    assert (got.status, got.error["param"]) == (400, "input")
    assert (await route("klingon", ASKED)).status == 400
    assert proxy.upstream.requests == 0 and not proxy.outcomes


async def test_hints_and_aliases(yard: Yard) -> None:
    """In headers, the model's name, and the body; a name of Anthropic's is an alias where the policy says so."""
    proxy = await yard({"cheap": "good", "dear": "good"}, policy={"aliases": ["claude-*"]})
    for body, headers in (
        ({"model": "claude-opus-4-1?models=dear"}, {}),
        ({}, {"x-turnout-models": "dear"}),
        ({"turnout": {"models": ["dear"]}}, {}),
        ({"metadata": {"turnout.models": "dear"}}, {}),
    ):
        assert (await ask(proxy, headers, **body)).headers["x-turnout-model"] == "dear/off"
    got = await ask(proxy, model="claude?")
    assert got.status == 404 and error(got)["type"] == "not_found_error" and error(got)["code"] == "model_not_found"


async def test_a_rejected_answer_is_replaced(yard: Yard) -> None:
    """Checks and retries are those of any step: the caller sees the second answer alone."""
    proxy = await yard({"cheap": "empty-content", "dear": "good"})
    got = await ask(proxy, turnout=CHEAP_THEN_DEAR)
    assert got.headers["x-turnout-attempts"] == "2"
    assert json.loads(got.body)["content"] == [{"type": "text", "text": "All is well."}]


async def test_a_held_stream(yard: Yard) -> None:
    """Pings while it waits, then the message, and model, attempts and cost in a comment."""
    proxy = await yard({"cheap": "good-stream"}, keepalive_interval=0.02)
    got = await ask(proxy, stream=True, turnout={"hold": True})
    summary = next(e for e in got.body.split(b"\n\n") if e.startswith(b": turnout model=cheap/off attempts=1"))
    told = parse(got.body.replace(summary + b"\n\n", b""))
    assert told[0] == {"type": "ping"}
    message = gather([e for e in told if e["type"] != "ping"])
    assert message["content"] == [{"type": "text", "text": "All is well."}]


@pytest.mark.parametrize(
    ("fields", "param", "kind"),
    [
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0].type", 400),
        ({"max_tokens": 0}, "max_tokens", 400),
        ({"model": "auto?accuracy=7"}, "model?accuracy", 400),
        ({"model": "other"}, "model", 404),
    ],
)
async def test_mistakes(yard: Yard, fields: dict[str, Any], param: str, kind: int) -> None:
    """In Anthropic's shape, with the caller's own field; each leaves an outcome, and no model hears of it."""
    proxy = await yard({"cheap": "good"})
    got = await ask(proxy, **fields)
    assert got.status == kind and error(got)["param"] == param
    outcome = await proxy.settled()
    assert outcome.status == kind and outcome.result == "error" and not proxy.upstream.seen


async def test_bodies_that_are_none(yard: Yard) -> None:
    """Not JSON, and too large."""
    proxy = await yard({"cheap": "good"}, max_body_bytes=2000)
    got = await send(proxy, b"{")
    assert got.status == 400 and error(got)["code"] == "invalid_json"
    got = await send(proxy, b" " * 3000)
    assert got.status == 413 and error(got)["type"] == "request_too_large"
    got = await proxy.fetch("PUT", MESSAGES)
    assert got.status == 405 and error(got)["code"] == "method_not_allowed" and got.headers["allow"] == "POST"


async def test_keys(yard: Yard) -> None:
    """As `x-api-key`, the way of Anthropic's clients, or as a bearer."""
    proxy = await yard({"cheap": "good"}, api_keys=("sk-1",))
    for headers in ({"x-api-key": "sk-1"}, {"authorization": "Bearer sk-1"}):
        assert (await ask(proxy, headers)).status == 200
    for path in (MESSAGES, f"{MESSAGES}/count_tokens"):
        got = await proxy.fetch("POST", path, b"{}", {"x-api-key": "wrong"})
        assert got.status == 401 and error(got)["type"] == "authentication_error"
    seen = [exchange.headers for exchange in proxy.upstream.seen]
    assert len(seen) == 2 and not any("sk-1" in value for headers in seen for value in headers.values())


async def test_upstreams_that_fail(yard: Yard) -> None:
    """An overload is what Anthropic calls so, with when to come back; other faults are the server's."""
    proxy = await yard({"cheap": "rate-limited"})
    got = await ask(proxy)
    assert got.status == 429 and error(got)["type"] == "rate_limit_error" and got.headers["retry-after"] == "7"
    proxy = await yard({"cheap": "html-500"})
    got = await ask(proxy)
    assert got.status == 502 and error(got)["type"] == "api_error"
    for _ in range(5):
        got = await ask(proxy)
    assert got.status == 529 and error(got)["type"] == "overloaded_error" and got.headers["retry-after"]
    assert (await proxy.settled()).status == 503


async def test_a_stream_that_breaks(yard: Yard) -> None:
    """After its first content it ends with an `error` event, and no `message_stop`."""
    proxy = await yard({"cheap": "close-mid"})
    got = await ask(proxy, stream=True)
    assert got.status == 200
    *before, last = parse(got.body)
    assert last["type"] == "error" and last["error"]["type"] == "api_error"
    assert last["request_id"] == got.headers["request-id"]
    assert "message_stop" not in [e["type"] for e in before]
    assert (await proxy.settled()).attempts[-1].fault in ("truncated", "reset")


async def test_a_chunk_that_is_none(yard: Yard, answer: Callable[..., str]) -> None:
    """What cannot be translated is the upstream's fault, and is told as such."""
    proxy = await yard({"cheap": answer(*chunked(ROLE, WORDS[0], b"data: {]\n\n", STOP, DONE))})
    got = await ask(proxy, stream=True)
    assert parse(got.body)[-1]["error"]["code"] == "upstream_error"
    assert (await proxy.settled()).result == "error"


async def test_a_tool_that_is_called(yard: Yard, answer: Callable[..., str]) -> None:
    """The call as a block, and its result on the way back as a tool's message."""
    made = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    choice = {"index": 0, "message": {"content": None, "tool_calls": [made]}, "finish_reason": "tool_calls"}
    proxy = await yard({"cheap": answer(http(completion(choices=[choice])))})
    tool = {"name": "weather", "input_schema": {"type": "object", "required": ["city"]}}
    got = json.loads((await ask(proxy, tools=[tool])).body)
    assert got["content"] == [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Rome"}}]
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "Sunny."}
    talk = [*HELLO["messages"], {"role": "assistant", "content": got["content"]}, {"role": "user", "content": [result]}]
    await ask(proxy, tools=[tool], messages=talk)
    assert [m["role"] for m in proxy.sent()["messages"]] == ["user", "assistant", "tool"]
    assert proxy.sent()["messages"][1]["tool_calls"] == [made]
    assert (await proxy.settled()).facts.tool_results == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("headers", "user", "run"),
    [
        ({}, "user_1_account__session_0d3a1c2e-9b1f-4a53-8a55-0123456789ab", "0d3a1c2e-9b1f-4a53-8a55-0123456789ab"),
        ({"x-claude-code-session-id": "theirs"}, '{"session_id": "other"}', "theirs"),
        ({"x-turnout-run-id": "said"}, '{"session_id": "other"}', "said"),
    ],
)
async def test_the_session_is_the_run(yard: Yard, headers: dict[str, str], user: str, run: str) -> None:
    """By Claude Code's header, or in older ones by the user's id; a hint goes before both."""
    proxy = await yard({"cheap": "good"})
    await ask(proxy, headers, metadata={"user_id": user})
    assert (await proxy.settled()).run_id == run


async def test_counting_tokens(yard: Yard) -> None:
    """An estimate that grows with the request and asks nobody; mistakes are told as on the other path."""
    proxy = await yard({"cheap": "good", "dear": "good"})

    async def count(**fields: Any) -> Got:
        return await proxy.fetch("POST", f"{MESSAGES}/count_tokens", json.dumps(ASKED | fields).encode())

    sizes = [
        json.loads((await count(system="word " * n, model=model)).body)
        for n in (0, 400)
        for model in ("auto", "dear/off")
    ]
    assert [set(size) for size in sizes] == [{"input_tokens"}] * 4
    few, many = sizes[0]["input_tokens"], sizes[2]["input_tokens"]
    assert 0 < few < 20 and 400 <= many - few <= 600
    got = await count(model="other")
    assert got.status == 404 and error(got)["param"] == "model"
    got = await count(messages=7)
    assert got.status == 400 and error(got)["param"] == "messages"
    assert not proxy.upstream.seen


async def test_anthropics_clients_are_told_in_their_own_shape_elsewhere_too(yard: Yard) -> None:
    """They are known by their version header."""
    proxy = await yard({"cheap": "good"})
    got = await proxy.fetch("GET", "/v1/nothing", headers={"anthropic-version": "2023-06-01"})
    assert got.status == 404 and error(got)["type"] == "not_found_error"
    got = await proxy.fetch("POST", "/messages", b"{}")
    assert got.status == 404 and "Did you mean /v1/messages?" in got.error["message"]


async def test_somebody_is_there(yard: Yard) -> None:
    """`HEAD /` needs no key and says nothing."""
    proxy = await yard({"cheap": "good"}, api_keys=("sk-1",))
    got = await proxy.fetch("HEAD", "/")
    assert got.status == 200 and got.body == b""


async def test_chat_completions_pass_as_they_came(yard: Yard, answer: Callable[..., str]) -> None:
    """Beside the other dialects: not a byte is another."""
    body = completion("ü", more={"x": 1.50})
    events = (ROLE, event({"content": "ü", "odd": None}), STOP, USAGE, DONE)
    proxy = await yard({"cheap": answer(http(body)), "dear": answer(*chunked(*events))})
    got = await proxy.chat(model="cheap")
    assert got.body == body and "request-id" not in got.headers
    got = await proxy.chat(model="dear", stream=True)
    assert got.body == b"".join(e for e in events if e != USAGE)


async def test_models_for_anthropics_clients(yard: Yard) -> None:
    """One page of them, each with the context it has; the same names as for anybody."""
    proxy = await yard({"cheap": "good"})
    version = {"anthropic-version": "2023-06-01"}
    listed = json.loads((await proxy.fetch("GET", "/v1/models", headers=version)).body)
    plain = json.loads((await proxy.fetch("GET", "/v1/models")).body)
    assert [m["id"] for m in listed["data"]] == [m["id"] for m in plain["data"]] == ["auto", "auto:default", "cheap"]
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (False, "auto", "cheap")
    one = json.loads((await proxy.fetch("GET", "/v1/models/cheap", headers=version)).body)
    assert one == listed["data"][-1] and one["type"] == "model" and one["max_input_tokens"] == 100_000
    assert listed["data"][0]["max_input_tokens"] is None
    got = await proxy.fetch("GET", "/v1/models/a/b", headers=version)
    assert got.status == 404 and error(got)["code"] == "model_not_found"


async def test_a_keys_rate_counts_everything(yard: Yard, tmp_path: Path) -> None:
    """Messages and countings alike, and the refusal is in Anthropic's shape."""
    headers = key_of(tmp_path / "keys.json", per_minute=2)
    proxy = await yard({"cheap": "good"}, keys_file=tmp_path / "keys.json")
    assert (await ask(proxy, headers)).status == 200
    body = json.dumps(ASKED).encode()
    assert (await proxy.fetch("POST", f"{MESSAGES}/count_tokens", body, headers)).status == 200
    for path in (MESSAGES, f"{MESSAGES}/count_tokens"):
        got = await proxy.fetch("POST", path, body, headers)
        assert got.status == 429 and error(got)["type"] == "rate_limit_error" and got.headers["retry-after"]
