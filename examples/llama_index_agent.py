"""Turnout with LlamaIndex: an agent's workflow over an OpenAI-like model, with hints.

Run `turnout serve` (or `make demo`) first. Set OPENAI_BASE_URL and OPENAI_API_KEY where they differ from those below.
"""

from __future__ import annotations

import asyncio
import os
from uuid import uuid4

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai_like import OpenAILike

RUN = f"clerk-{uuid4().hex}"


def stock(item: str) -> int:
    """How many of an item are in stock."""
    return {"bolts": 40, "nuts": 12}.get(item, 0)


model = OpenAILike(
    model="auto?step=tool_use&accuracy=0.8",
    api_base=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "unused"),
    is_chat_model=True,
    is_function_calling_model=True,
    # Steps of one run are kept together: a warm prompt cache counts, and budgets are shared.
    default_headers={"x-turnout-run-id": RUN},
)


async def main() -> None:
    clerk = FunctionAgent(tools=[stock], llm=model, system_prompt="Answer from the stock list.")
    print(f"run {RUN}: {await clerk.run('How many bolts have we?')}")


if __name__ == "__main__":
    asyncio.run(main())
