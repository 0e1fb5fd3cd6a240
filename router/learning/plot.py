"""Draws cost per success against success, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from router.errors import ConfigError
from router.learning.report import Report, Row

COLOURS = {"policy": "#c0392b", "always": "#5b6ee1", "random": "#888888", "cascade": "#4c9a2a", "oracle": "#222222"}
WORDS = {"policy": "policy", "always": "one model", "random": "random", "cascade": "static cascade", "oracle": "oracle"}
Place = tuple[float, float, Any, Any]
"""x, y, and how far their bars reach."""
LINE, LETTER = 9.5, 3.7
"""Height of a label and width of one of its letters, points."""
BESIDE = 6.0
"""Points from a dot to its label."""


def draw(pyplot: Any, report: Report, path: Path) -> None:
    """Writes the picture; its format goes by the file's ending. `pyplot` is `loader.pyplot()`. Raises ConfigError."""
    figure, axes = pyplot.subplots(figsize=(9, 5.5), dpi=150)
    shown = [(row, at) for row in report.results if (at := _place(row)) is not None]
    try:
        axes.set_xlabel("success, % of steps")
        axes.set_ylabel("USD per success")
        axes.set_title(f"{report.steps:,} steps, {len(report.arms)} arms; bars: 95% intervals", fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        if shown:
            axes.set_yscale("log")
            _points(axes, shown)
            axes.legend(frameon=False, fontsize=8)
            _labels(axes, shown, 72.0 / figure.dpi)
        figure.savefig(path, bbox_inches="tight")
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), None, f"the plot cannot be written: {error}") from None
    finally:
        pyplot.close(figure)


def _points(axes: Any, shown: Sequence[tuple[Row, Place]]) -> None:
    kinds: set[str] = set()
    for row, (x, y, x_reach, y_reach) in shown:
        ours = row.kind == "policy"
        axes.errorbar(
            x,
            y,
            xerr=x_reach,
            yerr=y_reach,
            fmt="D" if ours else "o",
            color=COLOURS[row.kind],
            alpha=0.5 if row.kind == "cascade" else 0.9,
            elinewidth=0.8,
            markersize=7 if ours else 5,
            label=None if row.kind in kinds else WORDS[row.kind],
            zorder=3 if ours else 2,
        )
        kinds.add(row.kind)


def _labels(axes: Any, shown: Sequence[tuple[Row, Place]], point: float) -> None:
    """A name beside each dot, moved down or up where another is in the way; of cascades, those that no other beats.

    `point`: points of a pixel.
    """
    axes.autoscale_view()  # else dots are looked for where the axes were before there were any
    taken: list[tuple[float, float, float]] = []
    for row, (x, y, _, _) in shown:
        if row.kind == "cascade" and _beaten(row, [other for other, _ in shown if other.kind == "cascade"]):
            continue
        left, base = (float(v) * point for v in axes.transData.transform((x, y)))
        right = left + LETTER * len(row.name)
        shifts = (4.0 + sign * n * LINE for n in range(len(shown) + 1) for sign in (-1, 1))
        free = next((s for s in shifts if not any(_covers(t, left, right, base + s) for t in taken)), 4.0)
        taken.append((left, right, base + free))
        axes.annotate(row.name, (x, y), xytext=(BESIDE, free), textcoords="offset points", fontsize=7)


def _covers(label: tuple[float, float, float], left: float, right: float, base: float) -> bool:
    return label[0] < right and left < label[1] and abs(label[2] - base) < LINE


def _beaten(row: Row, others: Sequence[Row]) -> bool:
    """Whether another has more success for less."""
    mine = (row.success.value or 0.0, -(row.cost_per_success.value or 0.0))
    return any((o.success.value or 0.0) > mine[0] and -(o.cost_per_success.value or 0.0) > mine[1] for o in others)


def _place(row: Row) -> Place | None:
    """x, y, and how far their bars reach; None where the cost per success is infinite or, on a log scale, nothing."""
    cost, success = row.cost_per_success, row.success
    if not cost.value or success.value is None or success.low is None or success.high is None:
        return None
    low, high = cost.low or cost.value, cost.high or cost.value
    x, y = 100 * success.value, cost.value
    reach_x = [[max(0.0, x - 100 * success.low)], [max(0.0, 100 * success.high - x)]]
    reach_y = [[max(0.0, y - low)], [max(0.0, high - y)]]
    return x, y, reach_x, reach_y
