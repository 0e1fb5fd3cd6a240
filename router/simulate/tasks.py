"""Tasks whose answer follows from the prompt alone, so that anybody can check it: what agents ask and models solve.

A kind's `solve` reads only the question's text (and pictures and tool results), as a model would; a task's answer is
what `solve` says, so asking and checking cannot disagree.
"""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

import msgspec

from router.simulate import png
from router.simulate.draws import uniform
from router.simulate.kinds import KEY, KINDS, NUMBER, Seen, stock

HEADER = re.compile(r"^Task ([a-z][a-z0-9_]{0,40})-([0-9]{1,9})$", re.MULTILINE)
"""The line that names a task; what follows it is the question."""
ANSWER = re.compile(r"^ANSWER:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
TOOL = "lookup"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": TOOL,
            "description": "Number of parts in stock for a key such as KX-042.",
            "parameters": {
                "type": "object",
                "properties": {"key": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}},
                "required": ["key"],
                "additionalProperties": False,
            },
        },
    }
]
ORDER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "customer": {"type": "string"},
        "item": {"type": "string"},
        "quantity": {"type": "integer"},
        "total_cents": {"type": "integer"},
    },
    "required": ["customer", "item", "quantity", "total_cents"],
    "additionalProperties": False,
}


class Task(msgspec.Struct, frozen=True):
    id: str
    step_class: str
    question: str
    image: str | None = None
    """A data URL."""
    seen: Seen = Seen()

    @property
    def answer(self) -> str:
        """The right answer. For `tool_use`: once `results` are known."""
        return solve(self.step_class, self.question, self.seen)


def make(step_class: str, number: int, seed: int) -> Task:
    """Task `number` of a class. Raises KeyError for an unknown class."""
    rng = Random(f"{seed}:{step_class}:{number}")
    question = KINDS[step_class].pose(rng)
    if step_class == "vision":
        image = png.as_url(png.paint(rng.choice(sorted(png.COLOURS)), rng.randint(16, 96), rng.randint(16, 96)))
        return Task(f"{step_class}-{number:04d}", step_class, question, image, Seen((image,)))
    if step_class == "tool_use":
        return Task(
            f"{step_class}-{number:04d}",
            step_class,
            question,
            seen=Seen(results={k: stock(k) for k in KEY.findall(question)}),
        )
    return Task(f"{step_class}-{number:04d}", step_class, question)


def solve(step_class: str, question: str, seen: Seen) -> str:
    """The right answer. Raises ValueError where it does not follow from what is given."""
    kind = KINDS.get(step_class)
    if kind is None:
        raise ValueError(f"no such kind of task: {step_class}")
    return kind.solve(question, seen)


def mistake(answer: str, *key: object) -> str:
    """A wrong answer that looks like the right one: its last number is off a little and as long as before."""
    numbers = list(NUMBER.finditer(answer))
    if not numbers:
        return "none of these"
    last = numbers[-1]
    off = 1 + int(uniform("mistake", *key) * 9)
    width = len(last[0])
    text = str(int(last[0]) + off).zfill(width)
    if len(text) > width:
        text = str(int(last[0]) - off).zfill(width)
    return answer[: last.start()] + text + answer[last.end() :]


def correct(task: Task, content: str | None) -> bool:
    """Whether `content` ends in the task's answer. Judges nothing else."""
    if task.step_class == "structured":
        try:
            return bool(json.loads(content or "") == json.loads(task.answer))
        except ValueError:
            return False
    found = ANSWER.findall(content or "")
    return bool(found) and found[-1] == task.answer
