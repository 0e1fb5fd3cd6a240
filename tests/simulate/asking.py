"""Asking simulated servers through the OpenAI SDK."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI

from router.catalog import Catalog
from router.simulate import tasks
from router.simulate.tasks import Task
from router.simulate.world import Step, World


def prompt(task: Task) -> list[dict[str, Any]]:
    text = f"Task {task.id}\n{task.question}"
    if task.image is None:
        return [{"role": "user", "content": text}]
    parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": task.image}}]
    return [{"role": "user", "content": parts}]


def find(catalog: Catalog, arm: str, step_class: str, *, right: bool = True, form: str | None = None) -> Task:
    """The first task of a class whose first attempt by the arm is right, or fails in that form, for seed 7."""
    truth = World(catalog, 7)
    for number in range(2_000):
        task = tasks.make(step_class, number, 7)
        step = Step(task.id, step_class)
        if truth.right(catalog.arm[arm], step, 1) == right and form in (None, truth.form(catalog.arm[arm], step, 1)):
            return task
    raise AssertionError("no such task")


async def ask(client: AsyncOpenAI, model: str, task: Task, **more: Any) -> Any:
    return await client.chat.completions.create(model=model, messages=prompt(task), **more)


async def ledger(client: AsyncOpenAI, **query: str) -> Any:
    found: Any = await client.get(str(client.base_url.join("/sim/ledger")), cast_to=object, options={"params": query})
    return found["lanes"]
