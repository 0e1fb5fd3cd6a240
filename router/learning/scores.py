"""What was predicted for each arm of each step before its outcome was seen, as CSV."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import Self

from router.errors import ConfigError
from router.learning.walk import Seen

HEAD = ("step_id", "arm", "p_success", "out_q50", "out_q90", "chosen", "success", "output_tokens")


class Scores:
    """Writes a row for each step and arm; predictions are empty where a gate was closed on the arm."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError where `path` cannot be written."""
        try:
            self._file = path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise ConfigError(str(path), None, error.strerror or "cannot be written") from None
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(HEAD)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, seen: Seen) -> None:
        """`chosen` is 1 for the arms that were tried; `success` is that of an arm's first attempt."""
        tried = {made.arm for made in seen.walked.attempts}
        for name, came in seen.step.arms.items():
            offered = seen.decision.options.get(seen.names[name]) if seen.decision is not None else None
            said = (
                (f"{offered[0].p:.6f}", f"{offered[0].output_q50:.1f}", f"{offered[0].output_q90:.1f}")
                if offered
                else ("", "", "")
            )
            row = (seen.step.step_id, name, *said, int(name in tried), int(came.right(0)), came.output_tokens)
            self._rows.writerow(row)
