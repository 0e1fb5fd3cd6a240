"""Turnout with smolagents: hints in the model's name and in the client's headers.

Run `turnout serve` (or `make demo`) first. Set OPENAI_BASE_URL and OPENAI_API_KEY where they differ from those below.
"""

from __future__ import annotations

import os
from uuid import uuid4

from smolagents import OpenAIServerModel, ToolCallingAgent, tool

RUN = f"clerk-{uuid4().hex}"


@tool
def stock(item: str) -> int:
    """How many of an item are in stock.

    Args:
        item: name of the item
    """
    return {"bolts": 40, "nuts": 12}.get(item, 0)


model = OpenAIServerModel(
    model_id="auto?step=tool_use&accuracy=0.8",
    api_base=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "unused"),
    # Steps of one run are kept together: a warm prompt cache counts, and budgets are shared.
    client_kwargs={"default_headers": {"x-turnout-run-id": RUN}},
)

if __name__ == "__main__":
    clerk = ToolCallingAgent(tools=[stock], model=model, max_steps=4, verbosity_level=0)
    print(f"run {RUN}: {clerk.run('How many bolts have we?')}")
