"""How long the answers of one step class are, and what it depends on: a few simple opinions, weighted by their success.

Each opinion is a set of quantiles: of all answers lately, of the last few, of those to steps of the same kind, to inputs
of about the same size, in runs whose answers were about as long. None is right everywhere, so they are averaged, each
level apart, with weights exp(ETA * lead), the lead being the discounted sum of what its loss was below that of the first,
the constant (Vovk's aggregating forecasters). An opinion has to be better by MARGIN to gain at all, so that in a stream
that nothing predicts the constant is what remains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from router.beliefs.length import HINT_SPREAD
from router.beliefs.sample import LEVELS, Average, Pairs, Three, pinball, swapped, three

MEMORY = 2_048
"""Answers that are kept."""
LATELY, FINE, WIDE, OF_KIND = 48, 12, 48, 64
"""Answers that an opinion looks at: the last, the nearest (few and many), and those of a kind."""
OF_RUN = 24
KINDS = 64
"""Kinds that are kept apart, the latest."""
PRIOR = 6.0
"""Answers that the policy's own expectation counts as."""
ETA, DECAY, MARGIN = 2.0, 0.998, 0.01
"""Of the weights: steepness, memory (500 answers), and the share of the scatter by which an opinion must be better."""
LEAST_SCATTER = 0.1
HINTS, HINT_PRIOR, LEAST_ERROR = 200.0, 4.0, 0.05
"""Answers with hints that are remembered, what a hint's presumed accuracy counts as, and the most it can come to."""

NOBODY = (0.0, 0.0, 0.0)


class Traits(msgspec.Struct, frozen=True):
    """What of a step tells how long its answer will be."""

    size: float
    """Log of 1 + input tokens."""
    kind: str
    past: float | None = None
    """Level of the run's earlier answers, log tokens, without the peculiarities of the arms that gave them."""


class Opinion(msgspec.Struct, frozen=True):
    """What one looks at, as quantiles and a mean of log tokens."""

    name: str
    levels: Three
    mean: float


class Forecast(msgspec.Struct, frozen=True):
    """The opinions and what they come to."""

    levels: Three
    """Ascending."""
    mean: float
    opinions: tuple[Opinion, ...]
    """The constant first."""


class Answer(msgspec.Struct, frozen=True):
    """One answer that is remembered."""

    traits: Traits
    value: float
    """Log of its visible tokens, without the peculiarities of its arm."""


