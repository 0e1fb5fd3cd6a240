"""Requests as a simulated server reads them, and its refusals in vLLM's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError

from router.catalog import Catalog
from router.simulate import tasks
from tests.simulate.asking import ask, find, ledger, prompt
from tests.simulate.conftest import NEMOTRON, QWEN, Models


async def test_thinking_is_chosen_in_every_dialect(models: Models) -> None:
    """vLLM's, DashScope's, OpenRouter's and OpenAI's switches; thinking is the default; the ledger names the arm."""
    task = tasks.make("code", 1, 7)
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "on"),
        ({"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}, "off"),
        ({"extra_body": {"chat_template_kwargs": {"enable_thinking": True, "low_effort": True}}}, "low"),
        ({"extra_body": {"enable_thinking": False}}, "off"),
        ({"extra_body": {"reasoning": {"enabled": False}}}, "off"),
        ({"extra_body": {"reasoning": {"effort": "low"}}}, "low"),
        ({"reasoning_effort": "none"}, "off"),
    ]
    async with models() as clients:
        for i, (body, mode) in enumerate(cases):
            answer = await ask(clients[NEMOTRON], NEMOTRON, task, user=f"case-{i}", **body)
            extra, usage = answer.choices[0].message.model_extra, answer.usage
            assert (await ledger(clients[NEMOTRON]))[f"case-{i}"]["code-0001"][0]["arm"] == f"{NEMOTRON}/{mode}"
            assert (usage.completion_tokens_details.reasoning_tokens > 0) == (mode != "off")
            assert (extra.get("reasoning") == extra.get("reasoning_content") is not None) == (mode != "off")
        # A model without the mode falls back to thinking.
        await ask(clients[QWEN], QWEN, task, reasoning_effort="low")
        assert (await ledger(clients[QWEN]))[""]["code-0001"][0]["arm"] == f"{QWEN}/on"


async def test_pictures_are_seen_or_refused_as_vllm_does(catalog: Catalog, models: Models) -> None:
    """Qwen sees colour and width and pays tokens for the picture; Nemotron answers 400 in vLLM's words."""
    task = find(catalog, f"{QWEN}/on", "vision")
    async with models() as clients:
        answer = await ask(clients[QWEN], QWEN, task)
        with pytest.raises(BadRequestError, match="is not a multimodal model") as caught:
            await ask(clients[NEMOTRON], NEMOTRON, task)
    assert tasks.correct(task, answer.choices[0].message.content)
    assert answer.usage.prompt_tokens > 64
    assert caught.value.body == {
        "message": f"{NEMOTRON} is not a multimodal model",
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    }


async def test_the_context_window_holds_input_and_output(models: Models) -> None:
    """Over 262,144 tokens Qwen answers 400 in vLLM's words; Nemotron takes them, and max_tokens counts."""
    task = tasks.make("long_context", 1, 7)
    long = [{"role": "user", "content": "word " * 240_000}, *prompt(task)]
    async with models() as clients:
        with pytest.raises(BadRequestError, match="maximum context length is 262144 tokens"):
            await clients[QWEN].chat.completions.create(model=QWEN, messages=long)
        with pytest.raises(BadRequestError, match="you requested 262140 output tokens"):
            await ask(clients[QWEN], QWEN, task, max_tokens=262_140)
        answer = await clients[NEMOTRON].chat.completions.create(model=NEMOTRON, messages=long, max_tokens=10_000)
    assert answer.usage.prompt_tokens > 262_144


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"model": "nemotron-3-super"}', 400),
        (b'{"model": "nemotron-3-super", "messages": []}', 400),
        (b'{"model": "other", "messages": [{"role": "user", "content": "x"}]}', 404),
        (b'{"model": "nemotron-3-super", "messages": [{"role": "user", "content": "x"}], "max_tokens": 0}', 400),
        (b'{"model": "nemotron-3-super", "messages": [{"role": "user", "content": "x"}], "n": 99}', 400),
        (b'{"model": "nemotron-3-super", "messages": [{"role": "user", "content": [{"type": "audio"}]}]}', 400),
        (
            b'{"model": "nemotron-3-super", "messages": [{"role": "user", "content": "x"}], "response_format":'
            b' {"type": "json_schema", "json_schema": {"schema": 1}}}',
            400,
        ),
        (b"[" * 100_000, 400),
        (b'{"model": "\xff"}', 400),
    ],
)
async def test_bad_requests_are_refused(models: Models, body: bytes, status: int) -> None:
    """A clear error in vLLM's shape, never a 500."""
    async with models() as clients:
        with pytest.raises((BadRequestError, NotFoundError)) as caught:
            await clients[NEMOTRON].post(
                "/chat/completions",
                cast_to=object,
                content=body,
                options={"headers": {"content-type": "application/json"}},
            )
    assert caught.value.status_code == status
    assert isinstance(caught.value.body, dict) and caught.value.body["code"] == status


async def test_any_agents_tools_are_called_with_valid_arguments(models: Models) -> None:
    """Without a task in the prompt the first tool, the named one, or (asked for) all are called, once; or none."""
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": n, "parameters": parameters}} for n in ("weather", "time")]
    hello: list[dict[str, Any]] = [{"role": "user", "content": "What is it like in Rome?"}]
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["weather"]),
        ({"tool_choice": {"type": "function", "function": {"name": "time"}}}, ["time"]),
        ({"parallel_tool_calls": True}, ["weather", "time"]),
        ({"tool_choice": "none"}, []),
    ]
    async with models() as clients:
        create = clients[QWEN].chat.completions.create
        for more, expected in cases:
            message = (await create(model=QWEN, messages=hello, tools=tools, **more)).choices[0].message
            assert [c.function.name for c in message.tool_calls or ()] == expected
            assert all(json.loads(c.function.arguments) == {"city": "text"} for c in message.tool_calls or ())
        said = {
            "role": "assistant",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "time", "arguments": "{}"}}],
        }
        end = await create(
            model=QWEN, messages=[*hello, said, {"role": "tool", "tool_call_id": "1", "content": "noon"}], tools=tools
        )
        assert end.choices[0].message.content and not end.choices[0].message.tool_calls
        ending = {"type": "function", "function": {"name": "final_answer", "parameters": parameters}}
        for told in (
            {"role": "tool", "tool_call_id": "1", "content": "noon"},
            {"role": "user", "content": "It is noon."},
        ):
            forced = await create(
                model=QWEN, messages=[*hello, said, told], tools=[*tools, ending], tool_choice="required"
            )
            assert [c.function.name for c in forced.choices[0].message.tool_calls or ()] == ["final_answer"]
