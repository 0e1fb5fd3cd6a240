"""The predictions as CSV."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from router.errors import ConfigError
from router.learning.replay import Way, replay
from router.learning.scores import Scores
from tests.learning.made import policy, shipped, step, tried

N, Q = "nemotron-3-super/off", "qwen3.5-122b/off"


def test_a_row_for_each_step_and_arm(tmp_path: Path) -> None:
    """What was predicted before, what came after; empty where the arm could not take the step at all."""
    arms = {N: tried(False, 1.0, output_tokens=70, attempts=(False, True)), Q: tried(True, 2.0, output_tokens=90)}
    steps = [step(0, arms, step_class="code"), step(1, arms, step_class="code", features={"images": 1})]
    path = tmp_path / "scores.csv"
    with Scores(path) as scores:
        replay(steps, policy(), shipped(), Way(learn="off"), [scores.add])
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [(r["step_id"], r["arm"]) for r in rows] == [("s0", N), ("s0", Q), ("s1", N), ("s1", Q)]
    assert [r["success"] for r in rows] == ["0", "1", "0", "1"]
    assert [r["output_tokens"] for r in rows] == ["70", "90", "70", "90"]
    assert rows[2]["p_success"] == rows[2]["out_q50"] == rows[2]["out_q90"] == "" and rows[2]["chosen"] == "0"
    assert rows[3]["chosen"] == "1"
    for row in (rows[0], rows[1], rows[3]):
        assert 0 < float(row["p_success"]) < 1 and 0 < float(row["out_q50"]) < float(row["out_q90"])
    assert "chosen" in rows[0] and {rows[0]["chosen"], rows[1]["chosen"]} >= {"1"}


def test_a_path_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Before anything is replayed."""
    with pytest.raises(ConfigError, match="No such file"):
        Scores(tmp_path / "none" / "scores.csv")
