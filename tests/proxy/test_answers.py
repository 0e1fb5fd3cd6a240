"""Whole answers pass byte for byte, and what goes upstream is the caller's, but for what is Turnout's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests import answers
from tests.proxy.yard import CHEAP_THEN_DEAR, HELLO, Yard, good

ODD = b'{"a" :[1,2.50,1e5,{"b":null}], "\\u00e9":"\xf0\x9f\x9a\x82 \\u0041","big":12345678901234567890123}'
"""JSON whose spaces, numbers and escapes would not survive being read and written."""


async def test_unknown_fields_reach_the_upstream_byte_for_byte(yard: Yard) -> None:
    """Values are neither read nor written anew, in whatever place of the body they stand."""
    proxy = await yard({"cheap": "good"})
    messages = b'[ {"role":"user","content":"hi \\u263a","x_cache":{ "on": true }} ]'
    got = await proxy.post(b'{"odd":%b,"model":"auto","temperature":0.70,"messages":%b,"seed":7}' % (ODD, messages))
    assert got.status == 200
    body = proxy.upstream.seen[0].body
    assert b'"odd":' + ODD in body and b'"messages":' + messages in body and b'"temperature":0.70' in body
    assert list(json.loads(body)) == ["odd", "model", "temperature", "messages", "seed"]


STRICT = (
    b'"tools":[{"type":"function","function":{"name":"look","strict": true,"parameters":{"type":"object",'
    b'"properties":{"at":{"type":"string"}},"required":["at"],"additionalProperties": false}}}]',
    b'"response_format":{"type":"json_schema","json_schema":{"name":"o","strict": true,"schema":'
    b'{"type":"object","additionalProperties": false}}}',
    b'"parallel_tool_calls":true',
    b'"service_tier":"flex"',
    b'"logprobs":true',
    b'"top_logprobs":2',
)


@pytest.mark.parametrize("stream", [False, True])
async def test_strict_schemas_and_what_else_agents_send_reach_the_upstream(yard: Yard, stream: bool) -> None:
    """Whole, in streams too: a schema whose `strict` is lost is another schema."""
    proxy = await yard({"cheap": good(stream=stream)}, policy={"verify": "none"})
    head = b'"model":"auto","stream":%b,"messages":[{"role":"user","content":"hi"}]' % json.dumps(stream).encode()
    got = await proxy.post(b"{" + b",".join((head, *STRICT)) + b"}")
    assert got.status == 200
    assert all(member in proxy.upstream.seen[0].body for member in STRICT)


CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}}
BODIES = [
    {"choices": [CHOICE | {"message": {"role": "assistant", "content": None, "tool_calls": [CALL]}}]},
    {"choices": [CHOICE | {"message": {"content": "a", "reasoning": "b", "reasoning_content": "c", "odd": 1.0}}]},
    {"choices": [CHOICE | {"logprobs": {"content": [{"token": "yes", "logprob": -0.10, "bytes": [1]}]}}]},
    {"choices": [CHOICE, CHOICE | {"index": 1, "finish_reason": "length"}, CHOICE | {"index": 2}]},
    {"choices": [CHOICE | {"finish_reason": "content_filter"}], "usage": None, "service_tier": "flex"},
    {"choices": [CHOICE | {"message": {"role": "assistant", "content": None, "refusal": "No."}}]},
]


@pytest.mark.parametrize("fields", BODIES)
async def test_the_answer_is_the_upstreams_bytes(
    yard: Yard, answer: Callable[..., str], fields: dict[str, object]
) -> None:
    """Tool calls, reasoning, logprobs, several choices and fields that nobody knows, spaces included."""
    body = b" " + answers.completion(**fields) + b"\n"
    proxy = await yard({"cheap": answer(answers.http(body))}, policy={"verify": "none"})
    got = await proxy.chat(n=len(fields["choices"]))  # type: ignore[arg-type]
    assert (got.status, got.body) == (200, body)
    assert got.headers["content-type"] == "application/json"
    assert (await proxy.settled()).result == "returned"


async def test_a_compressed_answer_is_handed_on_plain(yard: Yard) -> None:
    """An upstream that compresses without being asked to is understood."""
    proxy = await yard({"cheap": "gzip"})
    assert (await proxy.chat()).body == answers.completion()


async def test_turnouts_own_words_stay_here(yard: Yard) -> None:
    """The `turnout` object and its metadata are taken out; other metadata goes on, and none is left empty."""
    proxy = await yard({"cheap": "good"})
    await proxy.chat(turnout={"retries": 1}, metadata={"turnout.step": "chat", "user": "42", "turnout.run_id": "r"})
    await proxy.chat(metadata={"turnout.step": "chat"})
    assert proxy.sent(0)["metadata"] == {"user": "42"} and "metadata" not in proxy.sent(1)
    assert not any(b"turnout" in exchange.body for exchange in proxy.upstream.seen)


async def test_the_callers_headers_stay_here(yard: Yard) -> None:
    """Neither its key nor its cookies nor hints nor anything else but its trace; the deployment's own key goes out in
    its place."""
    deployment = {"model": "good", "api_key_env": "TEST_KEY", "headers": {"x-team": "rail"}}
    proxy = await yard({"cheap": [deployment]}, api_keys=("caller-key",), environment={"TEST_KEY": "sk-ours"})
    got = await proxy.chat(
        {
            "authorization": "Bearer caller-key",
            "cookie": "a=b",
            "x-turnout-step": "chat",
            "x-custom": "c",
            "openai-organization": "org",
        }
    )
    assert got.status == 200
    headers = proxy.upstream.seen[0].headers
    assert headers.pop("user-agent").startswith("turnout/")
    assert (headers.pop("authorization"), headers.pop("x-team")) == ("Bearer sk-ours", "rail")
    ours = {":request", "host", "content-type", "content-length", "accept", "accept-encoding", "traceparent"}
    assert set(headers) == ours


async def test_model_and_thinking_are_the_deployments(yard: Yard) -> None:
    """The caller's own setting chooses the mode, and goes out in the deployment's dialect alone."""
    deployment = {
        "model": "good",
        "thinking": {"on": {"chat_template_kwargs": {"enable_thinking": True}}, "off": {"reasoning_effort": "none"}},
    }
    proxy = await yard({"cheap": [deployment]}, facts={"cheap": {"thinking": {"on": {}, "off": {}}}})
    got = await proxy.chat(reasoning={"effort": "high"}, chat_template_kwargs={"custom": 1})
    assert got.headers["x-turnout-model"] == "cheap/on"
    sent = proxy.sent()
    assert sent["model"] == "good" and "reasoning" not in sent and "reasoning_effort" not in sent
    assert sent["chat_template_kwargs"] == {"custom": 1, "enable_thinking": True}
    got = await proxy.chat(model="cheap/off")
    assert got.headers["x-turnout-model"] == "cheap/off" and proxy.sent()["reasoning_effort"] == "none"


async def test_an_aliased_name_means_auto_and_a_pin_is_kept(yard: Yard) -> None:
    """Agents with a model's name built in need no change; a name from the catalog goes nowhere else."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    assert (await proxy.chat(model="gpt-9")).headers["x-turnout-model"] == "cheap/off"
    assert (await proxy.chat(model="dear")).headers["x-turnout-model"] == "dear/off"
    assert (await proxy.chat(model="dear/off")).headers["x-turnout-plan"] == "dear/off"


