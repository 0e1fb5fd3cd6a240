"""The simulated servers over real sockets, asked by the real OpenAI SDK."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError

from router.catalog import Catalog
from router.errors import ConfigError
from router.simulate import tasks
from router.simulate.server import Options, listen, running, simulated
from router.simulate.tasks import Task
from router.simulate.world import Step, World
from tests.simulate.conftest import NEMOTRON, QWEN, Models


def prompt(task: Task) -> list[dict[str, Any]]:
    text = f"Task {task.id}\n{task.question}"
    if task.image is None:
        return [{"role": "user", "content": text}]
    parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": task.image}}]
    return [{"role": "user", "content": parts}]


def find(catalog: Catalog, arm: str, step_class: str, *, right: bool = True, form: str | None = None) -> Task:
    """The first task of a class whose first attempt by the arm is right, or fails in that form, for seed 7."""
    truth = World(catalog, 7)
    for number in range(2_000):
        task = tasks.make(step_class, number, 7)
        step = Step(task.id, step_class)
        if truth.right(catalog.arm[arm], step, 1) == right and form in (None, truth.form(catalog.arm[arm], step, 1)):
            return task
    raise AssertionError("no such task")


async def ask(client: AsyncOpenAI, model: str, task: Task, **more: Any) -> Any:
    return await client.chat.completions.create(model=model, messages=prompt(task), **more)


async def ledger(client: AsyncOpenAI, **query: str) -> Any:
    found: Any = await client.get(str(client.base_url.join("/sim/ledger")), cast_to=object, options={"params": query})
    return found["lanes"]


@pytest.mark.parametrize(
    "step_class", ["code", "reasoning", "hard", "knowledge", "multilingual", "chat", "long_output"]
)
async def test_right_and_wrong_answers_are_what_the_draw_says(
    catalog: Catalog, models: Models, step_class: str
) -> None:
    """A task that the draw solves gets its answer; one that it fails gets a well-formed wrong one."""
    async with models() as clients:
        right, wrong = (
            find(catalog, f"{NEMOTRON}/on", step_class, right=r, form=None if r else "wrong") for r in (True, False)
        )
        good, bad = [(await ask(clients[NEMOTRON], NEMOTRON, t)).choices[0] for t in (right, wrong)]
    assert tasks.correct(right, good.message.content)
    assert not tasks.correct(wrong, bad.message.content)
    assert "ANSWER: " in bad.message.content
    assert good.finish_reason == bad.finish_reason == "stop"


@pytest.mark.parametrize("form", ["empty", "refusal", "malformed"])
async def test_some_failures_can_be_seen_from_outside(catalog: Catalog, models: Models, form: str) -> None:
    """Empty answers, refusals, and answers out of form."""
    task = find(catalog, f"{NEMOTRON}/on", "code", right=False, form=form)
    broken = find(catalog, f"{QWEN}/on", "structured", right=False, form="malformed")
    schema = {"type": "json_schema", "json_schema": {"name": "order", "schema": tasks.ORDER_SCHEMA}}
    async with models() as clients:
        content = (await ask(clients[NEMOTRON], NEMOTRON, task)).choices[0].message.content
        order = (await ask(clients[QWEN], QWEN, broken, response_format=schema)).choices[0].message.content
    assert {"empty": content == "", "refusal": "can't help" in content, "malformed": "ANSWER" not in content}[form]
    with pytest.raises(ValueError, match=r"."):
        json.loads(order)


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


async def test_formats_are_met(catalog: Catalog, models: Models) -> None:
    """A task's order as JSON; any small schema without a task; an object for json_object."""
    task = find(catalog, f"{QWEN}/on", "structured")
    schema = {"type": "json_schema", "json_schema": {"name": "order", "schema": tasks.ORDER_SCHEMA}}
    free = [{"role": "user", "content": "Hello"}]
    async with models() as clients:
        create = clients[QWEN].chat.completions.create
        assert tasks.correct(
            task, (await ask(clients[QWEN], QWEN, task, response_format=schema)).choices[0].message.content
        )
        order = json.loads((await create(model=QWEN, messages=free, response_format=schema)).choices[0].message.content)
        anything = await create(model=QWEN, messages=free, response_format={"type": "json_object"})
    assert order == {"customer": "text", "item": "text", "quantity": 1, "total_cents": 1}
    assert json.loads(anything.choices[0].message.content) == {}


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


