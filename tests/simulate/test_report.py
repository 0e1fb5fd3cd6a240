"""The demo's numbers: sums from the ledger, intervals, the table."""

from __future__ import annotations

import math

import pytest

from router.catalog import Catalog
from router.simulate import report
from router.simulate.report import Done
from router.simulate.server import simulated
from tests.simulate.conftest import NEMOTRON, QWEN


def test_a_job_pays_for_all_attempts_of_all_its_steps(catalog: Catalog) -> None:
    """Costs at the prices of what ran, seconds and answers summed; a fault is no answer, nothing run is zero."""
    scene = simulated(catalog, {NEMOTRON: "http://127.0.0.1:9/v1", QWEN: "http://127.0.0.1:8/v1"})

    def entry(model: str, **more: object) -> dict[str, object]:
        return {"arm": f"{model}/on", "prompt_tokens": 1_000_000, "output_tokens": 500_000, "seconds": 2.0, **more}

    entries = {
        "tool_use-0001": [entry(NEMOTRON, attempt=1), entry(QWEN, attempt=1)],
        "tool_use-0001+1": [entry(NEMOTRON, attempt=1)],
        "code-0002": [{"arm": f"{QWEN}/on", "attempt": 0, "prompt_tokens": 0, "output_tokens": 0, "seconds": 0.0}],
    }
    done = report.account(entries, {"tool_use-0001": True, "code-0002": False, "vision-0003": False}, scene)
    assert done[0].cost == pytest.approx(2 * (0.085 + 0.20) + 0.29 + 1.20)
    assert (done[0].seconds, done[0].attempts, done[0].success) == (6.0, 3, True)
    assert done[1:] == [Done(False, 0.0, 0.0, 0), Done(False, 0.0, 0.0, 0)]


@pytest.mark.parametrize(
    ("k", "n", "low", "high"), [(8, 10, 0.4902, 0.9433), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0)]
)
def test_wilson_intervals(k: int, n: int, low: float, high: float) -> None:
    """Against the formula worked out elsewhere."""
    found = report.wilson(k, n)
    assert found.value == k / n
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


def test_intervals_hold_the_value_and_shrink_with_size() -> None:
    """The bootstrap brackets the estimate; ten times the jobs give a narrower interval; the same seed the same row."""
    few = [Done(i % 3 > 0, 0.001 * (1 + i % 7), 1.0 + i % 5, 1) for i in range(60)]
    row, many = report.row("few", few, 7), report.row("many", few * 10, 7)
    for interval in (row.cost_per_success, row.seconds):
        assert interval.low < interval.value < interval.high
    assert many.cost_per_success.value == pytest.approx(row.cost_per_success.value)
    assert many.seconds.high - many.seconds.low < (row.seconds.high - row.seconds.low) / 2
    assert report.row("few", few, 7) == row


def test_a_lane_without_success_has_no_cost_per_success() -> None:
    """It is infinite, and still printed."""
    row = report.row("none", [Done(False, 0.1, 1.0, 1)] * 5, 7)
    assert math.isinf(row.cost_per_success.value)
    assert report.cells(row)[2] == "inf (inf-inf)"


def test_rows_are_shown_with_intervals() -> None:
    """Success in percent, USD per success, seconds, answers, refusals; and two rows compared in a sentence."""
    cheap = report.row("cheap", [Done(True, 0.002, 3.0, 1), Done(False, 0.004, 5.0, 2)] * 20, 7, refused=3)
    dear = report.row("dear", [Done(True, 0.02, 30.0, 1)] * 40, 7)
    shown = dict(zip(report.HEAD, report.cells(cheap), strict=True))
    assert shown["success %"] == "50.0 (35.2-64.8)"
    assert shown["USD per success"].startswith("0.00600 (0.00")
    assert shown["seconds"].startswith("4.0 (")
    assert (shown["lane"], shown["attempts"], shown["refused"]) == ("cheap", "1.50", "3")
    sentence = report.compared(cheap, dear)
    assert sentence == "Against dear: 70% less per success, -50.0 points of success, 7.5 times as fast."
    assert "233% more per success, +50.0 points" in report.compared(dear, cheap)
