"""What a dashboard is made of, and the queries that several ask."""

from __future__ import annotations

from typing import NamedTuple

RATE = "$__rate_interval"
"""Grafana's own: at least four scrapes, at least a pixel."""
SPAN = "1h"
"""Window of what needs many steps to mean anything."""


class Query(NamedTuple):
    expr: str
    legend: str = ""


class Panel(NamedTuple):
    """`kind`: time, stack, points, stat, bars or heat."""

    title: str
    text: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "time"
    width: int = 8
    limits: tuple[float, ...] = ()
    """Where a number turns amber, and where red."""
    top: float | None = None
    exemplars: bool = False


class Row(NamedTuple):
    title: str
    panels: tuple[Panel, ...]


class Board(NamedTuple):
    uid: str
    title: str
    text: str
    rows: tuple[Row, ...]
    policies: bool = False
    """Whether a line marks each change of a policy."""


def one(expr: str, legend: str = "") -> tuple[Query, ...]:
    return (Query(expr, legend),)


def rate(counter: str, by: str = "") -> str:
    """For each second; `by`: labels that stay, comma between them."""
    kept = f" by ({by}) " if by else ""
    return f"sum{kept}(rate({counter}[{RATE}]))"


def share(counter: str, by: str) -> tuple[Query, ...]:
    """Of all that is counted, by one label."""
    return one(f"{rate(counter, by)} / scalar({rate(counter)})", f"{{{{{by}}}}}")


def quantiles(metric: str, *which: float) -> tuple[Query, ...]:
    return tuple(Query(quantile(q, metric), f"p{q * 100:g}") for q in which)


def quantile(q: float, metric: str, by: str = "", window: str = RATE) -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket[{window}])))"


def ratio(above: str, below: str, by: str, window: str = SPAN) -> str:
    """Quotient of two counters' increases, where the second moved."""
    return f"sum by ({by}) (increase({above}[{window}])) / (sum by ({by}) (increase({below}[{window}])) > 0)"


SERVER = "gen_ai_server_request_duration_seconds"
CLIENT = "gen_ai_client_operation_duration_seconds"
TRIED = 'source=~"checks|none|upstream"'
RIGHT = 'turnout_outcomes_total{outcome="success"}'
SAID = 'turnout_outcomes_total{outcome=~"success|failure"}'
EXPECTED = ratio("turnout_expected_cost_usd_total", "turnout_expected_success_total", "plan")
PER_HOUR = one(f"{rate('turnout_cost_usd_total', 'model')} * 3600", "{{model}}")
"""USD."""
PLACE = "{{model}}:{{deployment}}"
MODEL_COST = (
    f"sum by (model, step_class) (increase(turnout_cost_usd_total[{SPAN}]))"
    f" / (sum by (model, step_class) (increase(turnout_outcomes_total{{{TRIED}}}[{SPAN}]))"
    f" * ({ratio(RIGHT, SAID, 'model, step_class')}) > 0)"
)
ALONE = ratio(
    'turnout_expected_cost_usd_total{plan!="chosen"}',
    'turnout_expected_success_total{plan!="chosen"}',
    "plan, step_class",
)
CHOSEN = ratio(
    'turnout_expected_cost_usd_total{plan="chosen"}', 'turnout_expected_success_total{plan="chosen"}', "step_class"
)
