"""Series read by prometheus_client's exposition exactly as its own metrics would be."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as TheirCounter
from prometheus_client import Gauge as TheirGauge
from prometheus_client import Histogram as TheirHistogram

from router.series import Counter, Gauge, Histogram

BOUNDS = (0.005, 0.1, 2.0, 16384.0)


def text(registry: CollectorRegistry) -> list[str]:
    """The exposition without the times of creation, which these do not tell."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


@given(st.lists(st.floats(0, 1e6) | st.sampled_from(BOUNDS), max_size=20))
def test_they_read_as_the_library_s_own(values: list[float]) -> None:
    """The same values give the same lines, with labels and without, whatever lies on a bucket's edge."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    mine = (
        Counter("c", "A count.", ("model", "why"), registry=ours),
        Gauge("g", "A level.", ("model",), registry=ours),
        Histogram("h", "A spread.", ("model",), buckets=BOUNDS, registry=ours),
        Histogram("a", "Alone.", buckets=BOUNDS, registry=ours),
    )
    library = (
        TheirCounter("c", "A count.", ("model", "why"), registry=theirs),
        TheirGauge("g", "A level.", ("model",), registry=theirs),
        TheirHistogram("h", "A spread.", ("model",), buckets=BOUNDS, registry=theirs),
        TheirHistogram("a", "Alone.", buckets=BOUNDS, registry=theirs),
    )
    for counter, gauge, histogram, alone in (mine, library):
        for value in values:
            counter.labels('a "quoted"\nname', "x").inc(value)
            gauge.labels("n").set(value)
            histogram.labels("n").observe(value)
            alone.observe(value)
    assert text(ours) == text(theirs)


def test_a_family_without_labels_is_there_at_zero() -> None:
    """What has no labels is seen before it first moves, so that `increase()` sees the first event."""
    registry = CollectorRegistry()
    counter, gauge = Counter("c", "x", registry=registry), Gauge("g", "x", registry=registry)
    assert {"c_total 0.0", "g 0.0"} <= set(text(registry))
    counter.inc()
    gauge.alone.set_to_current_time()
    assert "c_total 1.0" in text(registry)
    assert gauge.alone.value == pytest.approx(time.time(), abs=60)


def test_labels_that_do_not_fit_are_refused() -> None:
    """A value too few or too many is a mistake in the code, told where it is made."""
    counter = Counter("c", "x", ("model",), registry=CollectorRegistry())
    with pytest.raises(ValueError, match=r"c has the labels \('model',\), not 2"):
        counter.labels("n", "code")
    with pytest.raises(ValueError, match="not 0"):
        counter.labels()


def test_a_name_is_given_once() -> None:
    """Two families of one name would be summed by nobody knows whom."""
    registry = CollectorRegistry()
    Counter("c", "x", registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Gauge("c_total", "x", registry=registry)
