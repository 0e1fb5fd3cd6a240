"""The second act: before and after learning, and the plans that changed."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest

from router.simulate import second
from router.simulate.children import SecondOrders, as_yaml
from tests.simulate.conftest import CATALOG
from tests.simulate.test_practice import MODELS, POLICY


def test_an_act_has_two_rows_and_says_which_plans_changed() -> None:
    """Each change with what is believed of the plan before, then and now, and of the plan now."""
    act = second.acted(MODELS, POLICY, 7, 300, 60)
    assert act.steps == 60 and [row.title for row in act.rows] == [
        "Turnout, as it comes",
        "Turnout, after 300 outcomes",
    ]
    assert act.changes and all(len(row) == len(second.HEAD) for row in act.changes)
    for _, before, then, _now, after, told in act.changes:
        assert before != after
        assert all(0.0 < float(cell.split(",")[0]) < 1.0 for cell in (then, told))
    assert any(row[0].startswith("vision, 1 retries, P >= 0.85") for row in act.changes)


def test_the_process_writes_its_result_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is told comes in one line; the file is there once all of it is."""

    folder = tmp_path
    (folder / "models.yaml").write_bytes(as_yaml(MODELS))
    result = folder / "act.json"
    paths = (str(folder / "models.yaml"), str(CATALOG.parent / "default.yaml"))
    orders = SecondOrders(*paths, 7, 20, 12, str(result))
    line = io.TextIOWrapper(io.BytesIO(msgspec.json.encode(orders) + b"\n"))
    monkeypatch.setattr("sys.stdin", line)
    second.main()
    assert msgspec.json.decode(result.read_bytes(), type=second.Act).steps == 12
    assert [p.name for p in folder.iterdir() if p.suffix == ".part"] == []
