"""The OpenAI Python SDK, as it is, against a real server and simulated models."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from router import catalog as catalogs
from router.simulate import png
from router.simulate.server import Options
from router.simulate.world import Step, World
from tests.clients.running import KEY, PATIENCE_S, POLICIES, ROOT, Ledger, Running, run_python

NEMOTRON, QWEN = "nemotron-3-super", "qwen3.5-122b"
LARGE = "qwen3.5-397b/on"
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
PICTURE = {"type": "image_url", "image_url": {"url": png.as_url(png.paint("red", 64, 32))}}


def options(server: Running) -> dict[str, Any]:
    return {"base_url": f"{server.url}/v1", "api_key": KEY, "max_retries": 0, "timeout": PATIENCE_S}


@pytest.fixture
def client(turnout_server: Running) -> Iterator[OpenAI]:
    with OpenAI(**options(turnout_server)) as client:
        yield client


@pytest.fixture
async def asynchronous(turnout_server: Running) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(**options(turnout_server)) as client:
        yield client


def ask(client: OpenAI, lane: str, **more: Any) -> Any:
    return client.chat.completions.create(**{"model": "auto", "messages": HELLO, "user": lane, **more})


def test_an_answer(client: OpenAI, ledger: Ledger, lane: str) -> None:
    """A whole chat completion, from the model that the ledger says it is from, with its own usage."""
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=HELLO, user=lane)  # type: ignore[arg-type]
    answer = raw.parse()
    (entry,) = ledger.entries(lane)
    assert answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None and answer.usage.completion_tokens == entry["output_tokens"]
    assert raw.headers["x-turnout-model"] == entry["arm"]
    assert raw.headers["x-turnout-attempts"] == "1"
    assert raw.headers["x-turnout-policy"] == "default"
    assert 0 < float(raw.headers["x-turnout-p-success"]) < 1
    assert float(raw.headers["x-turnout-cost-usd"]) > 0
    assert raw.headers["x-turnout-decision-id"].startswith("dec_")
    assert answer._request_id == raw.headers["x-request-id"]


async def test_an_answer_to_the_asynchronous_client(asynchronous: AsyncOpenAI, ledger: Ledger, lane: str) -> None:
    """The same, streamed and not, many at once."""
    create = asynchronous.chat.completions.create
    whole = await create(model="auto", messages=HELLO, user=lane)  # type: ignore[call-overload]
    stream = await create(model="auto", messages=HELLO, user=lane, stream=True)  # type: ignore[call-overload]
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert whole.choices[0].message.content and text
    assert len(ledger.entries(lane)) == 2


@pytest.mark.parametrize("asked", [None, False, True])
def test_a_stream(client: OpenAI, ledger: Ledger, lane: str, asked: bool | None) -> None:
    """Deltas, one finish reason, and usage in a last chunk without choices only where it was asked for."""
    more = {} if asked is None else {"stream_options": {"include_usage": asked}}
    chunks = list(ask(client, lane, stream=True, **more))
    (entry,) = ledger.entries(lane)
    talk = [c for c in chunks if c.choices]
    assert "".join(c.choices[0].delta.content or "" for c in talk)
    assert talk[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in talk if c.choices[0].finish_reason] == ["stop"]
    usage = [c.usage for c in chunks if c.usage]
    assert [u.completion_tokens for u in usage] == ([entry["output_tokens"]] if asked else [])
    assert len(chunks) - len(talk) == len(usage)


def test_the_headers_of_a_stream(client: OpenAI, lane: str, ledger: Ledger) -> None:
    """They name the model before the first byte of its answer."""
    with client.chat.completions.with_streaming_response.create(
        model="auto",
        messages=HELLO,  # type: ignore[arg-type]
        user=lane,
        stream=True,
    ) as raw:
        assert raw.headers["content-type"].startswith("text/event-stream")
        assert list(raw.parse())
    assert [raw.headers["x-turnout-model"]] == [e["arm"] for e in ledger.entries(lane)]


@pytest.mark.parametrize("stream", [False, True])
def test_an_agent_calls_a_tool_and_answers(client: OpenAI, ledger: Ledger, lane: str, stream: bool) -> None:
    """Two steps through `auto`: a call with arguments that fit, then the answer to the tool's result."""
    messages = [{"role": "user", "content": "What is it like in Rome?"}]
    first = _message(ask(client, lane, messages=messages, tools=[WEATHER], stream=stream), stream)
    (call,) = first["tool_calls"]
    assert call["function"]["name"] == "weather"
    assert isinstance(json.loads(call["function"]["arguments"])["city"], str)
    messages += [first, {"role": "tool", "tool_call_id": call["id"], "content": '{"sun": true}'}]
    last = _message(ask(client, lane, messages=messages, tools=[WEATHER], stream=stream), stream)
    assert last["content"] and not last.get("tool_calls")
    assert len(ledger.entries(lane)) == 2


