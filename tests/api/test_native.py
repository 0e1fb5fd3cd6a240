"""A deployment that speaks the caller's dialect itself: bytes go there and come back as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.answers import chunked, http
from tests.api.test_messages import ask, error, send
from tests.proxy.yard import CHEAP_THEN_DEAR, Proxy, Yard
from tests.wire import streams

Answer = Callable[..., str]
SPEAKS = {"dialects": {"messages": {"off": {"thinking": {"type": "disabled"}}}}}
USAGE = {"input_tokens": 3, "cache_read_input_tokens": 6, "output_tokens": 4}


def told(text: str = "All is well.", **more: Any) -> bytes:
    content = [{"type": "text", "text": text}] if text else []
    whole = {"id": "msg_theirs", "type": "message", "role": "assistant", "model": "theirs", "content": content}
    return json.dumps({**whole, "stop_reason": "end_turn", "odd": 1.50, "usage": USAGE, **more}).encode()


def event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\n".encode() + streams.event({"type": kind, **members})


START = event("message_start", message={"type": "message", "content": [], "usage": {**USAGE, "output_tokens": 1}})
BEGUN = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
WORDS = tuple(
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": t}) for t in ("All ", "is ", "well 🙂")
)
ENDED = event("content_block_stop", index=0)
DELTA = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 4})
STOP = event("message_stop")
STREAM = (START, event("ping"), BEGUN, *WORDS, ENDED, DELTA, STOP)


def paths(proxy: Proxy) -> list[str]:
    return [exchange.headers[":request"].split(" ")[1] for exchange in proxy.upstream.seen]


async def test_bytes_pass_both_ways(yard: Yard, answer: Answer) -> None:
    """The request but for the model's name and Turnout's words; the answer to the last byte; usage counted as ever."""
    body = told()
    proxy = await yard({"cheap": [{"model": answer(http(body)), **SPEAKS}]})
    sent = {
        "model": "auto?retries=0",
        "max_tokens": 64,
        "system": [{"type": "text", "text": "é", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": "Hello."}],
        "a_new_beta": True,
    }
    got = await send(proxy, json.dumps(sent).encode())
    assert got.status == 200 and got.body == body and got.headers["x-turnout-model"] == "cheap/off"
    assert paths(proxy) == ["/v1/messages"] and proxy.upstream.seen[0].headers["anthropic-version"]
    assert proxy.sent() == {**sent, "model": proxy.sent()["model"], "thinking": {"type": "disabled"}}
    outcome = await proxy.settled()
    assert outcome.result == "accepted"
    attempt = outcome.attempts[-1]
    assert (attempt.input_tokens, attempt.cached_tokens, attempt.output_tokens) == (9, 6, 4)
    assert attempt.finish_reason == "stop" and not attempt.estimated


async def test_a_stream_passes(yard: Yard, answer: Answer) -> None:
    """Event for event; the [DONE] of a server that sends one in every dialect is no fault."""
    proxy = await yard({"cheap": [{"model": answer(*chunked(*STREAM[:-1], STOP + streams.DONE)), **SPEAKS}]})
    got = await ask(proxy, stream=True)
    assert got.body == b"".join((*STREAM, streams.DONE))
    attempt = (await proxy.settled()).attempts[-1]
    assert (attempt.input_tokens, attempt.output_tokens, attempt.finish_reason) == (9, 4, "stop")
    assert attempt.first_token_s is not None


async def test_a_held_stream_is_checked(yard: Yard, answer: Answer) -> None:
    """And replaced where a check rejects it; the one that follows speaks chat completions alone."""
    empty = answer(*chunked(START, DELTA, STOP))
    proxy = await yard({"cheap": [{"model": empty, **SPEAKS}], "dear": "good-stream"})
    got = await ask(proxy, stream=True, turnout={**CHEAP_THEN_DEAR, "hold": True})
    assert paths(proxy) == ["/v1/messages", "/v1/chat/completions"]
    assert b'"text":"All is well."' in got.body and b": turnout model=dear/off attempts=2" in got.body
    proxy = await yard({"cheap": [{"model": answer(*chunked(*STREAM)), **SPEAKS}]})
    got = await ask(proxy, stream=True, turnout={"hold": True})
    assert got.body.endswith(b"".join(STREAM)) and got.body.startswith(b": turnout model=cheap/off")
    assert (await proxy.settled()).result == "accepted"


async def test_a_whole_answer_is_checked(yard: Yard, answer: Answer) -> None:
    """The same."""
    proxy = await yard({"cheap": [{"model": answer(http(told(""))), **SPEAKS}], "dear": "good"})
    got = await ask(proxy, turnout=CHEAP_THEN_DEAR)
    assert json.loads(got.body)["content"][0]["text"] == "All is well."
    assert [a.accepted for a in (await proxy.settled()).attempts] == [False, True]


async def test_streams_that_go_wrong(yard: Yard, answer: Answer) -> None:
    """Before the first content another takes over; after it the caller is told, in its own words."""
    dead = event("error", error={"type": "overloaded_error", "message": "of theirs"})
    proxy = await yard({"cheap": [{"model": answer(*chunked(START, dead)), **SPEAKS}], "dear": "good-stream"})
    got = await ask(proxy, stream=True)
    assert b'"text":"All "' in got.body and [a.fault for a in (await proxy.settled()).attempts] == [
        "error_object",
        None,
    ]
    proxy = await yard({"cheap": [{"model": answer(*chunked(START, BEGUN, WORDS[0] + dead)), **SPEAKS}]})
    assert (await ask(proxy, stream=True)).status == 502
    for packets, fault in (
        ((START, BEGUN, WORDS[0], dead), "error_object"),
        ((START, BEGUN, WORDS[0]), "truncated"),
        ((START, BEGUN, WORDS[0], b"data: {]\n\n"), "invalid_body"),
    ):
        proxy = await yard({"cheap": [{"model": answer(*chunked(*packets)), **SPEAKS}]})
        got = await ask(proxy, stream=True)
        last = got.body.split(b"\n\n")[-2]
        assert b"event: error" in last and b'"type":"api_error"' in last and b"of theirs" not in got.body
        assert (await proxy.settled()).attempts[-1].fault == fault


async def test_a_key_given_twice(yard: Yard, answer: Answer) -> None:
    """Is refused, since an upstream might take the other value than the decision did; nothing is sent."""
    proxy = await yard({"cheap": [{"model": answer(http(told())), **SPEAKS}]})
    twice = b'{"role":"user","content":"Hello.","content":[]}'
    got = await send(proxy, b'{"model":"auto","max_tokens":9,"messages":[%b]}' % twice)
    assert got.status == 400 and error(got)["param"] == "messages" and "'content' twice" in error(got)["message"]
    assert not proxy.upstream.seen and [a.fault for a in (await proxy.settled()).attempts] == ["caller"]


async def test_an_upstreams_refusal(yard: Yard, answer: Answer) -> None:
    """In Anthropic's shape, understood as any."""
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}
    proxy = await yard({"cheap": [{"model": answer(http(json.dumps(refusal).encode(), "400 Bad Request")), **SPEAKS}]})
    got = await ask(proxy)
    assert got.status == 400 and error(got)["message"] == "prompt is too long: 9 > 8"


