"""The OpenAI Agents SDK, as it is: each step of its tool loop is a chat through `auto`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

from tests.clients.running import ROOT, Ledger, Running, run_python
from tests.clients.test_openai_sdk import options

HINTS = "auto?step=tool_use&accuracy=0.8"


@pytest.fixture
async def client(turnout_server: Running) -> AsyncIterator[AsyncOpenAI]:
    set_tracing_disabled(True)
    async with AsyncOpenAI(**options(turnout_server)) as client:
        yield client


def clerk(client: AsyncOpenAI, lane: str, asked: list[str], **more: Any) -> Agent[Any]:
    """An agent with one tool, which notes what it is asked."""

    @function_tool
    def stock(item: str) -> int:
        """How many of an item are in stock."""
        asked.append(item)
        return 40

    settings = ModelSettings(
        extra_body={"user": lane}, extra_headers={"x-turnout-run-id": lane}, include_usage=True, **more
    )
    model = OpenAIChatCompletionsModel(model=HINTS, openai_client=client)
    return Agent(name="clerk", instructions="Use the tool.", tools=[stock], model=model, model_settings=settings)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_tool_loop(client: AsyncOpenAI, ledger: Ledger, lane: str, streamed: bool) -> None:
    """The tool is called with arguments that fit, its result goes back, and the run ends in an answer: two steps."""
    asked: list[str] = []
    agent = clerk(client, lane, asked)
    result: Any
    if streamed:
        result = Runner.run_streamed(agent, "How many bolts have we?")
        kinds = [event.type async for event in result.stream_events()]
        assert kinds.count("raw_response_event") > 4
    else:
        result = await Runner.run(agent, "How many bolts have we?")
    assert len(asked) == 1 and isinstance(asked[0], str)
    assert isinstance(result.final_output, str) and result.final_output
    entries = ledger.entries(lane)
    assert len(entries) == len(result.raw_responses) == 2
    assert all(e["fault"] is None for e in entries)
    written = sum(e["output_tokens"] for e in entries)
    assert sum(r.usage.output_tokens for r in result.raw_responses) == written


async def test_steps_ask_for_what_they_need(client: AsyncOpenAI, ledger: Ledger, lane: str) -> None:
    """The same agent's steps go to a cheap model where that will do, and to a larger one where accuracy is all."""
    wishes = {f"{lane}-cheap": "auto?step=tool_use&prefer=cost", f"{lane}-dear": "auto?step=hard&prefer=accuracy"}
    for name, wish in wishes.items():
        model = OpenAIChatCompletionsModel(model=wish, openai_client=client)
        result = await Runner.run(clerk(client, name, []).clone(model=model), "How many bolts have we?")
        assert result.final_output
    cheap, dear = (ledger.models(name) for name in wishes)
    assert len(cheap) == len(dear) == 2
    assert set(cheap) == {"nemotron-3-super"}
    assert all(name.startswith("qwen3.5") for name in dear)


def test_the_example_runs(turnout_server: Running) -> None:
    """examples/agents_sdk.py takes two steps and ends in an answer."""
    assert run_python(ROOT / "examples" / "agents_sdk.py", turnout_server).startswith("2 steps: ")
