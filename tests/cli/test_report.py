"""`turnout report`."""

from __future__ import annotations

from pathlib import Path

from router.journal import export
from tests.cli.conftest import Command
from tests.learning.test_page import STEPS


def test_a_page_is_written(command: Command, tmp_path: Path) -> None:
    """Whole, from an export; a folder that is not there is named."""
    lines, out = tmp_path / "steps.jsonl", tmp_path / "out.html"
    export.jsonl(iter(STEPS), lines)
    done = command("report", "--journal", str(lines), "--output", str(out))
    assert done.status == 0 and str(out) in done.out
    assert out.read_text().startswith("<!doctype html>") and "</html>" in out.read_text()
    done = command("report", "--output", "/nowhere/out.html")
    assert done.status == 2 and "no such folder" in done.err
