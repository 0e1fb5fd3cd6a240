"""How long the answers of one step class are, and what that depends on: simple opinions, weighted by their success.

Each opinion is a set of quantiles: of all answers lately, of the last few, of those to steps of the same kind, to
inputs of about the same size, in runs whose answers were about as long. None is right everywhere, so they are
averaged, each level apart, with weights exp(ETA * lead). The lead is the discounted sum of what its loss was below
that of the first opinion, the constant (exponentially weighted forecasters; Cesa-Bianchi and Lugosi 2006). An opinion
has to be better by MARGIN to gain at all, so that in a stream that nothing predicts the constant is what remains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from router.beliefs.length import HINT_SPREAD
from router.beliefs.sample import Average, Pairs, Three, pinball, swapped, three

MEMORY = 2_048
"""Answers that are kept."""
LATELY, FINE, WIDE = 48, 12, 48
"""Answers that an opinion looks at: the last, and the nearest in size, few and many."""
OF_RUN, RUN_WIDE = 24, 64
"""The nearest in runs as long, few and many."""
OF_KIND = 128
"""The last of a kind that are kept."""
KINDS = 32
"""Kinds that are kept apart, the latest."""
PRIOR = 6.0
"""Answers that the policy's own expectation counts as."""
ETA, DECAY, MARGIN = 2.0, 0.998, 0.01
"""Of the weights: steepness, memory (500 answers), and the share of the scatter by which an opinion must be better."""
LEAST_SCATTER = 0.1
HINTS, HINT_PRIOR, LEAST_ERROR = 200.0, 4.0, 0.05
"""Answers with hints that are remembered, what a hint's presumed accuracy counts as, and the most it can come to."""

EVEN: Three = (0.0, 0.0, 0.0)
ONES: Three = (1.0, 1.0, 1.0)
FARTHEST = 600.0
"""Of the log of a weight, so that it stays a number."""


class Traits(msgspec.Struct, frozen=True, array_like=True):
    """What of a step tells how long its answer will be."""

    size: float
    """Log of 1 + input tokens."""
    news: float
    """Log of 1 + input tokens that are new since the run's last answer; all of them where there is none."""
    kind: str
    past: float | None = None
    """Level of the run's earlier answers, log tokens, without the peculiarities of the arms that gave them."""


class Opinion(msgspec.Struct, frozen=True, array_like=True):
    """What one looks at, as quantiles and a mean of log tokens."""

    name: str
    levels: Three
    mean: float


def _opinion(name: str, values: list[float] | tuple[float, ...]) -> Opinion:
    return Opinion(name, three(sorted(values)), sum(values) / len(values))


class Kind(msgspec.Struct, frozen=True, array_like=True):
    """The last answers to steps of one kind."""

    answers: tuple[tuple[float, float], ...] = ()
    """News and value, oldest first."""
    news: Pairs = Pairs()
    """The same, by news."""
    opinion: Opinion = Opinion("kind", EVEN, 0.0)

    def observe(self, news: float, value: float) -> Kind:
        full = len(self.answers) >= OF_KIND
        answers = (*self.answers[full:], (news, value))
        return Kind(
            answers,
            self.news.swap((news, value), self.answers[0] if full else None),
            _opinion("kind", [v for _, v in answers[-LATELY:]]),
        )


NO_KIND = Kind()


