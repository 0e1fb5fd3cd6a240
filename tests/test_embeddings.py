"""`/v1/embeddings` on the wire, with the OpenAI SDK and with bare requests."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.answers import http
from tests.proxy.conftest import answer, pytest_asyncio_loop_factories, yard
from tests.proxy.test_keys import key_of
from tests.proxy.yard import Got, Proxy, Yard

__all__ = ["answer", "pytest_asyncio_loop_factories", "yard"]
Answer = Callable[..., str]
APACHE = {"name": "Apache-2.0", "spdx": "Apache-2.0", "permits": ["use", "derive"]}


def vectors(*numbers: Any, **more: Any) -> bytes:
    """A whole answer."""
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(numbers)]
    whole = {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 5, "total_tokens": 5}}
    return http(json.dumps(whole | more).encode())


async def ask(proxy: Proxy, headers: Mapping[str, str] = {}, **fields: Any) -> Got:
    body = json.dumps({"model": "auto", "input": "Hello", **fields}).encode()
    got = await proxy.fetch("POST", "/v1/embeddings", body, headers)
    proxy.admitted += got.status not in (401, 408, 413)
    return got


async def test_vectors(yard: Yard, answer: Answer) -> None:
    """The upstream's path is its embeddings'; the answer's bytes pass; usage and cost are counted and recorded."""
    body = vectors([0.10, -2])
    proxy = await yard(embeddings={"small": answer(body)})
    got = await ask(proxy, dimensions=2)
    assert got.status == 200 and body.endswith(got.body)
    assert got.headers["x-turnout-model"] == "small" and got.headers["x-turnout-attempts"] == "1"
    assert got.headers["x-turnout-cost-usd"] == "0.00000500" and got.headers["x-request-id"]
    (seen,) = proxy.upstream.seen
    assert seen.headers[":request"].split(" ")[1] == "/v1/embeddings"
    assert proxy.sent()["dimensions"] == 2 and proxy.sent()["input"] == "Hello"
    outcome = await proxy.settled()
    assert (outcome.step_class, outcome.result, outcome.status) == ("embeddings", "returned", 200)
    (attempt,) = outcome.attempts
    assert attempt.input_tokens == 5 and attempt.cost_usd == pytest.approx(5e-6) and not attempt.estimated
    text = (await proxy.fetch("GET", "/metrics")).body.decode()
    assert 'turnout_cost_usd_total{model="small",policy="",step_class="embeddings"}' in text
    assert "turnout_output_tokens_bucket" not in text


@pytest.mark.parametrize("form", ["float", "base64"])
async def test_the_openai_sdk(yard: Yard, answer: Answer, form: Any) -> None:
    """Asks for base64 by itself, and reads what it gets; a server that knows floats alone will do."""
    packed = base64.b64encode(struct.pack("<2f", 0.5, -1)).decode()
    proxy = await yard(embeddings={"small": answer(vectors([0.5, -1], packed))})
    async with AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key="none", max_retries=0) as client:
        plain = await client.embeddings.create(model="small", input=["a", "b"])
        told = await client.embeddings.create(model="small", input=["a", "b"], encoding_format=form)
    proxy.admitted += 2
    assert [v.embedding for v in plain.data] == [[0.5, -1], [0.5, -1]] and plain.usage.prompt_tokens == 5
    expected: Any = packed if form == "base64" else [0.5, -1]
    assert [v.embedding for v in told.data] == [expected, expected]
    assert proxy.sent(0)["encoding_format"] == "base64"


async def test_names(yard: Yard, answer: Answer) -> None:
    """`auto` is the first; aliases; anything else is a 404 that lists what there is. Chats do not know them."""
    proxy = await yard(
        embeddings={"small": answer(vectors([1])), "large": answer(vectors([2]))},
        facts={"large": {"aliases": ["text-embedding-3-large"], "dimensions": 1, "maker": "Test"}},
    )
    for name, model in (("auto", "small"), ("large", "large"), ("text-embedding-3-large", "large")):
        assert (await ask(proxy, model=name)).headers["x-turnout-model"] == model
    got = await ask(proxy, model="cheap")
    assert got.status == 404 and got.error["code"] == "model_not_found" and "small, large" in got.error["message"]
    assert (await proxy.chat(model="small")).status == 404
    listed = json.loads((await proxy.fetch("GET", "/v1/models")).body)["data"]
    assert [m["id"] for m in listed][-2:] == ["small", "large"] and listed[-1]["turnout"]["dimensions"] == 1
    got = await proxy.fetch("GET", "/v1/models", headers={"anthropic-version": "2023-06-01"})
    assert json.loads(got.body)["last_id"] == "cheap"


