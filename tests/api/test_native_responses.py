"""A deployment that speaks the responses dialect itself: bytes go there and come back as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai

from tests.answers import chunked, http
from tests.api.test_native import paths
from tests.api.test_responses import ask
from tests.proxy.yard import CHEAP_THEN_DEAR, Yard
from tests.wire import streams

Answer = Callable[..., str]
SPEAKS = {"dialects": {"responses": {"off": {"reasoning": {"effort": "none"}}}}}
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 6},
    "output_tokens": 4,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 13,
}


def said(text: str = "All is well.", **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": "m1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    whole = {"id": "resp_theirs", "object": "response", "created_at": 1, "model": "theirs", "status": "completed"}
    return {**whole, "output": [item] if text else [], "odd": 1.5, "usage": USAGE, **more}


def event(number: int, kind: str, **members: Any) -> bytes:
    told = {"type": kind, "sequence_number": number, **members}
    return f"event: {kind}\n".encode() + streams.event(told)


ITEM = {"item_id": "m1", "output_index": 0, "content_index": 0}
START = event(0, "response.created", response=said("", status="in_progress", usage=None))
WORDS = tuple(
    event(1 + i, "response.output_text.delta", delta=text, logprobs=[], **ITEM)
    for i, text in enumerate(("All ", "is ", "well."))
)
END = event(4, "response.completed", response=said())
STREAM = (START, *WORDS, END)


async def test_bytes_pass_both_ways(yard: Yard, answer: Answer) -> None:
    """The request but for the model's name and Turnout's words; the answer to the last byte; usage counted as ever."""
    body = json.dumps(said()).encode()
    proxy = await yard({"cheap": [{"model": answer(http(body)), **SPEAKS}]})
    tool = {"type": "web_search"}
    sent = {"store": False, "tools": [tool], "a_new_beta": True, "metadata": {"a": "b", "turnout.retries": "0"}}
    got = await ask(proxy, **sent)
    assert got.status == 200 and got.body == body and got.headers["x-turnout-model"] == "cheap/off"
    assert paths(proxy) == ["/v1/responses"]
    model, reasoning = proxy.sent()["model"], {"effort": "none"}
    whole = {**sent, "model": model, "input": "Hello.", "metadata": {"a": "b"}, "reasoning": reasoning}
    assert proxy.sent() == whole
    outcome = await proxy.settled()
    attempt = outcome.attempts[-1]
    assert outcome.result == "accepted" and attempt.finish_reason == "stop" and not attempt.estimated
    counted = (attempt.input_tokens, attempt.cached_tokens, attempt.output_tokens, attempt.reasoning_tokens)
    assert counted == (9, 6, 4, 1)


async def test_a_stream_passes(yard: Yard, answer: Answer) -> None:
    """Event for event, held or not."""
    for hold in (False, True):
        proxy = await yard({"cheap": [{"model": answer(*chunked(*STREAM)), **SPEAKS}]})
        got = await ask(proxy, stream=True, store=False, turnout={"hold": hold})
        assert got.body.endswith(b"".join(STREAM)) and (hold or got.body == b"".join(STREAM))
        attempt = (await proxy.settled()).attempts[-1]
        assert (attempt.input_tokens, attempt.output_tokens, attempt.finish_reason) == (9, 4, "stop")


async def test_openais_own_client(yard: Yard, answer: Answer) -> None:
    """Reads the stream."""
    proxy = await yard({"cheap": [{"model": answer(*chunked(*STREAM)), **SPEAKS}]})
    async with openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key="x", max_retries=0) as client:
        proxy.admitted += 1
        stream = await client.responses.create(model="auto", input="Hello.", store=False, stream=True)
        kinds = [(e.type, getattr(e, "delta", None)) async for e in stream]
    assert [delta for _, delta in kinds if delta] == ["All ", "is ", "well."]
    assert kinds[-1][0] == "response.completed" and paths(proxy) == ["/v1/responses"]


async def test_what_is_kept_is_translated(yard: Yard, answer: Answer) -> None:
    """Since its names are ours; what follows it and is not kept passes, with all that it follows in its input."""
    proxy = await yard({"cheap": [{"model": "good", **SPEAKS}]})
    first = json.loads((await ask(proxy)).body)
    assert paths(proxy) == ["/v1/chat/completions"]
    await ask(proxy, input="And?", previous_response_id=first["id"], store=False)
    assert paths(proxy)[-1] == "/v1/responses"
    sent = proxy.sent()
    assert "previous_response_id" not in sent and sent["store"] is False
    assert [item["role"] for item in sent["input"]] == ["user", "assistant", "user"]


async def test_checks_see_it(yard: Yard, answer: Answer) -> None:
    """An empty answer is replaced, and so is a call of a tool that was not offered."""
    call = {"id": "f1", "type": "function_call", "call_id": "c1", "name": "other", "arguments": "{}"}
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    for bad in (said(""), said(output=[call])):
        proxy = await yard({"cheap": [{"model": answer(http(json.dumps(bad).encode())), **SPEAKS}], "dear": "good"})
        got = await ask(proxy, store=False, tools=tools, turnout=CHEAP_THEN_DEAR)
        assert json.loads(got.body)["output"][0]["content"][0]["text"] == "All is well."
        assert [a.accepted for a in (await proxy.settled()).attempts] == [False, True]
        assert paths(proxy) == ["/v1/responses", "/v1/chat/completions"]


async def test_streams_that_go_wrong(yard: Yard, answer: Answer) -> None:
    """Before the first content another takes over; after it the caller is told, in order and once."""
    dead = event(2, "response.failed", response=said("", status="failed", error={"message": "of theirs"}))
    proxy = await yard({"cheap": [{"model": answer(*chunked(START, dead)), **SPEAKS}], "dear": "good-stream"})
    got = await ask(proxy, stream=True, store=False)
    assert b'"delta":"All "' in got.body
    assert [a.fault for a in (await proxy.settled()).attempts] == ["error_object", None]
    for packets, fault in (
        ((START, WORDS[0], dead), "error_object"),
        ((START, WORDS[0]), "truncated"),
        ((START, WORDS[0], b"data: {]\n\n"), "invalid_body"),
    ):
        proxy = await yard({"cheap": [{"model": answer(*chunked(*packets)), **SPEAKS}]})
        got = await ask(proxy, stream=True, store=False)
        events = [json.loads(e.partition(b"data: ")[2]) for e in got.body.split(b"\n\n") if e]
        assert [e["sequence_number"] for e in events] == [0, 1, 2, 3]
        assert [e["type"] for e in events][2:] == ["error", "response.failed"] and b"of theirs" not in got.body
        assert events[-1]["response"]["id"] == "resp_theirs" and events[-1]["response"]["status"] == "failed"
        assert (await proxy.settled()).attempts[-1].fault == fault


async def test_thoughts_go_to_their_author_alone(yard: Yard, answer: Answer) -> None:
    """Of the loop that nobody knows the author of, and that are sealed: translated. Older ones are left out."""
    proxy = await yard({"cheap": [{"model": "good", **SPEAKS}]})
    thought = {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    user = {"role": "user", "content": "x"}
    await ask(proxy, store=False, input=[user, thought, user])
    assert paths(proxy) == ["/v1/responses"] and proxy.sent()["input"] == [user, user]
    await ask(proxy, store=False, input=[user, thought])
    await ask(proxy, store=False, input=[user, {**thought, "content": None, "encrypted_content": "theirs"}, user][:2])
    sealed = {**thought, "content": None, "encrypted_content": "turnout1.aG0="}
    await ask(proxy, store=False, model="cheap", input=[user, sealed])
    assert paths(proxy)[1:] == ["/v1/chat/completions"] * 3
