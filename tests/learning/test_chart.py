"""Charts; more in tests/learning/test_page.py."""

from __future__ import annotations

from router.learning.chart import Chart, drawn


def test_no_points_no_axes() -> None:
    """Nothing to show is said in words."""
    assert "<svg" not in drawn(Chart("t", "x", "y", [])) and "Nothing to show yet." in drawn(Chart("t", "x", "y", []))
