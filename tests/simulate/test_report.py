"""The demo's numbers: sums from the ledger, intervals, the table."""

from __future__ import annotations

import math

import pytest

from router import policy
from router.catalog import Catalog
from router.simulate import report
from router.simulate.report import Done
from router.simulate.server import simulated
from tests.simulate.conftest import CATALOG, NEMOTRON, QWEN


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
    solved = {"tool_use-0001": True, "code-0002": False, "vision-0003": False}
    done = report.account(entries, solved, scene, {"tool_use-0001": 0.02, "code-0002": 0.1, "vision-0003": 0.02})
    assert done[0].cost == pytest.approx(2 * (0.085 + 0.20) + 0.29 + 1.20)
    assert (done[0].seconds, done[0].attempts, done[0].success) == (6.0, 3, True)
    assert done[0].loss == 0
    assert done[1:] == [Done(False, 0.0, 0.0, 0, 0.1), Done(False, 0.0, 0.0, 0, 0.02)]


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
    assert sentence == "Against dear: 70% less cost per success, -50.0 points of success, 7.5 times as fast."
    worse = "Against cheap: 233% more cost per success, +50.0 points of success, 7.5 times as slow."
    assert report.compared(dear, cheap) == worse


def test_a_failure_costs_what_the_policy_says() -> None:
    """By the step's class, or by the objective where the class does not say; counted in beside what was paid."""
    default = policy.load(CATALOG.parent / "default.yaml")
    by_class = default.by_name["code"].failure_cost
    assert by_class is not None and report.loss(default, "code") == by_class
    assert report.loss(default, "knowledge") == report.loss(default, "no such") == default.objective.failure_cost
    row = report.row("half", [Done(True, 0.002, 1.0, 1), Done(False, 0.004, 1.0, 1, 0.1)] * 5, 7)
    assert row.cost_with_failures == pytest.approx((0.002 + 0.104) / 2)
    assert dict(zip(report.HEAD, report.cells(row), strict=True))["USD per step with failures"] == "0.05300"
