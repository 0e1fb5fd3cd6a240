"""Counters, gauges and histograms as plain numbers, which prometheus_client's exposition reads at a scrape.

Its own take a lock for each number and look for a histogram's bucket one by one: 44 calls for one step, a tenth of all.
Here each series has one writer, the event loop or one thread, so that no lock is needed.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import CollectorRegistry
from prometheus_client.utils import floatToGoString

Labels = tuple[str, ...]


class Count:
    """A number that grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """`amount` must not be negative."""
        self.value += amount


class Level:
    """A number that goes up and down."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def set(self, value: float) -> None:
        self.value = value

    def set_to_current_time(self) -> None:
        """Seconds since 1970."""
        self.value = time.time()


class Spread:
    """How many of the values seen lie at or below each bound."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Values in each bucket alone, those beyond the last bound at the end."""
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


S = TypeVar("S", Count, Level, Spread)


class Family(Generic[S]):
    """All series of one name, by the values of their labels."""

    kind: str

    def __init__(
        self, make: Callable[[], S], name: str, text: str, labels: Labels, registry: CollectorRegistry
    ) -> None:
        self.name, self._text, self.label_names = name, text, labels
        self._make: Callable[[], S] = make
        self._series: dict[Labels, S] = {}
        if not labels:
            self._series[()] = make()
        registry.register(self)

    def labels(self, *values: str) -> S:
        """The series of these values, made where there is none. Raises ValueError where they are not as many as the
        labels."""
        series = self._series.get(values)
        if series is None:
            if len(values) != len(self.label_names):
                raise ValueError(f"{self.name} has the labels {self.label_names}, not {len(values)} of them")
            series = self._series[values] = self._make()
        return series

    @property
    def alone(self) -> S:
        """The one series of a family without labels."""
        return self._series[()]

    def describe(self) -> Iterable[Metric]:
        return [Metric(self.name, self._text, self.kind)]

    def collect(self) -> Iterable[Metric]:
        metric = Metric(self.name, self._text, self.kind)
        for values, series in tuple(self._series.items()):  # a thread may add one meanwhile
            labels = dict(zip(self.label_names, values, strict=True))
            for suffix, more, value in self._samples(series):
                metric.add_sample(self.name + suffix, {**labels, **more}, value)
        return [metric]

    def _samples(self, series: S) -> Iterator[tuple[str, dict[str, str], float]]:
        """Suffix of the name, further labels, and value."""
        raise NotImplementedError


class Counter(Family[Count]):
    kind = "counter"

    def __init__(self, name: str, text: str, labels: Labels = (), *, registry: CollectorRegistry) -> None:
        super().__init__(Count, name, text, labels, registry)

    def inc(self, amount: float = 1.0) -> None:
        self.alone.inc(amount)

    def _samples(self, series: Count) -> Iterator[tuple[str, dict[str, str], float]]:
        yield "_total", {}, series.value


class Gauge(Family[Level]):
    kind = "gauge"

    def __init__(self, name: str, text: str, labels: Labels = (), *, registry: CollectorRegistry) -> None:
        super().__init__(Level, name, text, labels, registry)

    def set(self, value: float) -> None:
        self.alone.set(value)

    def set_to_current_time(self) -> None:
        self.alone.set_to_current_time()

    def _samples(self, series: Level) -> Iterator[tuple[str, dict[str, str], float]]:
        yield "", {}, series.value


class Histogram(Family[Spread]):
    kind = "histogram"

    def __init__(
        self, name: str, text: str, labels: Labels = (), *, buckets: tuple[float, ...], registry: CollectorRegistry
    ) -> None:
        """`buckets`: upper bounds, ascending, without infinity."""
        self._edges = [*map(floatToGoString, buckets), "+Inf"]
        super().__init__(lambda: Spread(buckets), name, text, labels, registry)

    def observe(self, value: float) -> None:
        self.alone.observe(value)

    def _samples(self, series: Spread) -> Iterator[tuple[str, dict[str, str], float]]:
        total = 0
        for edge, count in zip(self._edges, tuple(series.counts), strict=True):
            total += count
            yield "_bucket", {"le": edge}, float(total)
        yield "_count", {}, float(total)
        yield "_sum", {}, series.sum