async def test_a_catalog_without(yard: Yard) -> None:
    """It says so."""
    proxy = await yard()
    got = await ask(proxy)
    assert got.status == 404 and "no embedding models" in got.error["message"]


async def test_the_cheapest_first_and_another_after_a_fault(yard: Yard, answer: Answer) -> None:
    """What is sent twice is told as two attempts."""
    good = {"model": answer(vectors([1])), "prices": {"input": 2, "output": 0}}
    proxy = await yard(embeddings={"small": [good, "html-500"]})
    got = await ask(proxy)
    assert got.status == 200 and got.headers["x-turnout-attempts"] == "2"
    assert [a.fault for a in (await proxy.settled()).attempts] == ["status", None]


@pytest.mark.parametrize(
    ("does", "status", "code"),
    [
        ("html-500", 502, "upstream_error"),
        ("good", 502, "upstream_error"),
        ("rate-limited", 429, "rate_limit_exceeded"),
        ("bad-request", 400, "invalid_request"),
        ("unauthorized", 502, "upstream_error"),
        ("reset", 502, "upstream_error"),
    ],
)
async def test_faults(yard: Yard, does: str, status: int, code: str) -> None:
    """In OpenAI's shape; a chat's answer is none either."""
    proxy = await yard(embeddings={"small": does})
    got = await ask(proxy)
    assert got.status == status and got.error["code"] == code
    assert (await proxy.settled()).attempts[0].fault is not None


async def test_what_does_not_suit_the_model_is_not_tried_elsewhere(yard: Yard, answer: Answer) -> None:
    """It is the same model there."""
    refusal = json.dumps({"error": {"message": "This model's maximum context length is 8 tokens."}}).encode()
    name = answer(http(refusal, "400 Bad Request"))
    proxy = await yard(embeddings={"small": [name, name]})
    got = await ask(proxy)
    assert got.status == 400 and got.error["code"] == "context_length_exceeded" and len(proxy.upstream.seen) == 1


async def test_a_rate_limit_is_heeded(yard: Yard) -> None:
    """The next request is not sent until the time has come, and is told when."""
    proxy = await yard(embeddings={"small": "rate-limited"})
    await ask(proxy)
    got = await ask(proxy)
    assert got.status == 429 and got.headers["retry-after"] and len(proxy.upstream.seen) == 1


async def test_a_deployment_that_fails_again_and_again_is_left_alone(yard: Yard) -> None:
    """As for chats."""
    proxy = await yard(embeddings={"small": "html-500"})
    statuses = [(await ask(proxy)).status for _ in range(6)]
    assert statuses[-1] == 503 and len(proxy.upstream.seen) == 5


async def test_the_deadline(yard: Yard) -> None:
    """A hint's, here."""
    proxy = await yard(embeddings={"small": "hang"})
    got = await ask(proxy, {"x-turnout-deadline": "0.1"})
    assert got.status == 504 and got.error["param"] == "deadline"


async def test_a_short_deadline_is_no_fault_of_the_deployment(yard: Yard) -> None:
    """However many callers give it too little time, it is asked again."""
    proxy = await yard(embeddings={"small": "hang"})
    statuses = [(await ask(proxy, {"x-turnout-deadline": "0.05"})).status for _ in range(8)]
    assert statuses == [504] * 8 and proxy.upstream.requests == 8


async def test_a_caller_that_leaves(yard: Yard) -> None:
    """It ends the call upstream."""
    proxy = await yard(embeddings={"small": "hang"})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await ask(proxy)
    proxy.admitted += 1
    await proxy.upstream.until(lambda: proxy.upstream.aborts == 1)
    assert (await proxy.settled()).result == "disconnected"


