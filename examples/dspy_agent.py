"""Turnout with DSPy: a tool call and the answer to its result, two predictions that are each routed by themselves.

Run `turnout serve` (or `make demo`) first. Set OPENAI_BASE_URL and OPENAI_API_KEY where they differ from those below.
"""

from __future__ import annotations

import os
from uuid import uuid4

import dspy

RUN = f"clerk-{uuid4().hex}"


class Turnout(dspy.LM):
    """DSPy asks LiteLLM's list what a model can do, and that list does not know `auto`."""

    supports_function_calling = True
    supports_response_schema = True


def stock(item: str) -> int:
    """How many of an item are in stock."""
    return {"bolts": 40, "nuts": 12}.get(item, 0)


model = Turnout(
    "openai/auto?step=tool_use&accuracy=0.8",
    api_base=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "unused"),
    # Steps of one run are kept together: a warm prompt cache counts, and budgets are shared.
    extra_headers={"x-turnout-run-id": RUN},
    cache=False,
)


class Ask(dspy.Signature):
    question: str = dspy.InputField()
    tools: list[dspy.Tool] = dspy.InputField()
    calls: dspy.ToolCalls = dspy.OutputField()


if __name__ == "__main__":
    question, tool = "How many bolts have we?", dspy.Tool(stock)
    with dspy.context(lm=model, adapter=dspy.JSONAdapter(use_native_function_calling=True)):
        asked = dspy.Predict(Ask)(question=question, tools=[tool])
        told = [str(call.execute(functions=[tool])) for call in asked.calls.tool_calls]
        answer = dspy.Predict("question, stock: list[str] -> answer")(question=question, stock=told).answer
    print(f"run {RUN}: {answer}")