HEADERS = {
    "x-turnout-decision-id": r"dec_[0-9a-f]{24}",
    "x-turnout-model": "cheap/off",
    "x-turnout-plan": "cheap/off > dear/off",
    "x-turnout-attempts": "1",
    "x-turnout-p-success": r"0\.90\d\d",
    "x-turnout-accuracy-met": "true",
    "x-turnout-expected-cost-usd": r"0\.\d{8}",
    "x-turnout-policy": "default",
    "x-turnout-overhead-ms": r"\d+\.\d{3}",
}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_headers_tell_of_the_decision(yard: Yard, stream: bool) -> None:
    """Every one is there and well formed, the cost too where all is over when they leave; the id is the outcome's."""
    does = "good-stream" if stream else "good"
    proxy = await yard({"cheap": does, "dear": does}, policy={"hold": "always"} if stream else {})
    got = await proxy.chat(stream=stream, turnout=CHEAP_THEN_DEAR)
    expected = HEADERS | ({} if stream else {"x-turnout-cost-usd": r"0\.00002500"})
    for name, pattern in expected.items():
        assert re.fullmatch(pattern, got.headers[name]), name
    assert {name.lower() for name in got.headers if name.lower().startswith("x-turnout-")} == set(expected)
    outcome = await proxy.settled()
    assert got.headers["x-turnout-decision-id"] == outcome.decision_id
    assert outcome.cost_usd == pytest.approx(9 * 1e-6 + 4 * 4e-6)
    assert float(got.headers["x-turnout-overhead-ms"]) < 1000