class Forecast(msgspec.Struct, frozen=True):
    """The opinions and what they come to."""

    levels: Three
    """Ascending."""
    mean: float
    opinions: tuple[Opinion, ...]
    """The constant first."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
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
    total: float = 0.0
    """Their sum."""
    sizes: Pairs = Pairs()
    pasts: Pairs = Pairs()
    lately: Opinion | None = None
    kinds: Mapping[str, Kind] = {}
    """The one that was seen last, last."""
    leads: Mapping[str, Three] = {}
    """Opinion → discounted lead over the constant at each level."""
    weights: Mapping[str, Three] = {}
    """The same as exp(ETA * lead)."""
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
            share * self.total / n + rest * prior[1],
        )

    def _opinions(self, traits: Traits) -> list[Opinion]:
        assert self.lately is not None
        found = [
            self.lately,
            _opinion("size", self.sizes.near(traits.size, FINE)),
            _opinion("size, wide", self.sizes.near(traits.size, WIDE)),
        ]
        if len(self.kinds) > 1 and (kind := self.kinds.get(traits.kind)):
            found.append(kind.opinion)
            found.append(_opinion("kind, news", kind.news.near(traits.news, OF_RUN)))
        if traits.past is not None and self.pasts.keys:
            found.append(_opinion("run", self.pasts.near(traits.past, OF_RUN)))
            found.append(_opinion("run, wide", self.pasts.near(traits.past, RUN_WIDE)))
        return found

    def _mixed(self, opinions: tuple[Opinion, ...]) -> Forecast:
        weights = [self.weights.get(o.name, ONES) for o in opinions]
        levels, mean = [], 0.0
        for i in range(3):
            total = sum([w[i] for w in weights])
            levels.append(sum([w[i] * o.levels[i] for w, o in zip(weights, opinions, strict=True)]) / total)
            if i == 1:
                mean = sum([w[i] * o.mean for w, o in zip(weights, opinions, strict=True)]) / total
        low, middle, high = levels
        return Forecast((min(low, middle), middle, max(high, middle)), mean, opinions)

    def observe(self, traits: Traits, value: float, forecast: Forecast, *, exact: bool = True) -> Shape:
        """With one more answer. `forecast`: this shape's own, of that step. `exact`: False where the answer was cut off
        and `value` is a stand-in, by which nobody is judged."""
        answers, old = self.answers.copy(), None
        if len(answers) >= MEMORY:
            old = answers.pop(0)
        answers.append(Answer(traits, value))
        leads = self._leads(value, forecast.opinions) if exact else {}
        return msgspec.structs.replace(
            self,
            answers=answers,
            values=swapped(self.values, value, old.value if old else None),
            total=self.total + value - (old.value if old else 0.0),
            sizes=self.sizes.swap((traits.size, value), (old.traits.size, old.value) if old else None),
            pasts=self.pasts.swap(_past(traits, value), _past(old.traits, old.value) if old else None),
            lately=_opinion("lately", [a.value for a in answers[-LATELY:]]),
            kinds=self._kinds(traits, value),
            leads={**self.leads, **leads},
            weights={**self.weights, **{name: _weight(lead) for name, lead in leads.items()}},
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

    def _kinds(self, traits: Traits, value: float) -> Mapping[str, Kind]:
        kinds = dict(self.kinds)
        kinds[traits.kind] = kinds.pop(traits.kind, NO_KIND).observe(traits.news, value)
        if len(kinds) > KINDS:
            del kinds[next(iter(kinds))]
        return kinds

    def _leads(self, value: float, opinions: tuple[Opinion, ...]) -> dict[str, Three]:
        """The new leads of those that had a say."""
        low, middle, high = opinions[0].levels
        scatter = max(LEAST_SCATTER, high - low) / 2.5
        losses = pinball(value, low, 0.1), pinball(value, middle, 0.5), pinball(value, high, 0.9)
        leads = {}
        for opinion in opinions[1:]:
            was, said = self.leads.get(opinion.name, EVEN), opinion.levels
            leads[opinion.name] = (
                # The outer quantiles' losses are about half of the median's.
                DECAY * was[0] + 2.0 * (losses[0] - pinball(value, said[0], 0.1)) / scatter - MARGIN,
                DECAY * was[1] + (losses[1] - pinball(value, said[1], 0.5)) / scatter - MARGIN,
                DECAY * was[2] + 2.0 * (losses[2] - pinball(value, said[2], 0.9)) / scatter - MARGIN,
            )
        return leads

    def recent(self, keep: int) -> Shape:
        """Only the last `keep` answers, and no opinion ahead of another: after a change, the past says little."""
        shape = Shape(hint_bias=self.hint_bias.capped(4.0), hint_square=self.hint_square.capped(4.0))
        for answer in self.answers[-keep:]:
            shape = shape.observe(answer.traits, answer.value, Forecast(EVEN, 0.0, ()), exact=False)
        return shape


def _past(traits: Traits, value: float) -> tuple[float, float] | None:
    return None if traits.past is None else (traits.past, value)


def _weight(lead: Three) -> Three:
    low, middle, high = lead
    return _exp(low), _exp(middle), _exp(high)


def _exp(lead: float) -> float:
    return math.exp(max(-FARTHEST, min(FARTHEST, ETA * lead)))
