"""Small charts as SVG, drawn by hand so that a page of them needs nothing else. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import msgspec

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 460, 280, 76, 44, 14, 30
TICKS = 4


class Point(msgspec.Struct, frozen=True):
    x: float
    y: float
    low: float | None = None
    """Ends of a bar through the point; None: no bar."""
    high: float | None = None
    label: str = ""


class Chart(msgspec.Struct, frozen=True):
    title: str
    x: str
    y: str
    points: Sequence[Point]
    line: bool = False
    """Whether the points are joined."""
    ideal: Sequence[tuple[float, float]] = ()
    """A dashed line, from end to end."""
    x_format: str = "{:.2g}"
    y_format: str = "{:.2g}"
    share: bool = False
    """Whether y is a share of something: the axis ends at 0 and 1."""


def drawn(chart: Chart) -> str:
    """The chart as an SVG element with a title for those who do not see it."""
    xs = [p.x for p in chart.points] + [x for x, _ in chart.ideal]
    lows = [p.y if p.low is None else p.low for p in chart.points] + [y for _, y in chart.ideal]
    highs = [p.y if p.high is None else p.high for p in chart.points] + [y for _, y in chart.ideal]
    if not chart.points:
        return f"<figure><figcaption>{escape(chart.title)}</figcaption><p>Nothing to show yet.</p></figure>"
    x0, x1 = _range(min(xs), max(xs))
    y0, y1 = _range(min(lows), max(highs), chart.share)

    def at(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
        return round(across, 1), round(HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - BOTTOM - TOP), 1)

    parts = [_axes(chart, (x0, x1), (y0, y1))]
    if chart.ideal:
        parts.append(_line([at(x, y) for x, y in chart.ideal], "ideal"))
    if chart.line:
        parts.append(_line([at(p.x, p.y) for p in chart.points], "line"))
    for number, p in enumerate(sorted(chart.points, key=lambda p: p.x)):
        x, y = at(p.x, p.y)
        if p.low is not None and p.high is not None:
            (_, a), (_, b) = at(p.x, p.low), at(p.x, p.high)
            parts.append(f'<line class="bar" x1="{x}" x2="{x}" y1="{a}" y2="{b}"/>')
        parts.append(f'<circle cx="{x}" cy="{y}" r="4"><title>{escape(p.label)}</title></circle>')
        if p.label:
            side, off = ("end", -8) if x > WIDTH * 0.7 else ("start", 8)
            parts.append(
                f'<text x="{x + off}" y="{y + (-7, 17, 31)[number % 3]}" text-anchor="{side}">{escape(p.label)}</text>'
            )
    title = escape(chart.title)
    return (
        f'<figure><figcaption>{title}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
        f"{''.join(parts)}</svg></figure>"
    )


def _range(low: float, high: float, share: bool = False) -> tuple[float, float]:
    """A little wider than the numbers, and never empty."""
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return (max(0.0, low - room), min(1.0, high + room)) if share else (low - room, high + room)


def _line(points: Sequence[tuple[float, float]], name: str) -> str:
    return f'<polyline class="{name}" points="{" ".join(f"{x},{y}" for x, y in points)}"/>'


def _axes(chart: Chart, xs: tuple[float, float], ys: tuple[float, float]) -> str:
    floor, end = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [f'<polyline class="axis" points="{LEFT},{TOP} {LEFT},{floor} {end},{floor}"/>']
    for i in range(TICKS + 1):
        share = i / TICKS
        x, y = LEFT + share * (end - LEFT), floor - share * (floor - TOP)
        told_x = chart.x_format.format(xs[0] + share * (xs[1] - xs[0]))
        told_y = chart.y_format.format(ys[0] + share * (ys[1] - ys[0]))
        parts.append(f'<text x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{escape(told_x)}</text>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(told_y)}</text>')
    middle = (LEFT + end) / 2
    parts.append(f'<text class="name" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(chart.x)}</text>')
    parts.append(
        f'<text class="name" transform="translate(12 {(TOP + floor) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(chart.y)}</text>"
    )
    return "".join(parts)
