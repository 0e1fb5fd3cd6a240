"""Turnout with PydanticAI: hints in the model's name and in headers.

Run `turnout serve` (or `make demo`) first. Set OPENAI_BASE_URL and OPENAI_API_KEY where they differ from those below.
"""

from __future__ import annotations

import os
from uuid import uuid4

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings
from pydantic_ai.providers.openai import OpenAIProvider

RUN = f"clerk-{uuid4().hex}"

provider = OpenAIProvider(
    base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "unused"),
)
clerk = Agent(
    OpenAIChatModel("auto?step=tool_use&accuracy=0.8", provider=provider),
    instructions="Answer from the stock list.",
    # Steps of one run are kept together: a warm prompt cache counts, and budgets are shared.
    model_settings=OpenAIChatModelSettings(extra_headers={"x-turnout-run-id": RUN}),
)


@clerk.tool_plain
def stock(item: str) -> int:
    """How many of an item are in stock."""
    return {"bolts": 40, "nuts": 12}.get(item, 0)


if __name__ == "__main__":
    print(f"run {RUN}: {clerk.run_sync('How many bolts have we?').output}")