def _message(answer: Any, stream: bool) -> dict[str, Any]:
    """The assistant's message, of a stream as the SDK's users put it together."""
    if not stream:
        whole: dict[str, Any] = answer.choices[0].message.model_dump(
            include={"role", "content", "tool_calls"}, exclude_none=True
        )
        return whole
    content, calls = "", {}
    for chunk in answer:
        delta = chunk.choices[0].delta
        content += delta.content or ""
        for part in delta.tool_calls or ():
            at = calls.setdefault(part.index, {"id": part.id, "type": "function", "function": {"arguments": ""}})
            if part.function.name:
                at["function"]["name"] = part.function.name
            at["function"]["arguments"] += part.function.arguments or ""
    message = {"role": "assistant", "content": content or None}
    return {**message, "tool_calls": [calls[i] for i in sorted(calls)]} if calls else message


class Order(BaseModel):
    customer: str
    quantity: int
    express: bool


@pytest.mark.parametrize("hold", [False, True])
def test_structured_outputs(client: OpenAI, lane: str, hold: bool) -> None:
    """A pydantic model goes out as a strict schema, and the answer comes back as its instance; held streams too."""
    if hold:
        with client.chat.completions.stream(
            model="auto?hold=true",
            messages=HELLO,  # type: ignore[arg-type]
            user=lane,
            response_format=Order,
        ) as stream:
            answer = stream.get_final_completion()
    else:
        answer = client.chat.completions.parse(
            model="auto",
            messages=HELLO,  # type: ignore[arg-type]
            user=lane,
            response_format=Order,
        )
    assert isinstance(answer.choices[0].message.parsed, Order)


WAYS: list[dict[str, Any]] = [
    {"model": f"auto?models={QWEN}&prefer=speed"},
    {"metadata": {"turnout.models": QWEN, "mine": "stays"}},
    {"extra_headers": {"x-turnout-models": QWEN}},
    {"extra_body": {"turnout": {"models": [QWEN]}}},
    {"model": QWEN},
    {"model": f"{QWEN}/off"},
    {"model": "auto:apache-only?license=Apache-2.0", "extra_headers": {"x-turnout-models": QWEN}},
]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_hints_reach_the_router_in_every_way(client: OpenAI, ledger: Ledger, lane: str, way: dict[str, Any]) -> None:
    """Model string, metadata, headers and body say the same; a pinned model, arm or policy is what answers."""
    ask(client, lane, **way)
    (entry,) = ledger.entries(lane)
    assert entry["arm"].startswith(f"{QWEN}/")
    if way.get("model") == f"{QWEN}/off":
        assert entry["arm"] == f"{QWEN}/off"


