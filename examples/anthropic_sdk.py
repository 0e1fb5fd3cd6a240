"""Turnout with the Anthropic SDK: a message, a stream, and an agent that calls a tool.

Run `turnout serve` (or `make demo`) first. Set ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY where yours are others.
"""

from __future__ import annotations

import os

from anthropic import Anthropic
from anthropic.types import MessageParam, ToolParam

client = Anthropic(
    base_url=os.environ.get("ANTHROPIC_BASE_URL", "http://127.0.0.1:8080"),
    api_key=os.environ.get("ANTHROPIC_API_KEY", "unused"),
)
STOCK: ToolParam = {
    "name": "stock",
    "description": "How many of an item are in stock.",
    "input_schema": {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]},
}


def plain() -> None:
    """Hints go into the model's name, or into headers."""
    raw = client.messages.with_raw_response.create(
        model="auto?prefer=cost",
        max_tokens=2000,
        messages=[{"role": "user", "content": "Name three uses of a railway turnout."}],
    )
    print(f"{raw.headers['x-turnout-model']}  ${raw.headers['x-turnout-cost-usd']}")
    print("".join(block.text for block in raw.parse().content if block.type == "text"))


def streamed() -> None:
    with client.messages.stream(
        model="auto",
        max_tokens=2000,
        messages=[{"role": "user", "content": "Tell a story of two sentences."}],
        extra_headers={"x-turnout-prefer": "speed"},
    ) as stream:
        for text in stream.text_stream:
            print(text, end="", flush=True)
    print()


def agent() -> None:
    """Each round of the loop is a step that Turnout routes by itself."""
    talk: list[MessageParam] = [{"role": "user", "content": "How many bolts have we?"}]
    while True:
        answer = client.messages.create(
            model="auto?accuracy=0.8",
            max_tokens=2000,
            messages=talk,
            tools=[STOCK],
            extra_headers={"x-session-id": "s1"},
        )
        talk.append({"role": "assistant", "content": answer.content})
        calls = [block for block in answer.content if block.type == "tool_use"]
        if not calls:
            break
        print("calls", *(call.name for call in calls))
        talk.append(
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "40"} for call in calls],
            }
        )
    print("".join(block.text for block in answer.content if block.type == "text"))


if __name__ == "__main__":
    for part in (plain, streamed, agent):
        print(f"-- {part.__name__}")
        part()
