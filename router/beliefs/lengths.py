"""What is believed of the output length of every arm at every class, and how one answer moves it.

A class's Shape holds what its answers depend on, whoever gives them. An arm's own peculiarity is a factor on the
visible tokens, learned class by class and shrunk to what it is in all classes, to the model's, to none; its reasoning
tokens; and a shift of q90 by which nine of ten of its answers stay below it, whatever the rest is worth (adaptive
conformal inference: at each answer above q90 the shift grows by 0.9 steps, else it falls by 0.1; Gibbs and Candes
2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

import msgspec

from router.beliefs.drift import Drift
from router.beliefs.habit import MEMORY, NEW, SHRINK, Habit
from router.beliefs.length import REASONING_SPREAD, Z90, Length, LogNormal, Visible, compose, hidden, hinted, length
from router.beliefs.sample import Average, beyond
from router.beliefs.shape import Forecast, Shape, Traits
from router.catalog import Catalog
from router.reports import Asked as Asked

DRIFT_SHRINK = 30.0
"""Answers after which all classes' common deviation from the policy's expectation moves the next class half-way."""
WIDENED = 4.0
"""Answers that an arm's peculiarities are worth after a change."""
UP = 0.1
"""Weight of a class's shift in that of the arm as a whole, where a new class begins."""
FADING = 0.5
"""Weight of each earlier answer of a run against the one after it."""
NO_THOUGHT = 0.5
"""Log of 1 + reasoning tokens below which an arm is taken not to think."""


class Lengths(msgspec.Struct, frozen=True, eq=False):
    """Beliefs on output length of all arms. Compared and hashed by identity, so that look-ups can be cached on it."""

    reasoning: Mapping[str, float]
    """Arm → median reasoning tokens, by the catalog."""
    models: Mapping[str, str] = {}
    """Arm → its model."""
    shapes: Mapping[str, Shape] = {}
    """Step class → what its answers depend on."""
    habits: Mapping[str, Habit] = {}
    """Arm or model → what is its own at all classes."""
    cells: Mapping[str, Mapping[str, Habit]] = {}
    """Step class → arm → what is its own there."""
    common: Mapping[str, float] = {}
    """Step class, or "" for all → mean of its arms' offsets."""
    drift: Average = Average()
    """Log of visible tokens over the policies' expectation, at all classes."""
    changes: Drift = Drift()
    """Whether answers are still as long as foretold."""

    def about(self, asked: Asked) -> Outlook:
        """What is believed of one step, for all arms."""
        if not self.habits:
            return Outlook(self, asked, None)
        shape = self.shapes.get(asked.step_class, BLANK)
        middle = math.log(asked.q50) + self.drift.towards(0.0, DRIFT_SHRINK)
        reach = max(math.log(asked.q90 / asked.q50), 0.0)
        return Outlook(self, asked, shape.forecast(self._traits(asked), (middle - reach, middle, middle + reach)))

    def _traits(self, asked: Asked) -> Traits:
        size = math.log1p(asked.input_tokens)
        if not asked.past:
            return Traits(size, size, asked.kind)
        level, weight = 0.0, 0.0
        for past in asked.past:
            level, weight = level * FADING, weight * FADING
            level += math.log(max(past.visible, 1)) - self.offset(past.arm, asked.step_class)
            weight += 1.0
        last = asked.past[-1]
        known = last.input_tokens + last.visible if last.input_tokens else 0
        return Traits(size, math.log1p(max(asked.input_tokens - known, 0.0)), f"{asked.kind}|run", level / weight)

    def offset(self, arm: str, step_class: str) -> float:
        """Log of the arm's visible tokens over those of the class.

        What all arms have in common is the class's to learn, so each level counts from its arms' mean.
        """
        common = self.common.get("", 0.0)
        wide = self.habits.get(self.models.get(arm, ""), NEW).offset.towards(common, SHRINK)
        middle = self.habits.get(arm, NEW).offset.towards(wide, SHRINK) - common
        common = self.common.get(step_class, 0.0)
        return self.cell(arm, step_class).offset.towards(middle + common, SHRINK) - common

    def cell(self, arm: str, step_class: str) -> Habit:
        return self.cells.get(step_class, NOTHING).get(arm, NEW)

    def shift(self, arm: str, step_class: str) -> float:
        """Of q90; a class without answers begins where the arm's others are."""
        here = self.cell(arm, step_class)
        return here.shift if here.meant.weight else self.habits.get(arm, NEW).shift

    def thought(self, arm: str, step_class: str, apart: float) -> LogNormal | None:
        """The arm's reasoning tokens, None where it does not think. `apart`: log of the step's expected visible tokens
        over the class's."""
        prior, wide, here = self.reasoning[arm], self.habits.get(arm, NEW), self.cell(arm, step_class)
        if not wide.thought.weight:
            return hidden(prior)
        level = here.thought.towards(wide.thought.towards(math.log1p(prior), SHRINK), SHRINK)
        level += here.slope(wide.slope(0.0)) * apart
        if level < NO_THOUGHT:
            return None
        square = here.thought_square.towards(wide.thought_square.towards(REASONING_SPREAD**2, SHRINK), SHRINK)
        return LogNormal(math.log(math.expm1(level)), math.sqrt(square))

    def observe(self, arm: str, asked: Asked, visible: int, reasoning: int = 0, *, cut: bool = False) -> Lengths:
        """After an answer of `arm`; tokens are those of one choice. `cut`: it was cut off at a limit.

        An answer without a token, or of an arm that the catalog lacks, teaches nothing.
        """
        if visible + reasoning <= 0 or arm not in self.reasoning:
            return self
        known = self if self.habits else msgspec.structs.replace(self, habits={arm: NEW})
        return known._learn(arm, asked, visible, reasoning, cut)

    def _learn(self, arm: str, asked: Asked, visible: int, reasoning: int, cut: bool) -> Lengths:
        outlook = self.about(asked)
        forecast = outlook.forecast
        assert forecast is not None
        believed, length, tokens = outlook.visible(arm, forecast), outlook.of(arm), math.log(max(visible, 1))
        if cut:
            tokens = beyond(tokens, believed.q50, max((believed.q90 - believed.q50) / Z90, 1e-6))
            reasoning = max(reasoning, round(length.thought)) if visible == 0 else reasoning
        offset = self.offset(arm, asked.step_class)
        shape = self.shapes.get(asked.step_class, BLANK)
        learned = shape.observe(self._traits(asked), tokens - offset, forecast, exact=not cut)
        if asked.hint:
            learned = learned.hinted(tokens - math.log(asked.hint))
        total, here = visible + reasoning, self.cell(arm, asked.step_class)
        here = here.judged(total, length, self.shift(arm, asked.step_class), cut=cut, max_tokens=asked.max_tokens)
        gap, thought = tokens - forecast.mean, math.log1p(reasoning)
        model, wide = self.models.get(arm, arm), self.habits.get(arm, NEW).with_thought(thought, outlook.apart)
        habits = {
            **self.habits,
            model: self.habits.get(model, NEW).with_gap(gap),
            arm: msgspec.structs.replace(wide.with_gap(gap), shift=wide.shift + UP * (here.shift - wide.shift)),
        }
        cells = {
            **self.cells.get(asked.step_class, NOTHING),
            arm: here.with_gap(gap).with_thought(thought, outlook.apart),
        }
        found = msgspec.structs.replace(
            self,
            shapes={**self.shapes, asked.step_class: learned},
            habits=habits,
            cells={**self.cells, asked.step_class: cells},
            common={**self.common, asked.step_class: _common(cells), "": _common(habits)},
            drift=self.drift.add(tokens - math.log(asked.q50), MEMORY),
        )
        return found if cut else found._watched(model, asked.step_class, math.log(total / length.q50))

    def _watched(self, model: str, step_class: str, log_ratio: float) -> Lengths:
        """After an answer whose length came to this, by what was foretold of it."""
        changes = self.changes.ratio((model, step_class), log_ratio)
        found = msgspec.structs.replace(self, changes=changes)
        return found if changes.alarms is self.changes.alarms else found.widened(model, step_class)

    def widened(self, model: str, step_class: str) -> Lengths:
        """For when a model's answers at a class are found to have changed: the next ones count for much.

        Where nobody else answers the class, it is the class that has changed.
        """
        cells = self.cells.get(step_class, NOTHING)
        mine = {arm: habit.capped(WIDENED) for arm, habit in cells.items() if self.models.get(arm, arm) == model}
        if len(mine) == len(cells):
            return self.recent(step_class)
        return msgspec.structs.replace(self, cells={**self.cells, step_class: {**cells, **mine}})

    def recent(self, step_class: str, keep: int = 32) -> Lengths:
        """What is known of a class reduced to its last answers: for when it is found to have changed."""
        if step_class not in self.shapes:
            return self
        cells = {a: habit.capped(WIDENED) for a, habit in self.cells.get(step_class, NOTHING).items()}
        return msgspec.structs.replace(
            self,
            shapes={**self.shapes, step_class: self.shapes[step_class].recent(keep)},
            cells={**self.cells, step_class: cells},
        )