async def test_answers_end_at_max_tokens(models: Models) -> None:
    """Reasoning counts first; what is cut off is gone, the finish reason says so, and the attempt is not right."""
    task = tasks.make("code", 1, 7)
    async with models() as clients:
        full = await ask(clients[NEMOTRON], NEMOTRON, task)
        thought = full.usage.completion_tokens_details.reasoning_tokens
        early = await ask(clients[NEMOTRON], NEMOTRON, task, user="a", max_completion_tokens=thought - 5)
        late = await ask(clients[NEMOTRON], NEMOTRON, task, user="b", max_tokens=thought + 50)
        call = await ask(clients[QWEN], QWEN, tasks.make("tool_use", 1, 7), tools=tasks.TOOLS, max_tokens=1)
        lanes = await ledger(clients[NEMOTRON])
    assert [x.choices[0].finish_reason for x in (early, late, call)] == ["length"] * 3
    assert early.choices[0].message.content is None and early.usage.completion_tokens == thought - 5
    assert full.choices[0].message.content.startswith(late.choices[0].message.content)
    assert late.usage.completion_tokens == thought + 50
    assert not lanes["a"]["code-0001"][0]["right"] and not lanes["b"]["code-0001"][0]["right"]


async def test_long_answers_are_counted_in_full_and_written_in_part(models: Models) -> None:
    """Usage says the drawn length and time follows it; the text stops growing at its cap."""
    async with models() as clients:
        answer = await ask(clients[NEMOTRON], NEMOTRON, tasks.make("long_output", 2, 7))
    tokens, text = answer.usage.completion_tokens, answer.choices[0].message.content
    assert tokens > 6_000
    assert 12_000 < len(text) < 17_000
    assert answer.model_extra["simulated"]["seconds"] == pytest.approx(tokens / 471, rel=0.2)


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


async def test_models_health_and_unknown_paths(models: Models) -> None:
    """Each port lists its one model with its window; health answers; anything else is a 404."""
    async with models() as clients:
        listed = {name: [m async for m in client.models.list()] for name, client in clients.items()}
        root = clients[QWEN].base_url
        assert await clients[QWEN].get(str(root.join("/health")), cast_to=str) == ""
        with pytest.raises(NotFoundError):
            await clients[QWEN].get(str(root.join("/v2/nothing")), cast_to=object)
    assert {name: [m.id for m in found] for name, found in listed.items()} == {name: [name] for name in listed}
    assert listed[QWEN][0].model_extra["max_model_len"] == 262_144


async def test_the_ledger_counts_attempts_by_lane_step_and_arm(models: Models) -> None:
    """Lanes do not share counters; attempts go on counting; one lane can be asked for; a reset forgets all."""
    task = tasks.make("code", 1, 7)
    async with models() as clients:
        for lane, times in (("a", 2), ("b", 1)):
            for _ in range(times):
                await ask(clients[NEMOTRON], NEMOTRON, task, user=lane)
        await ask(clients[QWEN], QWEN, task, user="a")
        lanes = await ledger(clients[QWEN])
        only = await ledger(clients[QWEN], lane="b")
        none = await ledger(clients[QWEN], lane="c")
        await clients[QWEN].post(str(clients[QWEN].base_url.join("/sim/reset")), cast_to=object)
        assert await ledger(clients[QWEN]) == {}
    assert [(e["arm"], e["attempt"]) for e in lanes["a"]["code-0001"]] == [
        (f"{NEMOTRON}/on", 1),
        (f"{NEMOTRON}/on", 2),
        (f"{QWEN}/on", 1),
    ]
    assert only == {"b": lanes["b"]} and none == {}
    assert lanes["b"]["code-0001"][0] == lanes["a"]["code-0001"][0]
    assert lanes["b"]["code-0001"][0]["seconds"] > 0 < lanes["b"]["code-0001"][0]["output_tokens"]


