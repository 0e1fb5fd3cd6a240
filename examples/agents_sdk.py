"""Turnout with the OpenAI Agents SDK: every step of the agent's tool loop is routed by itself.

Run `turnout serve` (or `make demo`) first. Set OPENAI_BASE_URL and OPENAI_API_KEY where they differ from those below.
"""

from __future__ import annotations

import asyncio
import os
from uuid import uuid4

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

set_tracing_disabled(True)  # traces would go to OpenAI


@function_tool
def stock(item: str) -> int:
    """How many of an item are in stock."""
    return {"bolts": 40, "nuts": 12}.get(item, 0)


async def main() -> None:
    client = AsyncOpenAI(
        base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
        api_key=os.environ.get("OPENAI_API_KEY", "unused"),
    )
    clerk = Agent(
        name="clerk",
        instructions="Answer from the stock list.",
        tools=[stock],
        model=OpenAIChatCompletionsModel(model="auto?step=tool_use&accuracy=0.8", openai_client=client),
        # Steps of one run are kept together: a warm prompt cache counts, and budgets are shared.
        model_settings=ModelSettings(extra_headers={"x-turnout-run-id": f"clerk-{uuid4().hex}"}),
    )
    result = await Runner.run(clerk, "How many bolts have we?")
    print(f"{len(result.raw_responses)} steps: {result.final_output}")
    await client.close()


if __name__ == "__main__":
    asyncio.run(main())