def _common(habits: Mapping[str, Habit]) -> float:
    """Mean of the offsets, weighted by what they rest on."""
    total = sum(h.offset.weight for h in habits.values())
    return sum(h.offset.weight * h.offset.mean for h in habits.values()) / total if total else 0.0


BLANK = Shape()
NOTHING: Mapping[str, Habit] = {}


class Outlook(msgspec.Struct, frozen=True, dict=True):
    """What is believed of one step."""

    lengths: Lengths
    asked: Asked
    forecast: Forecast | None
    """Of the class; None while nothing is learned."""

    def of(self, arm: str) -> Length:
        asked = self.asked
        if self.forecast is None:
            return length(asked.q50, asked.q90, asked.hint, asked.max_tokens, self.lengths.reasoning[arm])
        here, shift = self.lengths.cell(arm, asked.step_class), self.lengths.shift(arm, asked.step_class)
        thought = self.lengths.thought(arm, asked.step_class, self.apart)
        return compose(self.visible(arm, self.forecast), thought, shift, here.factor, asked.max_tokens)

    @cached_property
    def apart(self) -> float:
        """Log of the step's expected visible tokens over those of its class."""
        return self.forecast.levels[1] - self.forecast.opinions[0].levels[1] if self.forecast else 0.0

    def visible(self, arm: str, forecast: Forecast) -> Visible:
        asked = self.asked
        offset = self.lengths.offset(arm, asked.step_class)
        low, middle, high = forecast.levels
        visible = Visible(low + offset, middle + offset, high + offset)
        if not asked.hint:
            return visible
        shape = self.lengths.shapes.get(asked.step_class, BLANK)
        if not shape.hint_bias.weight:
            return hinted(visible, asked.hint)
        return hinted(visible, asked.hint, *shape.hint_record())


def prior(catalog: Catalog) -> Lengths:
    return Lengths(
        {arm.name: arm.model.thinking[arm.mode].reasoning_tokens for arm in catalog.arms},
        {arm.name: arm.model.name for arm in catalog.arms},
    )