async def test_answers_do_not_depend_on_order_or_company(models: Models) -> None:
    """The same requests one by one and all at once, in other servers of the same seed, come to the same ledger."""
    work = [tasks.make("code", i, 7) for i in range(30)]
    async with models() as clients:
        for task in work:
            await ask(clients[NEMOTRON], NEMOTRON, task)
        one_by_one = await ledger(clients[NEMOTRON])
    async with models() as clients:
        await asyncio.gather(*(ask(clients[NEMOTRON], NEMOTRON, task) for task in reversed(work)))
        at_once = await ledger(clients[NEMOTRON])
    async with models(seed=8) as clients:
        await asyncio.gather(*(ask(clients[NEMOTRON], NEMOTRON, task) for task in work))
        other_seed = await ledger(clients[NEMOTRON])
    assert one_by_one == at_once != other_seed


async def test_time_passes_at_the_stated_factor(catalog: Catalog, models: Models) -> None:
    """A slow clock takes longer in earnest, a stream shows its first content before its last."""
    task = tasks.make("code", 1, 7)
    loop = asyncio.get_running_loop()
    async with models(speed=20.0) as clients:
        began = loop.time()
        stream = await ask(clients[NEMOTRON], NEMOTRON, task, stream=True)
        times = [loop.time() - began async for _ in stream]
        entries = await ledger(clients[NEMOTRON])
    expected = entries[""]["code-0001"][0]["seconds"] / 20
    assert times[-1] >= expected * 0.95
    assert times[len(times) // 2] < times[-1] * 0.9


async def test_a_caller_who_leaves_is_noticed(models: Models) -> None:
    """A request that is given up is marked in the ledger, streamed or not."""
    async with models(speed=1.0) as clients:
        for stream, lane in ((False, "whole"), (True, "stream")):
            call = asyncio.ensure_future(
                ask(clients[NEMOTRON], NEMOTRON, tasks.make("code", 1, 7), user=lane, stream=stream)
            )
            await asyncio.sleep(0.05)
            if stream:
                await (await call).close()
            call.cancel()
        for _ in range(100):
            lanes = await ledger(clients[NEMOTRON])
            faults = {lane: lanes[lane]["code-0001"][0]["fault"] for lane in lanes}
            if faults == {"whole": "left", "stream": "left"}:
                return
            await asyncio.sleep(0.02)
    raise AssertionError(faults)


def test_a_simulated_catalog_has_the_cheapest_prices_and_no_keys(catalog: Catalog) -> None:
    """One deployment for each model, at the given address, with a parameter for each thinking mode."""
    scene = simulated(catalog, {NEMOTRON: "http://127.0.0.1:9/v1"})
    (deployment,) = scene.models[NEMOTRON].deployments
    assert list(scene.models) == [NEMOTRON]
    assert deployment.url == "http://127.0.0.1:9/v1"
    assert deployment.api_key_env is None
    assert deployment.usd.output == min(d.usd.output for d in catalog.models[NEMOTRON].deployments)
    assert deployment.thinking.keys() == catalog.models[NEMOTRON].thinking.keys()
    bare = catalog.models[QWEN].model_copy(update={"deployments": ()})
    with pytest.raises(ConfigError, match="no deployment"):
        simulated(Catalog.model_construct(**{**dict(catalog), "models": {QWEN: bare}}), {QWEN: "http://127.0.0.1:9/v1"})


async def test_a_taken_port_is_one_sentence(catalog: Catalog) -> None:
    """Binding a port twice raises a ConfigError that names it and says what to do."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}: cannot be bound: .* Choose another with --port"):
            listen("127.0.0.1", port)
    async with running(catalog, Options()) as urls:
        assert set(urls) == set(catalog.models)
