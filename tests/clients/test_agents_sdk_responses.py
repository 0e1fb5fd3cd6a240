"""The OpenAI Agents SDK with the model it takes by default: each step of its tool loop is a response through `auto`."""

from __future__ import annotations

from typing import Any

import pytest
from agents import (
    Agent,
    ApplyPatchTool,
    CustomTool,
    LocalShellCommandRequest,
    LocalShellTool,
    ModelSettings,
    OpenAIResponsesModel,
    Runner,
    ShellCommandRequest,
    ShellTool,
    function_tool,
)
from agents.editor import ApplyPatchOperation, ApplyPatchResult
from openai import AsyncOpenAI
from openai.types.shared import Reasoning
from pydantic import BaseModel

from tests.clients.running import Ledger
from tests.clients.test_agents_sdk import HINTS, client

__all__ = ["client"]


class Stock(BaseModel):
    item: str
    number: int


def clerk(client: AsyncOpenAI, lane: str, asked: list[str], model: str = HINTS, **more: Any) -> Agent[Any]:
    """An agent with one tool, which notes what it is asked."""

    @function_tool
    def stock(item: str) -> int:
        """How many of an item are in stock."""
        asked.append(item)
        return 40

    settings = ModelSettings(extra_body={"user": lane}, **more.pop("settings", {}))
    responses = OpenAIResponsesModel(model=model, openai_client=client)
    return Agent(
        name="clerk", instructions="Use the tool.", tools=[stock], model=responses, model_settings=settings, **more
    )


STATELESS = {"store": False, "response_include": ["reasoning.encrypted_content"]}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("settings", [{}, STATELESS, {"reasoning": Reasoning(effort="high", summary="auto")}])
async def test_a_tool_loop(
    client: AsyncOpenAI, ledger: Ledger, lane: str, streamed: bool, settings: dict[str, Any]
) -> None:
    """The tool is called with arguments that fit, its result goes back, and the run ends in an answer: two steps."""
    asked: list[str] = []
    agent = clerk(client, lane, asked, settings=settings)
    result: Any
    if streamed:
        result = Runner.run_streamed(agent, "How many bolts have we?")
        kinds = [event.data.type async for event in result.stream_events() if event.type == "raw_response_event"]
        assert kinds.count("response.completed") == 2
    else:
        result = await Runner.run(agent, "How many bolts have we?")
    assert len(asked) == 1 and isinstance(asked[0], str)
    assert isinstance(result.final_output, str) and result.final_output
    entries = ledger.entries(lane)
    assert len(entries) == len(result.raw_responses) == 2
    assert all(e["fault"] is None for e in entries)
    written = sum(e["output_tokens"] for e in entries)
    assert sum(r.usage.output_tokens for r in result.raw_responses) == written
    thinking = [item for item in result.new_items if item.type == "reasoning_item"]
    assert not settings.get("reasoning") or thinking[0].raw_item.summary[0].text


async def test_only_what_is_new_is_sent(client: AsyncOpenAI, ledger: Ledger, lane: str) -> None:
    """With `previous_response_id` the server knows the rest, over the steps of a run and over runs."""
    agent = clerk(client, lane, [])
    first = await Runner.run(agent, "How many bolts have we?", auto_previous_response_id=True)
    second = await Runner.run(agent, "And nuts?", previous_response_id=first.last_response_id)
    assert first.final_output and second.final_output
    tokens = [r.usage.input_tokens for run in (first, second) for r in run.raw_responses]
    assert tokens == sorted(tokens) and len(set(tokens)) == len(tokens)
    assert len(ledger.entries(lane)) == len(tokens) == 4


async def test_a_typed_answer(client: AsyncOpenAI, lane: str) -> None:
    """The SDK's own strict schema is kept, and its answer is of that type."""
    result = await Runner.run(clerk(client, lane, [], output_type=Stock), "How many bolts have we?")
    assert isinstance(result.final_output, Stock)


async def test_steps_ask_for_what_they_need(client: AsyncOpenAI, ledger: Ledger, lane: str) -> None:
    """The same agent's steps go to a cheap model where that will do, and to a larger one where accuracy is all."""
    wishes = {f"{lane}-cheap": "auto?step=tool_use&prefer=cost", f"{lane}-dear": "auto?step=hard&prefer=accuracy"}
    for name, wish in wishes.items():
        assert (await Runner.run(clerk(client, name, [], wish), "How many bolts have we?")).final_output
    cheap, dear = (ledger.models(name) for name in wishes)
    assert set(cheap) == {"nemotron-3-super"} and all(name.startswith("qwen3.5") for name in dear)


async def test_tools_that_are_no_functions(client: AsyncOpenAI, ledger: Ledger, lane: str) -> None:
    """Tools of free text, shells and patches are offered as functions, and called as what they are."""
    said: list[Any] = []

    async def note(context: Any, text: str) -> str:
        said.append(text)
        return "noted"

    def run(request: LocalShellCommandRequest) -> str:
        said.append(request.data.action.command)
        return "done"

    async def shell(request: ShellCommandRequest) -> str:
        said.append(request.data.action.commands)
        return "done"

    class Editor:
        def create_file(self, operation: ApplyPatchOperation) -> ApplyPatchResult:
            said.append(operation.path)
            return ApplyPatchResult(status="completed", output="done")

        update_file = delete_file = create_file

    tools: list[Any] = [
        CustomTool(name="note", description="Takes a note.", on_invoke_tool=note),
        LocalShellTool(executor=run),
        ShellTool(executor=shell),
        ApplyPatchTool(editor=Editor()),
    ]
    for tool in tools:
        agent = clerk(client, lane, []).clone(tools=[tool])
        assert (await Runner.run(agent, "Do it.")).final_output
    assert [type(what) for what in said] == [str, list, list, str] and all(said)
    assert len(ledger.entries(lane)) == 8