def test_a_picture_goes_to_a_model_that_sees(client: OpenAI, ledger: Ledger, lane: str) -> None:
    """Nemotron reads text alone, so Qwen gets it."""
    content = [{"type": "text", "text": "What colour is it?"}, PICTURE]
    answer = ask(client, lane, messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content
    assert ledger.models(lane) and all(name.startswith("qwen3.5") for name in ledger.models(lane))


def test_several_choices(client: OpenAI, lane: str) -> None:
    """n=2 gives two, whole and streamed."""
    whole = ask(client, lane, n=2)
    assert sorted(c.index for c in whole.choices) == [0, 1] and all(c.message.content for c in whole.choices)
    streamed = {c.choices[0].index for c in ask(client, lane, n=2, stream=True) if c.choices[0].delta.content}
    assert streamed == {0, 1}


def test_a_rejected_answer_escalates(client: OpenAI, ledger: Ledger, lane: str) -> None:
    """The same step_id again: another arm than the one whose answer was wrong, since a retry of it is believed less."""
    step = {"step_id": lane, "step": "code", "verify": "caller", "accuracy": 0.85, "retries": 1}
    for _ in range(2):
        ask(client, lane, extra_body={"turnout": step})
    first, second = ledger.models(lane)
    assert (first, second[:4]) == (NEMOTRON, "qwen")


def test_models(client: OpenAI) -> None:
    """What may be asked for is listed, and each name can be looked up."""
    names = [m.id for m in client.models.list()]
    assert {"auto", "auto:apache-only", NEMOTRON, QWEN} <= set(names)
    assert client.models.retrieve(QWEN).owned_by == "Alibaba"


FAULTS: list[tuple[dict[str, Any], type[openai.APIStatusError], str | None, str]] = [
    ({"model": "other-17"}, openai.NotFoundError, "model", "model_not_found"),
    ({"model": "auto:nobody"}, openai.NotFoundError, "model", "policy_not_found"),
    ({"model": "auto?accuracy=2"}, openai.BadRequestError, "model?accuracy", "invalid_hint"),
    ({"extra_headers": {"x-turnout-retries": "9"}}, openai.BadRequestError, "x-turnout-retries", "invalid_hint"),
    ({"extra_body": {"turnout": {"nothing": 1}}}, openai.BadRequestError, "turnout.nothing", "unknown_hint"),
    ({"metadata": {"turnout.accuracy": "high"}}, openai.BadRequestError, "metadata.turnout.accuracy", "invalid_hint"),
    ({"max_tokens": -1}, openai.BadRequestError, "max_tokens", "invalid_request"),
    ({"messages": "hello"}, openai.BadRequestError, "messages", "invalid_request"),
    ({"model": f"auto?models={NEMOTRON}", "messages": [{"role": "user", "content": [PICTURE]}]},
     openai.BadRequestError, None, "no_feasible_model"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected", "param", "code"), FAULTS, ids=str)
def test_mistakes_raise_what_the_sdk_documents(
    client: OpenAI, ledger: Ledger, lane: str, body: dict[str, Any], expected: Any, param: str | None, code: str
) -> None:
    """The class for the status, with the field and the code; and no model hears of it."""
    with pytest.raises(expected) as caught:
        ask(client, lane, **body)
    assert (caught.value.param, caught.value.code) == (param, code)
    assert caught.value.request_id
    assert ledger.entries(lane) == []


def test_a_wrong_key(turnout_server: Running) -> None:
    """401, for models and for chats."""
    with OpenAI(**{**options(turnout_server), "api_key": "sk-wrong"}) as client:
        for act in (client.models.list, lambda: ask(client, "none")):
            with pytest.raises(openai.AuthenticationError) as caught:
                act()
            assert caught.value.code == "invalid_api_key"


def test_a_run_that_has_spent_its_money(client: OpenAI, lane: str) -> None:
    """429 with a code of its own, so that an agent can tell it from a rate limit."""
    run = {"run_id": lane, "run_max_cost": 0.0000001}
    with pytest.raises((openai.RateLimitError, openai.BadRequestError)) as caught:
        for _ in range(3):
            ask(client, lane, extra_body={"turnout": run})
    assert caught.value.code in ("run_budget_exhausted", "no_feasible_model")


def test_leaving_a_stream_ends_it_at_the_model(client: OpenAI, ledger: Ledger, lane: str) -> None:
    """Breaking out and closing cancels the call upstream, with most of the answer still to come."""
    stream = ask(client, lane, model=LARGE, messages=lasting(60_000), stream=True)
    next(iter(stream))
    stream.close()
    assert ledger.wait(lane, "left")["output_tokens"] > 30_000


def lasting(tokens: int) -> list[dict[str, Any]]:
    """The task, of many, whose answer by LARGE is nearest to that length; LARGE writes 18,000 in a real second."""
    catalog = catalogs.load(POLICIES / "models.yaml")
    world, arm = World(catalog, Options().seed), catalog.arm[LARGE]
    steps = [Step(f"long_output-{number:04d}", "long_output") for number in range(300)]
    chosen = min(steps, key=lambda step: abs(world.length(arm, step, 1).visible - tokens))
    return [{"role": "user", "content": f"Task {chosen.name}\nWrite it all."}]


def test_the_example_runs(turnout_server: Running) -> None:
    """examples/openai_sdk.py does what it says."""
    said = run_python(ROOT / "examples" / "openai_sdk.py", turnout_server)
    for part in ("plain", "streamed", "structured", "escalated"):
        assert f"-- {part}\n" in said
    assert "customer=" in said
    first, second = re.findall(r"attempt \d: (\S+)", said)
    assert first != second  # which they are depends on what the server has learned from the tests before


@pytest.mark.parametrize("stream", [False, True])
def test_legacy_completions(client: OpenAI, ledger: Ledger, lane: str, stream: bool) -> None:
    """A prompt and its answer, from the models that answer chats."""
    answer: Any = client.completions.create(model="auto", prompt="Hello.", user=lane, stream=stream)
    pieces = list(answer) if stream else [answer]
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices)
    assert pieces[-1].choices[0].finish_reason == "stop" and pieces[0].object == "text_completion"
    assert len(ledger.entries(lane)) == 1
