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
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

Labels = tuple[str, ...]
Sample = tuple[str, dict[str, str], float, Exemplar | None]
"""Suffix of the name, further labels, value, and an example of what was counted."""


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

    __slots__ = ("_bounds", "counts", "examples", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Values in each bucket alone, those beyond the last bound at the end."""
        self.examples: dict[int, tuple[str, float, float]] = {}
        """Bucket → trace id, value and Unix time of the last value in it that has a trace."""
        self.sum = 0.0

    def observe(self, value: float, trace: str | None = None) -> None:
        """`trace`: id of the trace in which the value came about."""
        bucket = bisect_left(self._bounds, value)
        self.counts[bucket] += 1
        self.sum += value
        if trace is not None:
            self.examples[bucket] = trace, value, time.time()

    def exemplar(self, bucket: int) -> Exemplar | None:
        found = self.examples.get(bucket)
        return None if found is None else Exemplar({"trace_id": found[0]}, found[1], found[2])


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
            for suffix, more, value, exemplar in self._samples(series):
                metric.add_sample(self.name + suffix, {**labels, **more}, value, exemplar=exemplar)
        return [metric]

    def _samples(self, series: S) -> Iterator[Sample]:
        raise NotImplementedError


class Counter(Family[Count]):
    kind = "counter"

    def __init__(self, name: str, text: str, labels: Labels = (), *, registry: CollectorRegistry) -> None:
        super().__init__(Count, name, text, labels, registry)

    def inc(self, amount: float = 1.0) -> None:
        self.alone.inc(amount)

    def _samples(self, series: Count) -> Iterator[Sample]:
        yield "_total", {}, series.value, None


class Gauge(Family[Level]):
    kind = "gauge"

    def __init__(self, name: str, text: str, labels: Labels = (), *, registry: CollectorRegistry) -> None:
        super().__init__(Level, name, text, labels, registry)

    def set(self, value: float) -> None:
        self.alone.set(value)

    def only(self, *rows: Labels) -> None:
        """Sets the series of these label values to 1 and forgets all others."""
        series = {row: Level() for row in rows}
        for level in series.values():
            level.set(1.0)
        self._series = series  # in one go: a scrape sees the old ones or the new ones

    def _samples(self, series: Level) -> Iterator[Sample]:
        yield "", {}, series.value, None


class Histogram(Family[Spread]):
    kind = "histogram"

    def __init__(
        self, name: str, text: str, labels: Labels = (), *, buckets: tuple[float, ...], registry: CollectorRegistry
    ) -> None:
        """`buckets`: upper bounds, ascending, without infinity."""
        self._edges = [*map(floatToGoString, buckets), "+Inf"]
        super().__init__(lambda: Spread(buckets), name, text, labels, registry)

    def observe(self, value: float, trace: str | None = None) -> None:
        self.alone.observe(value, trace)

    def _samples(self, series: Spread) -> Iterator[Sample]:
        total = 0
        for bucket, count in enumerate(tuple(series.counts)):
            total += count
            yield "_bucket", {"le": self._edges[bucket]}, float(total), series.exemplar(bucket)
        yield "_count", {}, float(total), None
        yield "_sum", {}, series.sum, None
