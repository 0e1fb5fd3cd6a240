"""Turnout with CrewAI: a crew of one whose steps are each routed by themselves.

Run `turnout serve` (or `make demo`) first. Set OPENAI_BASE_URL and OPENAI_API_KEY where they differ from those below.
"""

from __future__ import annotations

import os
from uuid import uuid4

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool

RUN = f"clerk-{uuid4().hex}"


@tool("stock")
def stock(item: str) -> int:
    """How many of an item are in stock."""
    return {"bolts": 40, "nuts": 12}.get(item, 0)


model = LLM(
    model="auto?step=tool_use&accuracy=0.8",
    provider="openai",
    base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "unused"),
    # Steps of one run are kept together: a warm prompt cache counts, and budgets are shared.
    default_headers={"x-turnout-run-id": RUN},
)

if __name__ == "__main__":
    clerk = Agent(role="clerk", goal="Answer from the stock list.", backstory="", tools=[stock], llm=model)
    task = Task(description="How many bolts have we?", expected_output="a number", agent=clerk)
    print(f"run {RUN}: {Crew(agents=[clerk], tasks=[task], tracing=False).kickoff()}")