async def test_who_is_asked_in_chat_completions_words(yard: Yard, answer: Answer) -> None:
    """A caller that speaks them, and one that replays thoughts whose author nobody knows."""
    proxy = await yard({"cheap": [{"model": "good", **SPEAKS}]})
    await proxy.chat()
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    call = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
    talk = [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": [thought, call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "1"}]},
    ]
    assert (await ask(proxy, messages=talk)).status == 200
    assert paths(proxy) == ["/v1/chat/completions"] * 2


async def test_thoughts_come_to_those_alone_who_expect_them(yard: Yard, answer: Answer) -> None:
    """A caller that did not ask for thinking is answered by translation, which leaves it out."""
    both = {"off": {}, "on": {"thinking": {"type": "enabled", "budget_tokens": 5000}}}
    modes = {"thinking": {"off": {}, "on": {}}}
    place = {"model": answer(http(told())), "thinking": {"off": {}, "on": {"x": 1}}, "dialects": {"messages": both}}
    proxy = await yard({"cheap": [place]}, facts={"cheap": modes})
    await ask(proxy, model="cheap/on", thinking={"type": "enabled", "budget_tokens": 9000})
    assert paths(proxy)[-1] == "/v1/messages" and proxy.sent()["thinking"]["budget_tokens"] == 9000
    await ask(proxy, model="cheap/on", thinking={"type": "adaptive"})
    assert paths(proxy)[-1] == "/v1/messages" and proxy.sent()["thinking"]["budget_tokens"] == 5000
    await ask(proxy, model="cheap/on")
    assert paths(proxy)[-1] == "/v1/chat/completions" and proxy.sent()["x"] == 1
