"""Turnout with the OpenAI SDK: plain, streamed, structured, and a step that is told to be wrong and escalates.

Run `turnout serve` (or `make demo`) first. Set OPENAI_BASE_URL and OPENAI_API_KEY where they differ from those below.
"""

from __future__ import annotations

import os
from uuid import uuid4

from openai import OpenAI
from pydantic import BaseModel

client = OpenAI(
    base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "unused"),
)


class Order(BaseModel):
    customer: str
    quantity: int


def plain() -> None:
    """Which model answered, and what it cost, is in the response's headers."""
    raw = client.chat.completions.with_raw_response.create(
        model="auto",
        messages=[{"role": "user", "content": "Name three uses of a railway turnout."}],
        extra_body={"turnout": {"prefer": "cost"}},
    )
    answer = raw.parse()
    print(f"{raw.headers['x-turnout-model']}  ${raw.headers['x-turnout-cost-usd']}")
    print(answer.choices[0].message.content)


def streamed() -> None:
    """Hints fit into the model's name, which every framework lets through."""
    stream = client.chat.completions.create(
        model="auto?prefer=speed&output_tokens=300",
        messages=[{"role": "user", "content": "Tell a story of two sentences."}],
        stream=True,
    )
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


def structured() -> None:
    """An answer that breaks the schema is rejected and tried again, here up to twice, before you see it."""
    answer = client.chat.completions.parse(
        model="auto?retries=2&verify=schema",
        messages=[{"role": "user", "content": "Extract the order: 'Ms. Ito wants forty bolts.'"}],
        response_format=Order,
    )
    print(answer.choices[0].message.parsed)


def escalated() -> None:
    """You judge: the same step_id sent again says that the last answer was wrong, and the router plans from there."""
    step = {"step": "code", "step_id": f"fix-{uuid4().hex}", "verify": "caller", "accuracy": 0.85, "retries": 1}
    for attempt in (1, 2):
        raw = client.chat.completions.with_raw_response.create(
            model="auto",
            messages=[{"role": "user", "content": "Fix: def add(a, b): return a - b"}],
            extra_body={"turnout": step},
        )
        print(f"attempt {attempt}: {raw.headers['x-turnout-model']}")


if __name__ == "__main__":
    for example in (plain, streamed, structured, escalated):
        print(f"-- {example.__name__}")
        example()
