"""The terminal of `turnout demo`: progress bars, the table of lanes, decisions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from router.cli import show


class Screen:
    """Results go to `out`, what is only for the eye to `err`."""

    def __init__(self, out: Console, err: Console) -> None:
        self._out, self._err = out, err

    def say(self, text: str, *, quietly: bool = False) -> None:
        style = "dim" if quietly else None
        self._out.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def progress(self, titles: Sequence[str], total: int) -> Iterator[Callable[[str], None]]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._err, transient=True) as bars:
            tasks = {title: bars.add_task(title, total=total) for title in titles}
            yield lambda title: bars.advance(tasks[title])

    def table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        made = Table(
            title=title, title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False
        )
        for i, name in enumerate(head):
            made.add_column(name, justify="right" if i else "left", no_wrap=i > 0 and self._out.width >= show.NARROW)
        widest = (max(map(len, column)) + 2 for column in zip(head, *rows, strict=True))
        interval = " (" if sum(widest) - 2 <= self._out.width else "\n("  # beside its number, or under it
        for row in rows:
            made.add_row(*(cell.replace(" (", interval) for cell in row))
        self._out.print(made)

    def decision(self, title: str, decision: Mapping[str, Any]) -> None:
        self._out.rule(title, align="left")
        show.decision(self._out, decision)
