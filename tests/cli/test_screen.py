"""The demo's terminal."""

from __future__ import annotations

import io

from rich.console import Console

from router.cli.screen import Screen


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
