"""A trace: steps whose outcome is known for every model that could have taken them, one JSON object a line."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated

import msgspec
from msgspec import Meta

from router.errors import ConfigError

MAX_LINE = 4_000_000
"""Bytes of one line."""
MAX_STEPS = 1_000_000
MAX_ARMS = 64
"""In the whole trace."""

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)] | Annotated[float, Meta(ge=0, le=1e9)]
"""Tokens; data frames write whole numbers as 150.0."""
Money = Annotated[float, Meta(ge=0, le=1e6)]
Seconds = Annotated[float, Meta(ge=0, le=1e7)]
Feature = bool | int | float | Annotated[str, Meta(max_length=256)]


class Tried(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of one arm at one step."""

    success: bool
    cost_usd: Money
    """Of one attempt."""
    output_tokens: Count = 0
    """Of one attempt, reasoning included."""
    latency_s: Seconds = 0.0
    """Of one attempt."""
    attempts: Annotated[tuple[bool, ...], Meta(max_length=32)] = ()
    """Outcomes of its first, second, ... attempt where there were several; the first then stands for `success`."""
    reasoning_tokens: Count = 0
    """Among the output tokens."""

    def right(self, number: int) -> bool:
        """Whether attempt `number`, from 0, succeeded. Beyond what was recorded, the last outcome is repeated."""
        return self.attempts[min(number, len(self.attempts) - 1)] if self.attempts else self.success


class Step(msgspec.Struct, frozen=True, omit_defaults=True, rename={"step_class": "class"}):
    """One step and what each arm made of it."""

    step_id: Name
    input_tokens: Count
    arms: Annotated[dict[Name, Tried], Meta(min_length=1, max_length=MAX_ARMS)]
    """Arm or model → outcome. An arm that is missing could not take the step."""
    run_id: Name | None = None
    step_class: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,63}\Z")] | None = None
    text: Annotated[str, Meta(max_length=1_000_000)] | None = None
    features: Annotated[dict[str, Feature], Meta(max_length=64)] = {}
    """Step facts by name; those that the planner does not know are ignored."""
    accuracy: Annotated[float, Meta(gt=0, lt=1)] | None = None
    """Required P(success), where the step has a wish of its own."""
    retries: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    """Further attempts allowed, likewise."""


_STEP = msgspec.json.Decoder(Step)
_ENCODER = msgspec.json.Encoder()


def read(path: Path) -> list[Step]:
    """All steps. Raises ConfigError with file, line and reason for the first line that is wrong."""
    steps: list[Step] = []
    lines: dict[str, int] = {}
    arms: set[str] = set()
    for number, line in numbered(path):
        if len(steps) == MAX_STEPS:
            raise ConfigError(str(path), number, f"a trace has at most {MAX_STEPS:,} steps")
        step: Step = decode(_STEP, line, path, number)
        if step.step_id in lines:
            raise ConfigError(str(path), number, f"step_id {step.step_id!r} stands in line {lines[step.step_id]} too")
        lines[step.step_id] = number
        arms |= step.arms.keys()
        if len(arms) > MAX_ARMS:
            raise ConfigError(str(path), number, f"names arm number {MAX_ARMS + 1}; a trace has at most {MAX_ARMS}")
        steps.append(step)
    if not steps:
        raise ConfigError(str(path), None, "holds no steps")
    return steps


def numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers from 1. Raises ConfigError: unreadable, or too long a line."""
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    raise ConfigError(str(path), number, f"a line has at most {MAX_LINE:,} bytes")
                if not line.isspace():
                    yield number, line
    except OSError as error:
        raise ConfigError(str(path), None, error.strerror or "cannot be read") from None


def decode(decoder: msgspec.json.Decoder[Step], line: bytes, path: Path, number: int) -> Step:
    """The line as the decoder's type. Raises ConfigError."""
    try:
        return decoder.decode(line)
    except msgspec.DecodeError as error:
        raise ConfigError(str(path), number, str(error)) from None
    except UnicodeDecodeError:
        raise ConfigError(str(path), number, "is not UTF-8") from None
    except RecursionError:
        raise ConfigError(str(path), number, "is nested too deeply") from None


def write(path: Path, steps: Iterable[Step]) -> int:
    """Writes the trace whole or not at all, and returns its number of steps. Raises ConfigError."""
    return replaced(path, (_ENCODER.encode(step) + b"\n" for step in steps))


def replaced(path: Path, pieces: Iterable[bytes]) -> int:
    """Puts a file of `pieces` in the place of `path`, and returns their number. Raises ConfigError."""
    count = 0
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with ExitStack() as undone:
            undone.callback(os.unlink, name)
            with os.fdopen(descriptor, "wb") as file:
                count = _poured(file, pieces)
            os.chmod(name, 0o644)
            os.replace(name, path)
            undone.pop_all()
    except OSError as error:
        raise ConfigError(str(path), None, error.strerror or "cannot be written") from None
    return count


def _poured(file: IO[bytes], pieces: Iterable[bytes]) -> int:
    count = 0
    for piece in pieces:
        file.write(piece)
        count += 1
    return count
