"""Turnout with instructor: a typed answer, by a tool call and then by a JSON schema, each checked before you see it.

Run `turnout serve` (or `make demo`) first. Set OPENAI_BASE_URL and OPENAI_API_KEY where they differ from those below.
"""

from __future__ import annotations

import os
from uuid import uuid4

import instructor
from openai import OpenAI
from pydantic import BaseModel

RUN = f"orders-{uuid4().hex}"


class Order(BaseModel):
    customer: str
    quantity: int


client = OpenAI(
    base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
    api_key=os.environ.get("OPENAI_API_KEY", "unused"),
    default_headers={"x-turnout-run-id": RUN},  # steps of one run share its caches and budgets
)

if __name__ == "__main__":
    for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
        order = instructor.from_openai(client, mode=mode).chat.completions.create(
            model="auto?step=structured&accuracy=0.8&retries=2",
            messages=[{"role": "user", "content": "Extract the order: 'Ms. Ito wants forty bolts.'"}],
            response_model=Order,
        )
        print(f"run {RUN}: {order!r}")
