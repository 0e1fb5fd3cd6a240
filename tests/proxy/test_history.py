"""What of a caller's request goes to which model: thoughts in the history to their own, headers where they may."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.proxy.yard import Proxy, Yard

USER = {"role": "user", "content": "How many bolts?"}
CALLS = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
THOUGHT = {"role": "assistant", "content": "<think>hm</think>", "tool_calls": CALLS}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "40"}
RUN = {"x-session-id": "run-1"}


async def second(proxy: Proxy, headers: dict[str, str] = RUN, **fields: Any) -> dict[str, Any]:
    """The answer of the second step of a tool loop, as the upstream gets it."""
    await proxy.chat(headers, **{"messages": [USER, THOUGHT, RESULT], **fields})
    message: dict[str, Any] = proxy.sent()["messages"][1]
    return message


async def test_thoughts_go_back_to_their_own_model(yard: Yard) -> None:
    """In a known run, to the model that wrote them, in the fields that its server reads."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    await proxy.chat(RUN, messages=[USER])
    assert await second(proxy) == {
        "role": "assistant",
        "content": "",
        "tool_calls": CALLS,
        "reasoning": "hm",
        "reasoning_content": "hm",
    }


async def test_no_model_gets_the_thoughts_of_another(yard: Yard) -> None:
    """A step that moves leaves them behind, and so does every later one up to the next user message."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    await proxy.chat(RUN, messages=[USER])
    for _ in range(2):
        moved = await second(proxy, model="dear")
        assert moved == {"role": "assistant", "content": "", "tool_calls": CALLS}
    await proxy.chat(RUN, model="dear", messages=[USER, THOUGHT, RESULT, THOUGHT, RESULT])
    assert not any("reasoning" in message for message in proxy.sent()["messages"])
    await proxy.chat(RUN, model="dear", messages=[USER, THOUGHT, RESULT, THOUGHT, USER, THOUGHT, RESULT])
    assert ["reasoning" in message for message in proxy.sent()["messages"]] == [False] * 5 + [True, False]


async def test_where_nobody_knows_whose_they_are_they_stay_here(yard: Yard) -> None:
    """Without a run, and in a run whose conversation began elsewhere; a pinned model is taken to be their author."""
    proxy = await yard({"cheap": "good"})
    assert "reasoning" not in await second(proxy, {})
    await proxy.chat(RUN, messages=[{**USER, "content": "Another conversation of the run."}])
    assert "reasoning" not in await second(proxy)
    assert (await second(proxy, {}, model="cheap"))["reasoning"] == "hm"


@pytest.mark.parametrize(("thoughts", "fields"), [("none", set()), ("reasoning", {"reasoning"})])
async def test_a_deployment_says_where_it_reads_thoughts(yard: Yard, thoughts: str, fields: set[str]) -> None:
    """`thoughts` in the catalog."""
    proxy = await yard({"cheap": [{"model": "good", "thoughts": thoughts}]})
    message = await second(proxy, model="cheap")
    assert message.keys() - {"role", "content", "tool_calls"} == fields


async def test_thoughts_in_the_prompt_cache_keys_run(yard: Yard) -> None:
    """`prompt_cache_key` names the run where no header does."""
    proxy = await yard({"cheap": "good"})
    await proxy.chat(messages=[USER], prompt_cache_key="conversation-1")
    assert (await second(proxy, {}, prompt_cache_key="conversation-1"))["reasoning"] == "hm"
    outcome = await proxy.settled()
    assert outcome.run_id == "conversation-1" and proxy.sent()["prompt_cache_key"] == "conversation-1"


async def test_headers_go_on_where_the_catalog_says_so(yard: Yard) -> None:
    """Those named, to that deployment alone; the caller's key never, and nothing that would break a line."""
    deployment = {"model": "good", "forward_headers": ["X-Tenant", "x-flag", "x-absent"]}
    proxy = await yard({"cheap": [deployment], "dear": "good"}, api_keys=("caller-key",))
    headers = {"authorization": "Bearer caller-key", "x-tenant": "rail \xe9", "x-flag": "on", "x-other": "o"}
    assert (await proxy.chat(headers)).status == 200
    seen = proxy.upstream.seen[-1].headers
    assert (seen["x-tenant"].encode("latin-1").decode(), seen["x-flag"]) == ("rail \xe9", "on")
    assert not {"authorization", "x-other", "x-absent"} & seen.keys()
    await proxy.chat(headers, model="dear")
    assert not {"authorization", "x-tenant", "x-flag"} & proxy.upstream.seen[-1].headers.keys()


PRICES = {"cheap": {"input": 1.0, "output": 0.001}, "dear": {"input": 16.0, "output": 0.001, "cached_input": 0.001}}
"""The upstream counts 9 tokens of input: what `dear` then holds is worth $0.00018 per success."""


@pytest.mark.parametrize(("affinity", "model"), [(0, "cheap/off"), (1, "cheap/off"), (20, "dear/off")])
async def test_a_tool_loop_stays_where_its_cache_is_warm(yard: Yard, affinity: int, model: str) -> None:
    """As far as the policy's `affinity` says; the next user message is free to go elsewhere; `/v1/route` shows it."""
    places = {name: [{"model": "good", "prices": prices}] for name, prices in PRICES.items()}
    proxy = await yard(places, policy={"affinity": affinity})
    await proxy.chat(RUN, model="dear", messages=[USER])
    step = {"model": "auto", "messages": [USER, THOUGHT, RESULT]}
    shown = json.loads((await proxy.fetch("POST", "/v1/route", json.dumps(step).encode(), RUN)).body)
    assert (await proxy.chat(RUN, **step)).headers["x-turnout-model"] == model
    assert shown["chosen"]["arms"] == [model]
    if affinity:
        assert shown["loop"]["model"] == "dear" and shown["loop"]["stays"] == (model == "dear/off")
        assert (shown["loop"]["gain_usd"] <= shown["loop"]["needed_usd"]) == shown["loop"]["stays"]
    else:
        assert shown["loop"] is None
    got = await proxy.chat(RUN, messages=[USER, THOUGHT, RESULT, {"role": "assistant", "content": "40."}, USER])
    assert got.headers["x-turnout-model"] == "cheap/off"
