"""Whether what is seen still comes from what is believed: the test of Page and Hinkley, of each model at each class.

Two sums for each, one for either direction. Every outcome adds the log of how much likelier it is after a change of the
size looked for than as believed; a sum never falls below nothing, and above a limit it is an alarm, after which both
begin anew. (E. S. Page, Continuous inspection schemes, Biometrika 41, 1954; D. V. Hinkley, Inference about the
change-point from cumulative sum tests, Biometrika 58, 1971.) As likelihood ratios the sums need no tuning to how
likely success is, and what says little moves them little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from router.beliefs.likelihood import Try
from router.beliefs.sample import Average

DROP = 0.15
"""Change of P(success) that is looked for."""
LEAST, MOST, SUREST = 0.02, 0.98, 0.999
WARM = 100.0
"""Outcomes of a model at a class before anything is told of them: first it has to be known."""
SHIFT = 0.75
"""Change of a log ratio that is looked for, in its standard deviations."""
WILD = 3.0
"""Standard deviations at which one log ratio is clipped."""
WORSE, BETTER = 8.0, 9.0
"""Sums at which there is an alarm: what gets worse is told sooner.

By D. Siegmund's formula (Sequential analysis, 1985, ch. X.2), outcomes between false alarms of one sum are
(e^h - h - 1) / K, with h the limit and 1.166 standard deviations of a log ratio, and K the mean it falls by. At 70% and
15 points less some 89,000 for 8, with 15 more 180,000 for 9. Beliefs are not the truth, which costs a factor of two.
"""
RATIO = 10.0
"""The same of log ratios, whose laws are only roughly normal."""
LEVELS = 1_000.0
"""Outcomes over which what is believed of a model is averaged, which is steadier than what is believed right now."""
MEMORY, SETTLED = 500.0, 50.0
"""Log ratios that their mean and scatter are taken of, and how many come before anything is told of them."""

Direction = Literal["up", "down"]
Key = tuple[str, str]
"""Model, step class."""


class Chance(msgspec.Struct, frozen=True):
    """What was believed of one attempt."""

    p: float
    slope: float
    """Of p by the logit."""
    level: float
    """Mean logit of the model's arms at the class."""

    def at(self, level: float) -> float:
        """p if the model were believed at another level."""
        return min(SUREST, max(1.0 - SUREST, self.p + self.slope * (level - self.level)))


class Watch(msgspec.Struct, frozen=True, array_like=True):
    """The sums of one model at one class."""

    up: float = 0.0
    down: float = 0.0
    mean: Average = Average()
    """Of log ratios: what is only steadily off is no change."""
    square: Average = Average()
    seen: float = 0.0
    up_from: float | None = None
    """The model's level when the sum left zero; None while it is there."""
    down_from: float | None = None


NEW = Watch()


class Drift(msgspec.Struct, frozen=True):
    watches: Mapping[Key, Watch] = {}
    alarms: Mapping[tuple[str, str, Direction], int] = {}
    """Model, step class, direction → how often."""

    def success(self, key: Key, chance: Chance, now: Try, before: Try | None = None) -> Drift:
        """After an attempt that was believed to succeed by `chance`, and what is `now` told of it in place of `before`.

        Each sum holds on to what was believed when it left zero, which is when the change began if there is one: else
        beliefs that follow the change would hide it.
        """
        watch = self.watches.get(key, NEW)
        seen = watch.seen + (before is None)
        if seen <= WARM:
            return Drift({**self.watches, key: msgspec.structs.replace(watch, seen=seen)}, self.alarms)
        mean = watch.mean.add(chance.level, LEVELS)
        down_from = mean.mean if watch.down_from is None else watch.down_from
        up_from = mean.mean if watch.up_from is None else watch.up_from
        low, high = chance.at(down_from), chance.at(up_from)
        lower, higher = max(min(low, LEAST), low - DROP), min(max(high, MOST), high + DROP)
        down = watch.down + _likelier(now, lower, low) - _likelier(before, lower, low)
        up = watch.up + _likelier(now, higher, high) - _likelier(before, higher, high)
        learned = msgspec.structs.replace(watch, seen=seen, mean=mean, down_from=down_from, up_from=up_from)
        return self._moved(key, learned, up, down, BETTER, WORSE)

    def ratio(self, key: Key, log_ratio: float) -> Drift:
        """After a log of actual over expected."""
        watch = self.watches.get(key, NEW)
        middle, seen = watch.mean.mean, watch.seen + 1.0
        apart = log_ratio - middle
        spread = math.sqrt(max(watch.square.mean, 1e-4))
        z = max(-WILD, min(WILD, apart / spread)) if watch.seen else 0.0
        learned = msgspec.structs.replace(
            watch, mean=watch.mean.add(log_ratio, MEMORY), square=watch.square.add(apart * apart, MEMORY), seen=seen
        )
        if seen <= SETTLED:
            return Drift({**self.watches, key: learned}, self.alarms)
        up, down = watch.up + SHIFT * z - SHIFT**2 / 2, watch.down - SHIFT * z - SHIFT**2 / 2
        return self._moved(key, learned, up, down, RATIO, RATIO)

    def _moved(self, key: Key, watch: Watch, up: float, down: float, most_up: float, most_down: float) -> Drift:
        direction: Direction | None = "up" if up > most_up else "down" if down > most_down else None
        if direction is None:
            moved = msgspec.structs.replace(
                watch,
                up=max(0.0, up),
                down=max(0.0, down),
                up_from=watch.up_from if up > 0.0 else None,
                down_from=watch.down_from if down > 0.0 else None,
            )
            return Drift({**self.watches, key: moved}, self.alarms)
        alarm = (*key, direction)
        return Drift({**self.watches, key: NEW}, {**self.alarms, alarm: self.alarms.get(alarm, 0) + 1})

    def carried(self, models: frozenset[str]) -> Drift:
        """Of these models alone."""
        return Drift(
            {key: w for key, w in self.watches.items() if key[0] in models},
            {alarm: n for alarm, n in self.alarms.items() if alarm[0] in models},
        )


def _likelier(told: Try | None, other: float, p: float) -> float:
    """Log of how much likelier what is told is where success has the chance `other` rather than `p`."""
    if told is None:
        return 0.0
    if told.score is not None:
        return told.score * math.log(other / p) + (1.0 - told.score) * math.log((1.0 - other) / (1.0 - p))
    return math.log((told.right * other + told.wrong * (1.0 - other)) / (told.right * p + told.wrong * (1.0 - p)))


Kind = Literal["success", "length", "cost"]


class Alarm(msgspec.Struct, frozen=True):
    """Something has changed."""

    kind: Kind
    model: str
    step_class: str
    direction: Direction


def news(kind: Kind, before: Drift, after: Drift) -> Iterator[Alarm]:
    """The alarms between two states."""
    if after.alarms is not before.alarms:
        for (model, step_class, direction), count in after.alarms.items():
            if count > before.alarms.get((model, step_class, direction), 0):
                yield Alarm(kind, model, step_class, direction)
