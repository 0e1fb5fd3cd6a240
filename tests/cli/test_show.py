"""Tables: names whole where nobody looks at a screen, diffs that `patch` takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.clients.running import POLICIES


@pytest.mark.parametrize("columns", ["40", "80"])
def test_names_stay_whole_where_nobody_looks_at_a_screen(command: Command, written: Path, columns: str) -> None:
    """In a pipe each plan is one line that can be searched for."""
    said = command("explain", "Fix it", "--hint", "step=code", "--policies", str(written), COLUMNS=columns).out
    assert "nemotron-3-super/low then nemotron-3-super/low" in said


def test_models_and_prices(command: Command, written: Path, tmp_path: Path) -> None:
    """What is served at which price; changed prices as a diff of the file that `patch` takes."""
    listed = command("models", "list", "--catalog", str(written / "models.yaml")).out
    assert "nemotron-3-super" in listed and "Apache-2.0" in listed and "none needed" in listed
    assert "NEBIUS_API_KEY MISSING" in command("models", "list", "--catalog", str(POLICIES / "models.yaml")).out
    path = tmp_path / "shipped.yaml"
    text = (POLICIES / "models.yaml").read_text()
    assert command("models", "prices", "--catalog", str(POLICIES / "models.yaml")).out.endswith("Nothing to change.\n")
    path.write_text(text.replace("prices: {input: 0.29", "prices: {input: 0.31", 1))
    said = command("models", "prices", "--catalog", str(path)).out
    diff = said[said.index("--- ") :].splitlines()
    assert diff[0] == f"--- {path}"
    assert [line[1:].strip() for line in diff if line.startswith("+ ")] == [
        line.strip() for line in text.splitlines() if "prices: {input: 0.29" in line
    ]