async def test_an_accuracy_that_nothing_meets_is_said_and_no_error(yard: Yard) -> None:
    """The surest plan runs all the same."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    got = await proxy.chat(turnout={"accuracy": 0.99})
    assert (got.status, got.headers["x-turnout-accuracy-met"]) == (200, "false")
    assert got.headers["x-turnout-model"] == "dear/off"


async def test_the_request_id_is_the_callers_or_a_new_one(yard: Yard) -> None:
    """A plain one is echoed; what could break a log line or a header is replaced."""
    proxy = await yard({"cheap": "good"})
    assert (await proxy.chat({"x-request-id": "req-42"})).headers["x-request-id"] == "req-42"
    made = {
        (await proxy.chat(headers)).headers["x-request-id"]
        for headers in ({}, {"x-request-id": "a b"}, {"x-request-id": "x" * 500})
    }
    assert len(made) == 3 and all(re.fullmatch("req_[0-9a-f]{24}", each) for each in made)


async def test_one_connection_serves_many_steps(yard: Yard) -> None:
    """The upstream's connection is kept between steps."""
    proxy = await yard({"cheap": "good"})
    for _ in range(5):
        assert (await proxy.chat()).status == 200
    assert (proxy.upstream.connections, proxy.upstream.requests) == (1, 5)


async def test_what_an_upstream_counts_is_paid_and_else_estimated(yard: Yard, answer: Callable[..., str]) -> None:
    """Without usage, tokens are counted from bytes and marked so."""
    proxy = await yard({"cheap": answer(answers.http(answers.completion("word " * 400, usage=None)))})
    await proxy.chat()
    attempt = (await proxy.settled()).attempts[0]
    assert attempt.estimated and 300 < attempt.output_tokens < 700 and attempt.input_tokens > 0


async def test_a_failing_observer_fails_no_step(yard: Yard) -> None:
    """The caller gets its answer, the other observers their outcome, and a metric counts the failure."""

    def broken(_: object) -> None:
        raise ZeroDivisionError

    proxy = await yard({"cheap": "good"}, observers={"broken": broken})
    assert (await proxy.chat()).status == 200
    assert (await proxy.settled()).result == "accepted"
    metrics = await proxy.fetch("GET", "/metrics")
    assert b'turnout_observer_errors_total{consumer="broken"} 1.0' in metrics.body


async def test_the_plain_request_is_what_the_tests_think(yard: Yard) -> None:
    """One attempt, accepted by its checks, recorded once."""
    proxy = await yard({"cheap": "good"})
    got = await proxy.chat()
    outcome = await proxy.settled()
    assert (outcome.status, outcome.result, outcome.stream, outcome.committed) == (200, "accepted", False, True)
    assert (outcome.policy, outcome.step_class, outcome.error) == ("default", "chat", None)
    assert [(a.arm, a.deployment, a.status, a.fault) for a in outcome.attempts] == [("cheap/off", "d0", 200, None)]
    assert got.body == answers.completion() and proxy.sent() == HELLO | {"model": "good"}