class Shape(msgspec.Struct, frozen=True, eq=False):
    """What is known of one class. Lists are never changed once they are in a Shape."""

    answers: list[Answer] = []
    """Oldest first."""
    values: list[float] = []
    """Their values, sorted."""
    mean: float = 0.0
    sizes: Pairs = Pairs()
    pasts: Pairs = Pairs()
    kinds: Mapping[str, tuple[float, ...]] = {}
    leads: Mapping[str, Three] = {}
    """Opinion → discounted lead over the constant at each level."""
    hint_bias: Average = Average()
    """Log of actual over expected length where the caller said what it expects."""
    hint_square: Average = Average()

    def forecast(self, traits: Traits, prior: Three) -> Forecast:
        """What is believed of a step's visible answer. `prior`: log quantiles before anything is known."""
        constant = self._constant(prior)
        if not self.values:
            return Forecast(constant.levels, constant.mean, (constant,))
        return self._mixed((constant, *self._opinions(traits)))

    def _constant(self, prior: Three) -> Opinion:
        if not self.values:
            return Opinion("constant", prior, prior[1])
        n = len(self.values)
        share = n / (n + PRIOR)
        rest = 1.0 - share
        low, middle, high = three(self.values)
        return Opinion(
            "constant",
            (share * low + rest * prior[0], share * middle + rest * prior[1], share * high + rest * prior[2]),
            share * self.mean + rest * prior[1],
        )

    def _opinions(self, traits: Traits) -> list[Opinion]:
        found = [
            _opinion("lately", [a.value for a in self.answers[-LATELY:]]),
            _opinion("size", self.sizes.near(traits.size, FINE)),
            _opinion("size, wide", self.sizes.near(traits.size, WIDE)),
        ]
        if len(self.kinds) > 1 and (same := self.kinds.get(traits.kind)):
            found.append(_opinion("kind", same))
        if traits.past is not None and self.pasts.keys:
            found.append(_opinion("run", self.pasts.near(traits.past, OF_RUN)))
            found.append(_opinion("run, wide", self.pasts.near(traits.past, OF_KIND)))
        return found

    def _mixed(self, opinions: tuple[Opinion, ...]) -> Forecast:
        leads = [self.leads.get(o.name, NOBODY) for o in opinions]
        levels = []
        mean = 0.0
        for i in range(3):
            best = max(lead[i] for lead in leads)
            weights = [math.exp(ETA * (lead[i] - best)) for lead in leads]
            total = sum(weights)
            levels.append(sum(w * o.levels[i] for w, o in zip(weights, opinions, strict=True)) / total)
            if i == 1:
                mean = sum(w * o.mean for w, o in zip(weights, opinions, strict=True)) / total
        low, middle, high = levels
        return Forecast((min(low, middle), middle, max(high, middle)), mean, opinions)

    def observe(self, traits: Traits, value: float, forecast: Forecast, *, exact: bool = True) -> Shape:
        """With one more answer. `forecast`: this shape's own, of that step. `exact`: False where the answer was cut off
        and `value` is a stand-in, by which nobody is judged."""
        old = self.answers[0] if len(self.answers) >= MEMORY else None
        out = None if old is None or old.traits.past is None else (old.traits.past, old.value)
        return msgspec.structs.replace(
            self,
            answers=[*(self.answers[1:] if old else self.answers), Answer(traits, value)],
            values=swapped(self.values, value, old.value if old else None),
            mean=self.mean + (value - old.value) / MEMORY if old else self.mean + (value - self.mean) / (len(self.values) + 1),
            sizes=self.sizes.swap((traits.size, value), (old.traits.size, old.value) if old else None),
            pasts=self.pasts.swap(None if traits.past is None else (traits.past, value), out),
            kinds=self._kinds(traits.kind, value),
            leads=self._leads(value, forecast.opinions) if exact else self.leads,
        )

    def hinted(self, error: float) -> Shape:
        """With one more answer to a step whose caller said what it expects; `error`: log of actual over expected."""
        return msgspec.structs.replace(
            self,
            hint_bias=self.hint_bias.add(error, HINTS),
            hint_square=self.hint_square.add(error * error, HINTS),
        )

    def hint_record(self) -> tuple[float, float]:
        """Mean and root mean square, about it, of the log of actual over expected length."""
        bias = self.hint_bias.towards(0.0, HINT_PRIOR)
        square = self.hint_square.towards(HINT_SPREAD**2, HINT_PRIOR)
        return bias, math.sqrt(max(square - bias * bias, LEAST_ERROR**2))

    def _kinds(self, kind: str, value: float) -> Mapping[str, tuple[float, ...]]:
        kinds = dict(self.kinds)
        same = kinds.pop(kind, ())
        kinds[kind] = (*same[1 - OF_KIND :], value)  # last, since it is the latest
        if len(kinds) > KINDS:
            del kinds[next(iter(kinds))]
        return kinds

    def _leads(self, value: float, opinions: tuple[Opinion, ...]) -> Mapping[str, Three]:
        constant = opinions[0].levels
        scatter = max(LEAST_SCATTER, constant[2] - constant[0]) / 2.5
        losses = [pinball(value, q, level) for q, level in zip(constant, LEVELS, strict=True)]
        leads = dict(self.leads)
        for opinion in opinions[1:]:
            was = leads.get(opinion.name, NOBODY)
            gains = [
                # The outer quantiles' losses are about half of the median's.
                (losses[i] - pinball(value, opinion.levels[i], LEVELS[i])) / scatter * (1.0 if i == 1 else 2.0) - MARGIN
                for i in range(3)
            ]
            leads[opinion.name] = (
                DECAY * was[0] + gains[0],
                DECAY * was[1] + gains[1],
                DECAY * was[2] + gains[2],
            )
        return leads

    def recent(self, keep: int) -> Shape:
        """Only the last `keep` answers, and no opinion ahead of another: after a change, the past says little."""
        shape = Shape(hint_bias=self.hint_bias.capped(4.0), hint_square=self.hint_square.capped(4.0))
        for answer in self.answers[-keep:]:
            shape = shape.observe(answer.traits, answer.value, Forecast(NOBODY, 0.0, ()), exact=False)
        return shape


def _opinion(name: str, values: list[float] | tuple[float, ...]) -> Opinion:
    return Opinion(name, three(sorted(values)), sum(values) / len(values))
