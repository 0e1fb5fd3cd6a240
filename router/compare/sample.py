"""A user's sample: chat bodies, one a line, each with what is known of the right answer."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from router import step
from router.errors import BadRequest, ConfigError
from router.hints import Hints
from router.learning.trace import numbered
from router.step import Facts, StepRequest
from router.wire import ask, chat
from router.wire import body as wire_body

MAX_TASKS = 100_000
NOT_SENT = ("id", "run_id", "class", "expected")
"""Members of a line that are the sample's own, not the body's."""
NOT_STREAMED = ("stream", "stream_options")
"""An answer is judged and timed as a whole, so none is streamed."""


class Own(msgspec.Struct, frozen=True, rename={"step_class": "class"}):
    """What a line says beside the body."""

    id: str | int | None = None
    run_id: str | int | None = None
    step_class: str | None = None
    expected: Any = None


class Task(msgspec.Struct, frozen=True):
    id: str
    run_id: str | None
    step_class: str | None
    expected: Any
    request: StepRequest
    body: msgspec.Raw
    """The chat body as it will be sent, but for model and thinking."""
    facts: Facts
    hints: Hints
    digest: str
    """Of body and expectation: with either changed, it is another task."""


_OWN = msgspec.json.Decoder(Own)
_ENCODER = msgspec.json.Encoder()


def read(path: Path, *, expected: bool = False) -> list[Task]:
    """All tasks; `expected`: each must say what is expected. Raises ConfigError with file, line and reason."""
    tasks: list[Task] = []
    lines: dict[str, int] = {}
    for number, line in numbered(path):
        try:
            task = _task(line, number)
        except BadRequest as error:
            raise ConfigError(str(path), number, error.message) from None
        except msgspec.DecodeError as error:
            raise ConfigError(str(path), number, str(error)) from None
        if expected and task.expected is None:
            raise ConfigError(str(path), number, "lacks `expected`, which the answer is to be compared with")
        if task.id in lines:
            raise ConfigError(str(path), number, f"id {task.id!r} stands in line {lines[task.id]} too")
        lines[task.id] = number
        tasks.append(task)
        if len(tasks) > MAX_TASKS:
            raise ConfigError(str(path), number, f"a sample has at most {MAX_TASKS:,} lines")
    if not tasks:
        raise ConfigError(str(path), None, "holds no chat bodies")
    return tasks


def _task(line: bytes, number: int) -> Task:
    fields: dict[str, Any] = dict(wire_body.read(line))
    own: Own = _OWN.decode(_ENCODER.encode({k: fields.pop(k) for k in NOT_SENT if k in fields}))
    for name in NOT_STREAMED:
        fields.pop(name, None)
    body = _ENCODER.encode({"model": "auto", **fields})
    request = chat.parse(body)
    _, hints = ask.read(request, {})
    run_id = hints.run_id if own.run_id is None else str(own.run_id)
    return Task(
        id=str(own.id) if own.id is not None else hints.step_id or f"line-{number}",
        run_id=run_id,
        step_class=own.step_class or hints.step,
        expected=own.expected,
        request=request,
        body=msgspec.Raw(body),
        facts=step.facts(request),
        hints=hints,
        digest=hashlib.sha256(body + b"\n" + _ENCODER.encode(own.expected)).hexdigest()[:16],
    )
