"""Ways to choose a model for each step, and the agent that works through its jobs with one of them.

Every lane gives the same steps the same retries and the same judge; only the choice of the model differs.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from httpx import HTTPError  # noqa: TID251 (what the openai SDK lets through where a stream breaks)
from openai import APIError, AsyncOpenAI

from router.simulate import tasks
from router.simulate.kinds import KEY, stock
from router.simulate.workload import Job

FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "order", "schema": tasks.ORDER_SCHEMA, "strict": True},
}


class Reply(msgspec.Struct, frozen=True):
    content: str
    calls: tuple[tuple[str, str, str], ...] = ()
    """(id, name, arguments as text)"""


class Lane(msgspec.Struct, frozen=True):
    """One way to choose. `pick(job, attempt)` names the model; without it the router chooses."""

    name: str
    title: str
    pick: Callable[[Job, int], str] | None = None


def fixed(name: str, title: str) -> Lane:
    return Lane(f"always-{name}", title, lambda job, attempt: name)


def cascade(cheap: str, strong: str, title: str) -> Lane:
    """The cheap model first, the strong one for every retry and for pictures."""

    def pick(job: Job, attempt: int) -> str:
        return strong if attempt > 1 or job.task.image else cheap

    return Lane("cascade", title, pick)


TURNOUT = Lane("turnout", "Turnout: auto")


class Agent:
    """Works through jobs in one lane. `clients` by model name, the router's under `auto`. `wrong` is told of each step
    whose answer the judge refuses, before it is asked for again."""

    def __init__(
        self, lane: Lane, clients: Mapping[str, AsyncOpenAI], wrong: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        self._lane, self._clients, self._wrong = lane, clients, wrong
        self.refused = 0
        """Requests that were answered with an error, or not to their end."""

    async def work(self, job: Job) -> bool:
        """Whether the job ended in the right answer."""
        messages = job.messages()
        if job.task.step_class == "tool_use":
            reply = await self._step(job, job.task.id, messages, lambda r: _right_calls(job, r))
            if reply is None or not _right_calls(job, reply):
                return False
            messages = [*messages, *_results(reply)]
            reply = await self._step(job, f"{job.task.id}+", messages, lambda r: tasks.correct(job.task, r.content))
        elif job.profile.verify == "format":
            reply = await self._step(job, job.task.id, messages, lambda r: _well_formed(r.content))
        else:
            reply = await self._step(job, job.task.id, messages, lambda r: tasks.correct(job.task, r.content))
        return reply is not None and tasks.correct(job.task, reply.content)

    async def _step(
        self, job: Job, step_id: str, messages: list[dict[str, Any]], accept: Callable[[Reply], bool]
    ) -> Reply | None:
        """Asks until the judge accepts or the retries are used up; the last answer, or None where there is none."""
        # A format check runs inside the router, which then needs no second request; a plain lane has to do it here.
        outside = job.profile.verify != "none" and not (job.profile.verify == "format" and self._lane.pick is None)
        reply = None
        for attempt in range(1, 2 + (job.profile.retries if outside else 0)):
            try:
                reply = await self._ask(job, step_id, messages, attempt)
            except (APIError, HTTPError):
                self.refused += 1  # the model cannot take the step, failed, or went: that attempt is gone
                continue
            if accept(reply):
                break
            if outside and self._wrong is not None:
                await self._wrong(step_id)
        return reply

    async def _ask(self, job: Job, step_id: str, messages: list[dict[str, Any]], attempt: int) -> Reply:
        model = self._lane.pick(job, attempt) if self._lane.pick else "auto"
        sent = body(job, messages, model, self._lane.name)
        if self._lane.pick is None:
            sent["extra_body"] = {"turnout": hints(job, step_id, attempt)}
        create = self._clients[model].chat.completions.create
        if not job.profile.stream:
            return _reply((await create(**sent)).choices[0].message)
        parts: list[str] = []
        async for chunk in await create(**sent, stream=True):
            if chunk.choices and (text := chunk.choices[0].delta.content):
                parts.append(text)
        return Reply("".join(parts))


def body(job: Job, messages: list[dict[str, Any]], model: str, lane: str) -> dict[str, Any]:
    """What every lane sends alike."""
    found: dict[str, Any] = {"model": model, "messages": messages, "user": lane}
    if job.task.step_class == "tool_use":
        found["tools"] = tasks.TOOLS
    if job.task.step_class == "structured":
        found["response_format"] = FORMAT
    return found


def hints(job: Job, step_id: str, attempt: int) -> dict[str, Any]:
    """What the agent tells the router of a step. Nothing that it would not know in earnest."""
    profile = job.profile
    said: dict[str, Any] = {
        "step": profile.step_class,
        "step_id": step_id,
        "run_id": job.run,
        "retries": profile.retries,
    }
    if profile.verify != "format":
        said |= {"verify": profile.verify, "attempt": attempt}
    if profile.accuracy is not None and attempt == 1:
        # Asked of all tries together; said again, it would be asked of what is left of them alone.
        said["accuracy"] = profile.accuracy
    if profile.output_tokens is not None:
        said["output_tokens"] = profile.output_tokens
    return said


def _reply(message: Any) -> Reply:
    calls = tuple((c.id, c.function.name, c.function.arguments) for c in message.tool_calls or ())
    return Reply(message.content or "", calls)


def _right_calls(job: Job, reply: Reply) -> bool:
    """Whether exactly the keys of the question are looked up."""
    return sorted(key for key in map(_key, reply.calls)) == sorted(set(KEY.findall(job.task.question)))


def _key(call: tuple[str, str, str]) -> str:
    try:
        arguments = json.loads(call[2])
    except ValueError:
        return ""
    return str(arguments.get("key")) if isinstance(arguments, dict) else ""


def _results(reply: Reply) -> list[dict[str, Any]]:
    """The assistant's turn and the tool's answers, as the next request carries them."""
    calls = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in reply.calls]
    answers = [
        {"role": "tool", "tool_call_id": c[0], "content": json.dumps({"key": _key(c), "stock": stock(_key(c))})}
        for c in reply.calls
    ]
    return [{"role": "assistant", "content": reply.content or None, "tool_calls": calls}, *answers]


def _well_formed(content: str) -> bool:
    """What a schema check sees of a structured answer."""
    try:
        order = json.loads(content)
    except ValueError:
        return False
    kinds = {"customer": str, "item": str, "quantity": int, "total_cents": int}
    return (
        isinstance(order, dict)
        and order.keys() == kinds.keys()
        and all(isinstance(order[k], t) for k, t in kinds.items())
    )
