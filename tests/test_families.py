"""The table of metrics: each in a registry of its own, fine enough, and in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.families import SECONDS, TOKENS, Families


def test_each_registry_has_series_of_its_own() -> None:
    """Two servers in one process do not count each other's steps."""
    one, other = Families(), Families()
    one.config_errors.inc()
    assert (one.config_errors.alone.value, other.config_errors.alone.value) == (1.0, 0.0)


def test_buckets_are_fine_enough() -> None:
    """Seconds double from 10 ms; tokens grow by the root of two up to 131,072."""
    assert all(b == pytest.approx(2 * a) for a, b in zip(SECONDS, SECONDS[1:], strict=False))
    assert (TOKENS[0], TOKENS[-1]) == (16, 131_072)
    assert all(1.38 < b / a < 1.46 for a, b in zip(TOKENS, TOKENS[1:], strict=False))


def test_every_metric_is_documented_with_its_labels() -> None:
    """And every one that is documented exists."""
    text = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text()
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    registry = Families().registry
    found = {f.name + ("_total" if f.type == "counter" else ""): f.name for f in registry.collect()}
    assert {name for name in rows if not name.startswith("process_")} <= set(found) <= set(rows)
    for collector in registry._collector_to_names:
        labels = getattr(collector, "label_names", ())
        for family in collector.collect():
            name = family.name + ("_total" if family.type == "counter" else "")
            assert set(rows[name].split("|")[2].replace("`", "").replace(",", " ").split()) == set(labels or "-"), name
