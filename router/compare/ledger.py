"""What was run so far: one line for each answer, kept beside the trace, so that a run that broke off goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from types import TracebackType
from typing import Self

import msgspec

from router.compare.sample import Task
from router.errors import ConfigError
from router.learning import features
from router.learning.trace import Step, Tried
from router.record import last_user_text

TEXT_BYTES = 2_048


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer of one arm to one task."""

    id: str
    digest: str
    arm: str
    attempt: int
    success: bool = False
    refused: str | None = None
    """Why the deployment would not take the request at all."""
    cost_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    latency_s: float = 0.0


Done = dict[tuple[str, str], dict[int, Entry]]
"""(task, arm) → attempt → entry."""
_ENTRY = msgspec.json.Decoder(Entry)
_ENCODER = msgspec.json.Encoder()


class Ledger:
    """The file, open for more. A last line that broke off is dropped."""

    def __init__(self, path: Path, tasks: Iterable[Task]) -> None:
        """Takes over what was run of these very tasks. Raises ConfigError where the file is none of ours."""
        self.done: Done = {}
        digests = {task.id: task.digest for task in tasks}
        try:
            self._file = path.open("a+b")
            self._file.seek(0)
            raw = self._file.read()
            whole = raw[: raw.rfind(b"\n") + 1]
            self._file.truncate(len(whole))
        except OSError as error:
            raise ConfigError(str(path), None, error.strerror or "cannot be written") from None
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = _ENTRY.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self._file.close()
                raise ConfigError(str(path), number, f"{error}; delete the file to begin anew") from None
            if digests.get(entry.id) == entry.digest:
                self._note(entry)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def _note(self, entry: Entry) -> None:
        self.done.setdefault((entry.id, entry.arm), {})[entry.attempt] = entry

    def add(self, entry: Entry) -> None:
        self._note(entry)
        self._file.write(_ENCODER.encode(entry) + b"\n")
        self._file.flush()

    def has(self, task: Task, arm: str, attempt: int) -> bool:
        """Whether there is nothing left to run: it was, or the deployment refuses the request."""
        entries = self.done.get((task.id, arm), {})
        return attempt in entries or any(e.refused is not None for e in entries.values())


def steps(tasks: Sequence[Task], arms: Sequence[str], attempts: int, done: Done, *, text: bool) -> list[Step]:
    """The trace, of the tasks that every arm is through with: a half-run task would favour the arms that ran.

    An arm whose deployment refused a task is missing there. `text`: whether the last user message goes into the trace.
    """
    found = []
    for task in tasks:
        entries = {arm: done.get((task.id, arm), {}) for arm in arms}
        tried: dict[str, list[Entry]] = {}
        for arm, own in entries.items():
            if any(e.refused is not None for e in own.values()):
                continue
            if not all(n in own for n in range(attempts)):
                break
            tried[arm] = [own[n] for n in range(attempts)]
        else:
            if tried:
                found.append(_step(task, tried, text))
    return found


def _step(task: Task, tried: dict[str, list[Entry]], text: bool) -> Step:
    every = [e for own in tried.values() for e in own]
    return Step(
        step_id=task.id,
        input_tokens=max(e.input_tokens for e in every),
        arms={arm: _tried(own) for arm, own in tried.items()},
        run_id=task.run_id,
        step_class=task.step_class,
        text=last_user_text(task.request, TEXT_BYTES) if text else None,
        features=features.told(task.facts),
        accuracy=task.hints.accuracy,
        retries=task.hints.retries,
    )


def _tried(own: list[Entry]) -> Tried:
    """Cost, tokens and time are means over the attempts."""
    return Tried(
        success=own[0].success,
        cost_usd=fmean(e.cost_usd for e in own),
        output_tokens=round(fmean(e.output_tokens for e in own)),
        latency_s=round(fmean(e.latency_s for e in own), 6),
        attempts=tuple(e.success for e in own) if len(own) > 1 else (),
        reasoning_tokens=round(fmean(e.reasoning_tokens for e in own)),
    )
