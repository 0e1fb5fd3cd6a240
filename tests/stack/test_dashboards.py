"""The dashboards: fresh, of metrics that exist, and with something to show."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest

from scripts import dashboards
from scripts.boards.record import RATE
from tests.stack.conftest import Ask
from tests.stack.test_rules import ALERTS, RECORDED, known, named, used

pytestmark = pytest.mark.timeout(150)
PANELS = [(b, p) for b in dashboards.BOARDS for row in b.rows for p in row.panels]
QUERIES = [pytest.param(q.expr, id=f"{b.title}, {p.title}, {q.legend}") for b, p in PANELS for q in p.queries]


ELSEWHERE = {
    "process_virtual_memory_bytes",
    "turnout_judge_calls",
    "turnout_judge_cost_usd",
    "turnout_judge_duration_seconds",
    "turnout_predicted_success",
    "turnout_traced_steps",
}
"""On no panel and in no rule: for those who ask Prometheus themselves."""


def plain(expression: str) -> str:
    """As Grafana would ask it."""
    return expression.replace(RATE, "1m")


def boxes(dashboard: dict[str, Any]) -> list[tuple[int, int]]:
    """The cells of Grafana's grid that panels lie on."""
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    return [(x, y) for g in places for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])]


def test_the_files_are_fresh() -> None:
    """They are what the script makes now, and there is none besides: run `python -m scripts.dashboards`."""
    made = dict(dashboards.files())
    assert {path: path.read_text() for path in dashboards.FOLDER.glob("*.json")} == made


def test_panels_do_not_lie_on_each_other() -> None:
    """Nor beyond the grid's 24 columns; each says in words what it shows."""
    for path, text in dashboards.files():
        cells = boxes(json.loads(text))
        assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24, path.name
    assert all(p.text.endswith(".") and p.queries for _, p in PANELS)


def test_panels_name_only_metrics_that_exist() -> None:
    """And every metric is on one of them or in a rule, but for a few that are named here."""
    asked = [q.expr for _, p in PANELS for q in p.queries] + [dashboards.CHANGED]
    shown = {name for expression in asked for name in used(expression)}
    assert shown - known() == set()
    shown |= {name for expression in (*RECORDED.values(), *ALERTS.values()) for name in used(expression)}
    assert {family for family, names in named().items() if not names & shown} == ELSEWHERE


@pytest.mark.parametrize("expression", QUERIES)
def test_each_panel_has_something_to_show(ask: Ask, expression: str) -> None:
    """A real Prometheus answers its query with numbers, from a real server at work."""
    limit = time.monotonic() + 20
    while not (found := ask(plain(expression))) and time.monotonic() < limit:
        time.sleep(0.5)  # what is rare may come yet
    assert any(math.isfinite(float(series["value"][1])) for series in found), plain(expression)


def test_changes_of_policies_are_marked(ask: Ask) -> None:
    """The mark's query has a series for each policy; it is above zero where one was read anew."""
    found = ask(dashboards.CHANGED.removesuffix(" > 0"))
    assert "default" in {series["metric"]["policy"] for series in found}
