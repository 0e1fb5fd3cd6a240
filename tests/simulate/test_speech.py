"""What simulated models say: right, wrong, cut, in the form asked for."""

from __future__ import annotations

import json

import pytest

from router.catalog import Catalog
from router.simulate import tasks
from tests.simulate.asking import ask, find, ledger
from tests.simulate.conftest import NEMOTRON, QWEN, Models


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
