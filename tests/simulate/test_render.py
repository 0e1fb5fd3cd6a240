"""Answers and streams on the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.catalog import Catalog
from router.simulate import tasks
from router.simulate.world import Step, World
from tests.simulate.asking import ask, ledger, prompt
from tests.simulate.conftest import NEMOTRON, QWEN, Models


@pytest.mark.parametrize("thoughts", ["both", "reasoning", "reasoning_content"])
async def test_thoughts_go_where_the_server_is_told(models: Models, thoughts: str) -> None:
    """In one member or in both, in whole answers and in deltas."""
    task, names = tasks.make("code", 1, 7), {"reasoning", "reasoning_content"}
    expected = names if thoughts == "both" else {thoughts}
    async with models(thoughts=thoughts) as clients:
        answer = await ask(clients[NEMOTRON], NEMOTRON, task)
        stream = await ask(clients[NEMOTRON], NEMOTRON, task, stream=True)
        deltas = [c.choices[0].delta.model_extra or {} async for c in stream]
    assert names & answer.choices[0].message.model_extra.keys() == expected
    assert names & {name for delta in deltas for name in delta} == expected


async def test_streams_say_the_same_as_whole_answers(models: Models) -> None:
    """Role first, thoughts before content, one finish reason, and a usage chunk without choices only if asked for."""
    task = tasks.make("code", 2, 7)
    async with models() as clients:
        whole = await ask(clients[NEMOTRON], NEMOTRON, task, user="a")
        options = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = [c async for c in await ask(clients[NEMOTRON], NEMOTRON, task, user="b", **options)]
        plain = [c async for c in await ask(clients[NEMOTRON], NEMOTRON, task, user="c", stream=True)]
    *body, last = chunks
    assert body[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in body) == whole.choices[0].message.content
    thoughts = "".join((c.choices[0].delta.model_extra or {}).get("reasoning", "") for c in body)
    assert thoughts == whole.choices[0].message.model_extra["reasoning"]
    assert [c.choices[0].finish_reason for c in body if c.choices[0].finish_reason] == ["stop"]
    assert last.choices == [] and last.usage == whole.usage
    assert all(c.usage is None for c in body)
    assert all(c.choices for c in plain) and len(plain) == len(body)
    assert last.model_extra["simulated"] == whole.model_extra["simulated"]


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_are_called_and_their_answers_used(catalog: Catalog, models: Models, stream: bool) -> None:
    """Two calls at once where two keys are asked for, one at a time without parallel calls; then the answer."""
    truth, arm = World(catalog, 7), catalog.arm[f"{QWEN}/on"]
    task = next(
        t
        for t in (tasks.make("tool_use", i, 7) for i in range(2_000))
        if len(t.seen.results) == 2
        and all(truth.right(arm, Step(t.id + turn, "tool_use"), 1) for turn in ("", "+1", "+2"))
    )
    for parallel, turns in ((True, [2, 0]), (False, [1, 1, 0])):
        messages, seen = prompt(task), []
        async with models() as clients:
            while not seen or seen[-1]:
                call = clients[QWEN].chat.completions.create(
                    model=QWEN, messages=messages, tools=tasks.TOOLS, stream=stream, parallel_tool_calls=parallel
                )
                message = await (_gathered(await call) if stream else _whole(await call))
                seen.append(len(message.get("tool_calls") or ()))
                messages.append(message)
                for made in message.get("tool_calls") or ():
                    key = json.loads(made["function"]["arguments"])["key"]
                    content = json.dumps({"key": key, "stock": task.seen.results[key]})
                    messages.append({"role": "tool", "tool_call_id": made["id"], "content": content})
        assert seen == turns
        assert tasks.correct(task, messages[-1]["content"])


async def _whole(answer: Any) -> dict[str, Any]:
    assert answer.choices[0].finish_reason == ("tool_calls" if answer.choices[0].message.tool_calls else "stop")
    return answer.choices[0].message.model_dump(include={"role", "content", "tool_calls"}, exclude_none=True)


async def _gathered(stream: Any) -> dict[str, Any]:
    """A streamed message put together as clients do: the name first, the arguments piece by piece."""
    content, calls, pieces = "", {}, 0
    async for chunk in stream:
        delta = chunk.choices[0].delta
        content += delta.content or ""
        for part in delta.tool_calls or ():
            if part.id:
                function = {"name": part.function.name, "arguments": ""}
                calls[part.index] = {"id": part.id, "type": "function", "function": function}
            calls[part.index]["function"]["arguments"] += part.function.arguments
            pieces += bool(part.function.arguments)
    assert not calls or pieces > len(calls)
    message = {"role": "assistant", "content": content or None, "tool_calls": [calls[i] for i in sorted(calls)]}
    return message if calls else {"role": "assistant", "content": content}


async def test_n_logprobs_and_unknown_fields(models: Models) -> None:
    """Each of n choices is an attempt of its own; logprobs cover the first words; unknown fields are ignored."""
    task = tasks.make("code", 5, 7)
    async with models() as clients:
        answer = await ask(clients[NEMOTRON], NEMOTRON, task, n=3, logprobs=True, extra_body={"unheard_of": 1})
        after = await ask(clients[NEMOTRON], NEMOTRON, task)
        stream = await ask(clients[NEMOTRON], NEMOTRON, task, n=2, stream=True)
        indices = {c.choices[0].index async for c in stream}
        entries = (await ledger(clients[NEMOTRON]))[""]["code-0005"]
    assert [c.index for c in answer.choices] == [0, 1, 2] and indices == {0, 1}
    assert all(c.logprobs.content[0].logprob < 0 for c in answer.choices if c.message.content)
    assert [e["attempt"] for e in entries] == [1, 4, 5]
    assert answer.usage.completion_tokens > 2 * after.usage.completion_tokens
