"""Says whether an answer is right: by a command of the user's, or by comparing it with what was expected."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from router.compare.sample import Task
from router.errors import ConfigError
from router.wire.answer import Answer

Judge = Callable[[Task, Answer], Awaitable[bool]]
Match = Literal["equals", "contains"]


class Command:
    """Runs a program for each answer, without a shell: exit status 0 means that the answer is right.

    It reads {id, class, request, answer, tool_calls, expected} as JSON on standard input; what it prints is thrown
    away. One that takes too long is ended, its children with it, and the answer counts as wrong.
    """

    def __init__(self, line: str, seconds: float) -> None:
        """Raises ConfigError where there is no such program, before anything is spent on answers."""
        try:
            self._words = shlex.split(line)
        except ValueError as error:
            raise ConfigError("--verify", None, f"{line!r} cannot be read as a command: {error}") from None
        if not self._words or shutil.which(self._words[0]) is None:
            raise ConfigError("--verify", None, f"{line!r} does not begin with a program that can be run")
        self._seconds = seconds
        self.late = 0
        """Verdicts that took too long."""

    async def __call__(self, task: Task, answer: Answer) -> bool:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # so that it can be ended with all that it started
            )
        except OSError as error:
            raise ConfigError("--verify", None, f"{self._words[0]} cannot be run: {error.strerror}") from None
        try:
            async with asyncio.timeout(self._seconds):
                await process.communicate(msgspec.json.encode(told(task, answer)))
        except TimeoutError:
            self.late += 1
            return False
        finally:
            _end(process.pid)
            await process.wait()
        return process.returncode == 0


def _end(group: int) -> None:
    """What the program left running, if anything."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def told(task: Task, answer: Answer) -> dict[str, Any]:
    """What a judge is told."""
    choice = answer.choices[0]
    return {
        "id": task.id,
        "class": task.step_class,
        "request": task.body,
        "answer": choice.content,
        "tool_calls": [{"name": call.name, "arguments": call.arguments} for call in choice.tool_calls],
        "expected": task.expected,
    }


def expecting(match: Match) -> Judge:
    """Compares the answer's text with `expected`, white space at the ends aside."""

    async def judge(task: Task, answer: Answer) -> bool:
        text, wanted = answer.choices[0].content.strip(), _text(task.expected).strip()
        return text == wanted if match == "equals" else wanted in text

    return judge


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
