"""The terminal of `turnout demo`: progress bars, the table of lanes, decisions."""

from __future__ import annotations

import contextlib
import textwrap
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
        widest = (max(map(len, column)) + 2 for column in zip(head, *rows, strict=True))
        tight = sum(widest) - 2 > self._out.width
        interval = "\n(" if tight else " ("  # under its number, or beside it
        cells = [[cell.replace(" (", interval) for cell in row] for row in rows]
        if tight:
            made.padding = (0, 1 if self._out.width <= show.NARROW else 2, 0, 0)
            head = [_folded(name, column) for name, column in zip(head, zip(*cells, strict=True), strict=True)]
        for i, name in enumerate(head):
            made.add_column(name, justify="right" if i else "left", no_wrap=i > 0 and self._out.width >= show.NARROW)
        for row in cells:
            made.add_row(*row)
        self._out.print(made)

    def decision(self, title: str, decision: Mapping[str, Any]) -> None:
        self._out.rule(title, align="left")
        show.decision(self._out, decision)


def _folded(name: str, column: Sequence[str]) -> str:
    """A column's title, broken so that it is no wider than what stands below it, words whole."""
    below = max((len(line) for cell in column for line in cell.splitlines()), default=0)
    return textwrap.fill(name, max(below, *map(len, name.split())), break_long_words=False)
