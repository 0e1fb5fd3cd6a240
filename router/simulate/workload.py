"""Agent traffic for the demo: which steps an agent takes, how often each may be tried, and who judges it."""

from __future__ import annotations

from random import Random
from typing import Any, Literal, NamedTuple

import msgspec

from router.simulate import tasks
from router.simulate.kinds import depot_log
from router.simulate.tasks import Task

RUN_LENGTH = 6
"""Steps of one agent run, taken one after another."""
CONTEXT = (
    "You are one step of an agent that keeps the books of a parts depot. Earlier steps read the shift reports and "
    "agreed on the plan; their notes follow, oldest first.\n"
)
NOTE = "- read a report, compared its totals with the ledger, found them equal, and marked the report as done\n"


class Profile(NamedTuple):
    """A sort of step that agents take."""

    step_class: str
    share: int
    """Parts of all steps."""
    retries: int
    verify: Literal["caller", "format", "none"]
    """Who says that an answer has to be tried again: the caller's own test, a format check, nobody."""
    accuracy: float | None = None
    """Probability of success that the agent asks for, all its tries together."""
    stream: bool = False
    context_bytes: int = 6_000
    output_tokens: int | None = None
    """What the agent expects, where it knows."""


PROFILES = (
    Profile("code", 20, 2, "caller", accuracy=0.88, context_bytes=16_000),
    Profile("tool_use", 20, 1, "caller", accuracy=0.95),
    Profile("structured", 12, 1, "format"),
    Profile("reasoning", 8, 1, "caller", accuracy=0.90),
    Profile("reasoning", 7, 0, "none", accuracy=0.85),
    Profile("code", 5, 0, "none", accuracy=0.75, context_bytes=16_000),
    Profile("vision", 8, 1, "caller", accuracy=0.85),
    Profile("long_output", 8, 1, "caller", accuracy=0.70, stream=True, output_tokens=15_000),
    Profile("multilingual", 5, 1, "caller", accuracy=0.80),
    Profile("chat", 6, 0, "none", stream=True),
    Profile("long_context", 1, 1, "caller", accuracy=0.85, context_bytes=1_250_000),
)
"""The demo's mix. A reasoning or code step without a retry is high-stakes: it has one shot."""


class Job(msgspec.Struct, frozen=True):
    """One task of a run, with the terms on which it is done: the same in every lane."""

    task: Task
    run: str
    profile: Profile

    def messages(self) -> list[dict[str, Any]]:
        """The prompt. Nothing in it depends on the lane."""
        return [
            {"role": "system", "content": _context(self.profile)},
            {"role": "user", "content": _question(self.task)},
        ]


def _context(profile: Profile) -> str:
    if profile.step_class == "long_context":
        return CONTEXT + depot_log(profile.context_bytes)
    return CONTEXT + NOTE * (profile.context_bytes // len(NOTE))


def _question(task: Task) -> str | list[dict[str, Any]]:
    ending = "" if task.step_class == "structured" else "\nEnd with one line `ANSWER: ` and the answer alone."
    text = f"Task {task.id}\n{task.question}{ending}"
    if task.image is None:
        return text
    return [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": task.image}}]


def jobs(count: int, seed: int, *, first: int = 0) -> list[Job]:
    """`count` jobs in runs of RUN_LENGTH, in the profiles' shares, shuffled by `seed`, numbered from `first`."""
    total = sum(p.share for p in PROFILES)
    marks = [(i + 0.5) / p.share * total for p in PROFILES for i in range(p.share)]
    order = [
        p for _, _, p in sorted(zip(marks, range(total), [p for p in PROFILES for _ in range(p.share)], strict=True))
    ]
    chosen = [order[i % total] for i in range(count)]
    Random(seed).shuffle(chosen)
    return [
        Job(tasks.make(profile.step_class, number, seed), f"run-{seed}-{number // RUN_LENGTH:03d}", profile)
        for number, profile in enumerate(chosen, first)
    ]