async def test_a_full_deployment(yard: Yard, answer: Answer) -> None:
    """One that serves no more at once is passed by, or waited for where there is no other."""
    slow = {"model": "hang", "concurrency": 1, "prices": {"input": 0.5, "output": 0}}
    proxy = await yard(embeddings={"small": [slow, answer(vectors([1]))]}, queue_timeout=0.05)
    waiting = asyncio.create_task(ask(proxy, {"x-turnout-deadline": "1"}))
    await proxy.upstream.until(lambda: proxy.upstream.requests == 1)
    got = await ask(proxy)
    assert got.status == 200 and got.headers["x-turnout-attempts"] == "1"
    await waiting
    proxy = await yard(embeddings={"small": [slow]}, queue_timeout=0.05)
    waiting = asyncio.create_task(ask(proxy, {"x-turnout-deadline": "0.5"}))
    await proxy.upstream.until(lambda: proxy.upstream.requests == 1)
    got = await ask(proxy)
    assert got.status == 503 and got.error["code"] == "overloaded" and got.headers["retry-after"]
    assert (await waiting).status == 504
    proxy = await yard(embeddings={"small": [{**slow, "model": answer(vectors([1]))}]})
    assert [got.status for got in await asyncio.gather(*(ask(proxy) for _ in range(3)))] == [200] * 3


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"input": ""}, 400, "input"),
        ({"turnout": {"max_cost": 1e-9}}, 400, "max_cost"),
        ({"turnout": {"license": ["MIT"]}}, 400, "model"),
        ({"turnout": {"models": ["other"]}}, 400, "model"),
        ({"model": "bare?license=MIT"}, 400, "model"),
    ],
)
async def test_what_is_not_allowed(yard: Yard, answer: Answer, fields: dict[str, Any], status: int, param: str) -> None:
    """Nothing is sent; an outcome is recorded."""
    proxy = await yard(
        embeddings={"small": answer(vectors([1])), "bare": answer(vectors([1]))}, facts={"small": {"license": APACHE}}
    )
    got = await ask(proxy, **fields)
    assert got.status == status and got.error["param"] == param and not proxy.upstream.seen
    assert (await proxy.settled()).step_class == "embeddings"
    assert (await ask(proxy, turnout={"license": ["Apache-2.0"], "models": ["small"]})).status == 200


async def test_an_answer_without_usage_is_estimated(yard: Yard, answer: Answer) -> None:
    """By its bytes, or by its tokens where it came as such."""
    proxy = await yard(embeddings={"small": answer(vectors([1], usage=None))}, facts={"small": {"bytes_per_token": 2}})
    await ask(proxy, input="x" * 98)
    (attempt,) = (await proxy.settled()).attempts
    assert attempt.estimated and attempt.input_tokens == 50
    await ask(proxy, input=[1, 2, 3])
    assert (await proxy.settled()).attempts[0].input_tokens == 3


async def test_keys_and_methods(yard: Yard, answer: Answer) -> None:
    """As for chats."""
    proxy = await yard(embeddings={"small": answer(vectors([1]))}, api_keys=("sk-1",))
    assert (await ask(proxy)).status == 401
    assert (await ask(proxy, {"authorization": "Bearer sk-1"})).status == 200
    got = await proxy.fetch("GET", "/v1/embeddings", headers={"x-api-key": "sk-1"})
    assert got.status == 405 and got.headers["allow"] == "POST"
    assert "sk-1" not in json.dumps(proxy.upstream.seen[0].headers)


async def test_what_a_key_may(yard: Yard, answer: Answer, tmp_path: Path) -> None:
    """Its models, its licences and its money count here too."""
    keys = tmp_path / "keys.json"
    large, free, poor = (
        key_of(keys, name, **rights)
        for name, rights in (
            ("large", {"models": ["large"]}),
            ("free", {"license": ["Apache-2.0"]}),
            ("poor", {"usd_per_day": 6e-6}),
        )
    )
    proxy = await yard(
        embeddings={"small": answer(vectors([1])), "large": answer(vectors([1]))},
        facts={"large": {"license": APACHE}},
        keys_file=keys,
    )
    for key in (large, free):
        got = await ask(proxy, key)
        assert got.status == 400 and got.error["code"] == "no_feasible_model" and got.error["param"] == "model"
        assert (await ask(proxy, key, model="large")).status == 200
    assert (await ask(proxy, poor)).status == 200
    await proxy.all_settled()
    got = await ask(proxy, poor, input="x" * 400)
    assert got.status == 400 and got.error["param"] == "max_cost"
