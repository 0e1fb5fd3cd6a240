"""What several processes count, as one: the metrics of each as plain rows, and their union."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

Labels = tuple[tuple[str, str], ...]
Example = tuple[str, float, float]
"""Trace id, value and Unix time of one thing that was counted."""


class Row(NamedTuple):
    """One sample, as it is exposed: of a histogram each bucket, the number and the sum have one."""

    name: str
    labels: Labels
    value: float
    example: Example | None = None


class Table(NamedTuple):
    """All samples of one metric."""

    name: str
    text: str
    kind: str
    rows: tuple[Row, ...]


LARGEST = (
    "turnout_breaker_state",
    "turnout_build_info",
    "turnout_journal_degraded",
    "turnout_policy_info",
    "turnout_store_degraded",
)
"""Gauges that tell of trouble in any, or are 1 everywhere."""
SMALLEST = (
    "process_max_fds",
    "process_start_time_seconds",
    "turnout_beliefs_version",
    "turnout_policy_loaded_timestamp_seconds",
)
"""Gauges at which the last one counts: what is not everywhere yet is not there."""
RULES = {**dict.fromkeys(LARGEST, max), **dict.fromkeys(SMALLEST, min)}
"""All others are numbers of things, and add up."""
GROWING = ("counter", "histogram")


def united(censuses: Iterable[Sequence[Table]]) -> tuple[Table, ...]:
    """One census of all, in the order of the first. Counters and histograms add up, gauges by RULES; of several
    examples of one bucket the latest stays."""
    known: dict[str, Table] = {}
    found: dict[str, dict[tuple[str, Labels], Row]] = {}
    for table in (table for census in censuses for table in census):
        known.setdefault(table.name, table)
        rows = found.setdefault(table.name, {})
        for row in table.rows:
            key = (row.name, row.labels)
            rows[key] = _both(rows[key], row, table) if key in rows else row
    return tuple(table._replace(rows=tuple(found[name].values())) for name, table in known.items())


def _both(one: Row, other: Row, table: Table) -> Row:
    rule = RULES.get(table.name) if table.kind == "gauge" else None
    value = rule(one.value, other.value) if rule is not None else one.value + other.value
    examples = [row.example for row in (one, other) if row.example is not None]
    return Row(one.name, one.labels, value, max(examples, key=lambda e: e[2], default=None))


def lasting(census: Sequence[Table]) -> tuple[Table, ...]:
    """What stays of a process that is gone: what it has counted, and no levels."""
    return tuple(table for table in census if table.kind in GROWING)
