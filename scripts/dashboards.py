"""Writes the Grafana dashboards, for the compose stack and for the chart: `python -m scripts.dashboards`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, heatmap, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from scripts.boards.overview import OVERVIEW
from scripts.boards.quality import QUALITY
from scripts.boards.record import Board, Panel, Query
from scripts.boards.service import SERVICE
from scripts.boards.upstreams import UPSTREAMS

FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "helm" / "turnout" / "dashboards"
"""In the chart, which can ship nothing from outside its own folder; the compose stack mounts it from there."""
SOURCE = models.DataSourceRef(type_val="prometheus", uid="prometheus")
BOARDS = (OVERVIEW, QUALITY, UPSTREAMS, SERVICE)
KINDS = {"stat": stat, "bars": bargauge, "heat": heatmap}
CHANGED = "max by (policy) (changes(turnout_policy_loaded_timestamp_seconds[1m])) > 0"
"""When a policy was read anew; for an annotation."""


def built(board: Board) -> build.Dashboard:
    found = (
        build.Dashboard(board.title)
        .uid(board.uid)
        .description(board.text)
        .tags(["turnout"])
        .editable()
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            build.DashboardLink("Turnout").type(models.DashboardLinkType.DASHBOARDS).tags(["turnout"]).keep_time(True)
        )
    )
    if board.policies:
        mark = build.AnnotationQuery().name("Policy read").datasource(SOURCE).expr(CHANGED).enable(True)
        found.annotation(mark.icon_color("purple"))
    for row in board.rows:
        found.with_row(build.Row(row.title))
        for panel in row.panels:
            found.with_panel(drawn(panel))
    return found


def drawn(panel: Panel) -> Any:
    """The panel as its kind is drawn."""
    made = KINDS.get(panel.kind, timeseries).Panel().title(panel.title).description(panel.text).datasource(SOURCE)
    made.span(panel.width).height(4 if panel.kind == "stat" else 8).unit(panel.unit)
    for number, query in enumerate(panel.queries):
        made.with_target(asked(panel, query, chr(ord("A") + number)))
    if panel.kind == "heat":
        color = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Spectral").steps(64)
        return made.color(color.scale(HeatmapColorScale.EXPONENTIAL).exponent(0.5))
    if panel.limits:
        made.thresholds(bounds(panel.limits))
    if panel.kind == "bars":
        return made.min(0).max(1)
    if panel.kind == "stat":
        return made
    return lines(made, panel)


def lines(made: Any, panel: Panel) -> Any:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.BOTTOM)
    made.legend(legend.show_legend(True).calcs(["lastNotNull", "mean"])).axis_soft_min(0)
    made.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)).fill_opacity(8).line_width(1)
    if panel.kind == "stack":
        made.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(40)
    if panel.kind == "points":
        made.draw_style(GraphDrawStyle.POINTS)
    if panel.top is not None:
        made.max(panel.top)
    return made


def asked(panel: Panel, query: Query, ref: str) -> Dataquery:
    made = Dataquery().expr(query.expr).ref_id(ref).exemplar(panel.exemplars)
    if query.legend:
        made.legend_format(query.legend)
    if panel.kind == "heat":
        made.format(PromQueryFormat.HEATMAP)
    return made.instant() if panel.kind in ("bars", "stat") else made.range()


def bounds(limits: Sequence[float]) -> build.ThresholdsConfig:
    colors = ("green", "orange", "red")
    steps = [models.Threshold(value=None, color=colors[0])]
    steps += [models.Threshold(value=limit, color=color) for limit, color in zip(limits, colors[1:], strict=True)]
    return build.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def files() -> Iterator[tuple[Path, str]]:
    """Each dashboard's file, and what is to be in it."""
    for board in BOARDS:
        text = JSONEncoder(sort_keys=True, indent=2).encode(built(board).build())
        yield FOLDER / f"{board.uid.removeprefix('turnout-')}.json", text + "\n"


if __name__ == "__main__":
    for path, text in files():
        path.write_text(text)
