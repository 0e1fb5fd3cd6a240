"""The numbers side by side."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from router.learning import baselines, report, trace
from router.learning.replay import Way, replay
from router.learning.walk import Judge
from tests.learning.made import policy, shipped, step, tried, world

DOCS = Path(__file__).parents[2] / "docs" / "replay.md"


def test_numbers_are_those_of_the_trace() -> None:
    """Always one model: exact success, cost per success, time, cost and attempts."""
    arms = {"a": tried(True, 1.0, latency_s=2.0), "b": tried(False, 3.0, latency_s=4.0)}
    steps = [step(i, arms, run_id=f"r{i // 2}") for i in range(4)]
    made = report.report(steps, baselines.all_of(steps, [Judge()]), Way())
    assert (made.steps, made.units, made.arms) == (4, 2, ("a", "b"))
    found = {row.name: row for row in made.results}
    row = found["always a"]
    assert (row.success.value, row.success.low, row.success.high) == (1.0, 1.0, 1.0)
    assert (row.cost_per_success.value, row.seconds.value, row.cost_usd, row.attempts) == (1.0, 2.0, 1.0, 1.0)
    assert (row.refused, row.accuracy_unmet, row.first) == (0.0, 0.0, {"a": 1.0})
    assert found["always b"].cost_per_success.value is None
    assert found["random"].first == {"a": 0.5, "b": 0.5}


def made_json(seeds: int) -> bytes:
    steps = world(60)
    way = Way(learn="chosen", t=0.9, f=0.1, seeds=seeds)
    tallies = [replay(steps, policy(), shipped(), way), *baselines.all_of(steps, [Judge(0.9, 0.1, 0)])]
    return report.report(steps, tallies, way).json()


def test_the_same_trace_gives_the_same_json() -> None:
    """Byte for byte; and no number in it is infinite."""
    one = made_json(2)
    assert one == made_json(2)
    assert all(math.isfinite(x) for x in numbers(json.loads(one)))


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [x for v in value.values() for x in numbers(v)]
    if isinstance(value, list):
        return [x for v in value for x in numbers(v)]
    return [value] if isinstance(value, int | float) else []


def test_the_documented_example_is_true(tmp_path: Path) -> None:
    """The trace on the page, replayed as the page says, gives the result on the page."""
    text = DOCS.read_text()
    (lines,) = re.findall(r"```jsonl\n(.*?)```", text, re.DOTALL)
    (result,) = re.findall(r"```json\n(\{\n.*?)```", text, re.DOTALL)
    path = tmp_path / "trace.jsonl"
    path.write_text(lines)
    steps = trace.read(path)
    tallies = baselines.all_of(steps, [Judge()])
    made = json.loads(report.report(steps, tallies, Way()).json())
    shown = json.loads(result)
    assert {k: v for k, v in made.items() if k != "results"} == {k: v for k, v in shown.items() if k != "results"}
    assert shown["results"] == [row for row in made["results"] if row["name"] in {r["name"] for r in shown["results"]}]
