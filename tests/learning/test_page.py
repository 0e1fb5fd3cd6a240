"""The page: self-contained, nothing of a record can break out of it, and its numbers are those of the log."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from benchmarks.offline import BOTH, World, catalog
from router.learning.chart import Chart, Point, drawn
from router.learning.page import Summary, page

STEPS = [step for run in World(BOTH, catalog(), 1).runs(300) for step in run]


class Read(HTMLParser):
    """Tags, attributes and cells of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.cells.append(data)


def test_one_page_by_itself() -> None:
    """A table by policy and class, five charts, no script, nothing loaded from anywhere."""
    read = Read(page(STEPS))
    assert read.links == [] and "script" not in read.tags and "link" not in read.tags
    assert read.tags.count("svg") == 4 and read.tags.count("figure") == 5  # these answers have no tokens
    easy = [s for s in STEPS if s.step_class == "easy"]
    said = [v.success for s in easy for v in s.verdicts]
    at = read.cells.index("current, easy")
    assert read.cells[at + 1 : at + 4] == [str(len(easy)), str(len(said)), f"{sum(said) / len(said) * 100:.1f}"]
    assert read.cells[at + 4] == f"{sum(s.cost_usd for s in easy):.4f}"


def test_lengths_are_covered() -> None:
    """Answers are held against the q90 that was expected of their arm."""
    told = [
        replace(s, attempts=tuple(replace(a, output_tokens=10 ** (1 + i % 10)) for a in s.attempts), at=float(i))
        for i, s in enumerate(STEPS)
    ]
    found = Summary()
    for step in told:
        found.add(step)
    assert set(found.covered) == {"easy", "hard"}
    assert all(0.1 < sum(own) / len(own) < 0.9 for own in found.covered.values())
    assert page(told).count("<svg") == 5


def test_names_cannot_break_out() -> None:
    """A class or policy of any name is text."""
    evil = '<script>alert("x")</script>'
    assert "<script>" not in page([replace(s, step_class=evil, policy=evil) for s in STEPS])


@pytest.mark.parametrize("steps", [[], [replace(STEPS[0], chosen=None)], STEPS[:1]])
def test_next_to_nothing(steps: list[object]) -> None:
    """An empty journal is a page too."""
    assert "Nothing to show yet." in page(steps)  # type: ignore[arg-type]


@pytest.mark.parametrize("points", [[Point(1, 1)], [Point(0, 0, -1, 1, "a<b"), Point(5, 1e9, 1, 2e9, "c")]])
def test_charts_are_well_formed(points: list[Point]) -> None:
    """One point, equal numbers, huge ones, names with marks in them: everything lies inside the picture."""
    for chart in (Chart("t & t", "x", "y", points), Chart("t", "x", "y", points, True, ((0, 0), (1, 1)))):
        root = ElementTree.fromstring(drawn(chart))
        circles = [e for e in root.iter() if e.tag == "circle"]
        assert len(circles) == len(points)
        assert all(0 <= float(c.get("cx", "-1")) <= 460 and 0 <= float(c.get("cy", "-1")) <= 280 for c in circles)
