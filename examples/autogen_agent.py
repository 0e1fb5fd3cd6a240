"""Turnout with AutoGen: an assistant whose model client is told what the models behind `auto` can do.

Run `turnout serve` (or `make demo`) first. Set OPENAI_BASE_URL and OPENAI_API_KEY where they differ from those below.
"""

from __future__ import annotations

import asyncio
import os
from uuid import uuid4

from autogen_agentchat.agents import AssistantAgent
from autogen_core.models import ModelInfo
from autogen_ext.models.openai import OpenAIChatCompletionClient

RUN = f"clerk-{uuid4().hex}"


def stock(item: str) -> int:
    """How many of an item are in stock."""
    return {"bolts": 40, "nuts": 12}.get(item, 0)


async def main() -> None:
    model = OpenAIChatCompletionClient(
        model="auto?step=tool_use&accuracy=0.8",
        base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
        api_key=os.environ.get("OPENAI_API_KEY", "unused"),
        model_info=ModelInfo(
            vision=True, function_calling=True, json_output=True, structured_output=True, family="unknown"
        ),
        # Steps of one run are kept together: a warm prompt cache counts, and budgets are shared.
        default_headers={"x-turnout-run-id": RUN},
    )
    clerk = AssistantAgent("clerk", model_client=model, tools=[stock], reflect_on_tool_use=True)
    result = await clerk.run(task="How many bolts have we?")
    print(f"run {RUN}: {result.messages[-1].content}")
    await model.close()


if __name__ == "__main__":
    asyncio.run(main())
