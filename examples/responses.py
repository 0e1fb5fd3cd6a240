"""Turnout by OpenAI's Responses API: an agent with one tool, the conversation kept by the server.

Run `turnout serve` (or `make demo`) first. Set OPENAI_BASE_URL and OPENAI_API_KEY where they differ from those below.
"""

from __future__ import annotations

import json
import os
from typing import Any

from openai import OpenAI

MODEL = "auto?step=tool_use&accuracy=0.8"
STOCK: dict[str, Any] = {
    "type": "function",
    "name": "stock",
    "description": "How many of an item are in stock.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"item": {"type": "string"}},
        "required": ["item"],
        "additionalProperties": False,
    },
}


def stock(item: str) -> int:
    return {"bolts": 40, "nuts": 12}.get(item, 0)


def main() -> None:
    client = OpenAI(
        base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
        api_key=os.environ.get("OPENAI_API_KEY", "unused"),
    )
    create: Any = client.responses.create
    response = create(model=MODEL, input="How many bolts have we?", tools=[STOCK])
    steps = 1
    while calls := [item for item in response.output if item.type == "function_call"]:
        # Only what is new is sent. Steps that follow each other are one run: a warm prompt cache counts.
        outputs = [
            {"type": "function_call_output", "call_id": c.call_id, "output": str(stock(**json.loads(c.arguments)))}
            for c in calls
        ]
        response = create(model=MODEL, input=outputs, previous_response_id=response.id, tools=[STOCK])
        steps += 1
    print(f"{steps} steps: {response.output_text}")


if __name__ == "__main__":
    main()
