"""The demo's terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from router.cli.screen import Screen
from router.simulate.report import HEAD


def test_results_go_to_one_console_and_progress_to_the_other() -> None:
    """Lines as they are, a table with all its cells, nothing of the bars left behind."""
    out, err = io.StringIO(), io.StringIO()
    screen = Screen(Console(file=out, width=60), Console(file=err, width=60))
    screen.say("a [bold]line[/bold] " + "x" * 80)
    with screen.progress(["one", "two"], 2) as advance:
        advance("one")
        advance("two")
    screen.table("Title", ("lane", "seconds"), [("one", "1.0 (0.9-1.1)"), ("two", "22.0 (9.0-30.0)")])
    lines = out.getvalue().splitlines()
    assert lines[0] == "a [bold]line[/bold] " + "x" * 80
    assert [line.split() for line in lines[1:]] == [
        ["Title"],
        ["lane", "seconds"],
        ["one", "1.0", "(0.9-1.1)"],
        ["two", "22.0", "(9.0-30.0)"],
    ]
    assert "Title" not in err.getvalue()


@pytest.mark.parametrize("width", [80, 100, 116, 160])
def test_no_number_is_cut_to_fit_the_screen(width: int) -> None:
    """From 80 columns on every interval of the demo's table is whole, under its number where it does not fit beside."""
    out = io.StringIO()
    row = (
        "static cascade, Nemotron then 397B",
        *("88.9 (85.2-91.7)", "0.00648 (0.00506-0.00812)", "0.01648", "21.6 (17.1-26.7)", "1.47", "12"),
    )
    Screen(Console(file=out, width=width), Console(file=io.StringIO())).table("360 agent steps", HEAD, [row])
    shown = out.getvalue()
    words = (word for cell in (*row, *HEAD) for word in cell.split())
    assert all(word in shown.split() for word in words), shown
    assert max(map(len, shown.splitlines())) <= width
