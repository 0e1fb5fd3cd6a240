"""What is believed of the output length of every arm at every class, and how one answer moves it.

A class's Shape holds what its answers depend on, whoever gives them. An arm's own peculiarity is a factor on the visible
tokens, learned class by class and shrunk to what it is in all classes, to the model's, to none; its reasoning tokens; and a
shift of q90 by which nine of ten of its answers stay below it, whatever the rest is worth (adaptive conformal inference:
the shift grows by 0.9 steps at each answer above q90, and falls by 0.1 at each below; Gibbs and Candes 2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from router.beliefs.length import REASONING_SPREAD, Z90, Length, LogNormal, Visible, compose, hidden, hinted, length
from router.beliefs.sample import Average, beyond
from router.beliefs.shape import Forecast, Shape, Traits
from router.catalog import Catalog
from router.outcome import Past

STEP = 0.07
"""Of the shift of q90. Over n answers coverage is within (range of the shift) / (STEP * n) of 0.9."""
LOWEST, HIGHEST = -1.0, 8.0
"""Bounds of the shift, in distances from q50 to q90."""
SHRINK = 5.0
"""Answers that what is known one level up counts as."""
DRIFT_SHRINK = 30.0
"""Answers after which all classes' common deviation from the policy's expectation moves the next class half-way."""
MEMORY = 300.0
"""Answers that an arm's peculiarities remember."""
LONG = 2_000.0
"""Answers that offsets remember: they last, and their noise adds to that of every answer."""
WIDENED = 4.0
"""Answers that an arm's peculiarities are worth after a change."""
UP = 0.1
"""Weight of a class's shift in that of the arm as a whole, where a new class begins."""
FADING = 0.5
"""Weight of each earlier answer of a run against the one after it."""
NO_THOUGHT = 0.5
"""Log of 1 + reasoning tokens below which an arm is taken not to think."""


class Asked(msgspec.Struct, frozen=True):
    """What is asked of the lengths for one step."""

    step_class: str
    q50: float
    """Visible tokens that the policy expects of the class."""
    q90: float
    hint: int | None = None
    """What the caller expects."""
    max_tokens: int | None = None
    input_tokens: float = 0.0
    """About: the same count for all models."""
    kind: str = ""
    """Whatever else is worth telling apart: the step's name, tools, a schema."""
    past: tuple[Past, ...] = ()
    """The run's latest answers, the last one last."""


class Own(msgspec.Struct, frozen=True):
    """What is an arm's own: at one class, at all, or of all arms of its model."""

    offset: Average = Average()
    """Log of its visible tokens over those of the class."""
    thought: Average = Average()
    """Log of 1 + reasoning tokens."""
    thought_square: Average = Average()
    """Its squared distance from the mean."""
    shift: float = 0.0
    seen: Average = Average()
    """Output tokens."""
    meant: Average = Average()
    """What their expectation was, before this very correction."""

    @property
    def factor(self) -> float:
        """By which the expectation is corrected."""
        if self.meant.mean <= 0:
            return 1.0
        return self.seen.towards(self.meant.mean, SHRINK) / self.meant.mean

    def with_answer(self, gap: float, thought: float | None) -> Own:
        """`gap`: log of its visible tokens over those of the class; `thought`: log of 1 + its reasoning tokens."""
        if thought is None:
            return msgspec.structs.replace(self, offset=self.offset.add(gap, LONG))
        off = thought - self.thought.mean if self.thought.weight else 0.0
        return msgspec.structs.replace(
            self,
            offset=self.offset.add(gap, LONG),
            thought=self.thought.add(thought, MEMORY),
            thought_square=self.thought_square.add(off * off, MEMORY),
        )

    def capped(self, weight: float) -> Own:
        """The same, worth `weight` answers at most."""
        parts = {name: getattr(self, name).capped(weight) for name in ("offset", "thought", "seen", "meant")}
        return msgspec.structs.replace(self, **parts)


NEW = Own()


class Lengths(msgspec.Struct, frozen=True, eq=False):
    """Beliefs on output length of all arms. Compared and hashed by identity, so that look-ups can be cached on it."""

    reasoning: Mapping[str, float]
    """Arm → median reasoning tokens, by the catalog."""
    models: Mapping[str, str] = {}
    """Arm → its model."""
    shapes: Mapping[str, Shape] = {}
    """Step class → what its answers depend on."""
    own: Mapping[str, Own] = {}
    """Arm or model → what is its own at all classes."""
    cells: Mapping[str, Mapping[str, Own]] = {}
    """Step class → arm → what is its own there."""
    common: Mapping[str, float] = {}
    """Step class, or "" for all → mean of its arms' offsets."""
    drift: Average = Average()
    """Log of visible tokens over the policies' expectation, at all classes."""

    def about(self, asked: Asked) -> Outlook:
        """What is believed of one step, for all arms."""
        if not self.own:
            return Outlook(self, asked, None)
        shape = self.shapes.get(asked.step_class, BLANK)
        middle = math.log(asked.q50) + self.drift.towards(0.0, DRIFT_SHRINK)
        reach = max(math.log(asked.q90 / asked.q50), 0.0)
        return Outlook(self, asked, shape.forecast(self._traits(asked), (middle - reach, middle, middle + reach)))

    def _traits(self, asked: Asked) -> Traits:
        level, weight = 0.0, 0.0
        for past in asked.past:
            level, weight = level * FADING, weight * FADING
            level += math.log(max(past.visible, 1)) - self.offset(past.arm, asked.step_class)
            weight += 1.0
        past_level = level / weight if weight else None
        return Traits(math.log1p(asked.input_tokens), asked.kind, past_level)

    def offset(self, arm: str, step_class: str) -> float:
        """Log of the arm's visible tokens over those of the class.

        What all arms have in common is the class's to learn, so each level counts from its arms' mean.
        """
        common = self.common.get("", 0.0)
        wide = self.own.get(self.models.get(arm, ""), NEW).offset.towards(common, SHRINK)
        middle = self.own.get(arm, NEW).offset.towards(wide, SHRINK) - common
        common = self.common.get(step_class, 0.0)
        return self.cell(arm, step_class).offset.towards(middle + common, SHRINK) - common

    def cell(self, arm: str, step_class: str) -> Own:
        return self.cells.get(step_class, NOTHING).get(arm, NEW)

    def thought(self, arm: str, step_class: str) -> LogNormal | None:
        """The arm's reasoning tokens, None where it does not think."""
        prior, wide, here = self.reasoning[arm], self.own.get(arm, NEW), self.cell(arm, step_class)
        if not wide.thought.weight:
            return hidden(prior)
        level = here.thought.towards(wide.thought.towards(math.log1p(prior), SHRINK), SHRINK)
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
        known = self if self.own else msgspec.structs.replace(self, own={arm: NEW})
        return known._learn(arm, asked, visible, reasoning, cut)

    def _learn(self, arm: str, asked: Asked, visible: int, reasoning: int, cut: bool) -> Lengths:
        outlook = self.about(asked)
        forecast = outlook.forecast
        assert forecast is not None
        believed, tokens = outlook.visible(arm, forecast), math.log(max(visible, 1))
        if cut:
            tokens = beyond(tokens, believed.q50, max((believed.q90 - believed.q50) / Z90, 1e-6))
            reasoning = max(reasoning, round(outlook.thought(arm))) if visible == 0 else reasoning
        offset = self.offset(arm, asked.step_class)
        shape = self.shapes.get(asked.step_class, BLANK)
        learned = shape.observe(self._traits(asked), tokens - offset, forecast, exact=not cut)
        if asked.hint:
            learned = learned.hinted(tokens - math.log(asked.hint))
        here = self._judged(arm, outlook, visible + reasoning, cut)
        gap, thought = tokens - forecast.mean, math.log1p(reasoning)
        model, wide = self.models.get(arm, arm), self.own.get(arm, NEW)
        own = {
            **self.own,
            model: self.own.get(model, NEW).with_answer(gap, None),
            arm: msgspec.structs.replace(
                wide.with_answer(gap, thought), shift=wide.shift + UP * (here.shift - wide.shift)
            ),
        }
        cells = {**self.cells.get(asked.step_class, NOTHING), arm: here.with_answer(gap, thought)}
        return msgspec.structs.replace(
            self,
            shapes={**self.shapes, asked.step_class: learned},
            own=own,
            cells={**self.cells, asked.step_class: cells},
            common={**self.common, asked.step_class: _common(cells), "": _common(own)},
            drift=self.drift.add(tokens - math.log(asked.q50), MEMORY),
        )

    def _judged(self, arm: str, outlook: Outlook, total: int, cut: bool) -> Own:
        """The arm's own at the class, after `total` tokens are held against what was expected of them."""
        here, asked = self.cell(arm, outlook.asked.step_class), outlook.asked
        length = outlook.of(arm)
        shift = here.shift if here.meant.weight else self.own.get(arm, NEW).shift
        # Where q90 lies beyond the cut, or the answer was cut off below it, nobody knows whether it held.
        if total > length.uncut:
            shift += STEP * 0.9
        elif not cut and (asked.max_tokens is None or length.uncut < asked.max_tokens):
            shift -= STEP * 0.1
        return msgspec.structs.replace(
            here,
            shift=min(max(shift, LOWEST), HIGHEST),
            seen=here.seen.add(total, MEMORY),
            meant=here.meant.add(length.mean / here.factor, MEMORY),
        )

    def recent(self, step_class: str, keep: int = 32) -> Lengths:
        """What is known of a class reduced to its last answers: for when it is found to have changed."""
        if step_class not in self.shapes:
            return self
        cells = {a: own.capped(WIDENED) for a, own in self.cells.get(step_class, NOTHING).items()}
        return msgspec.structs.replace(
            self,
            shapes={**self.shapes, step_class: self.shapes[step_class].recent(keep)},
            cells={**self.cells, step_class: cells},
        )


def _common(owns: Mapping[str, Own]) -> float:
    """Mean of the offsets, weighted by what they rest on."""
    total = sum(o.offset.weight for o in owns.values())
    return sum(o.offset.weight * o.offset.mean for o in owns.values()) / total if total else 0.0


BLANK = Shape()
NOTHING: Mapping[str, Own] = {}


class Outlook(msgspec.Struct, frozen=True):
    """What is believed of one step."""

    lengths: Lengths
    asked: Asked
    forecast: Forecast | None
    """Of the class; None while nothing is learned."""

    def of(self, arm: str) -> Length:
        asked = self.asked
        if self.forecast is None:
            return length(asked.q50, asked.q90, asked.hint, asked.max_tokens, self.lengths.reasoning[arm])
        here = self.lengths.cell(arm, asked.step_class)
        shift = here.shift if here.meant.weight else self.lengths.own.get(arm, NEW).shift
        thought = self.lengths.thought(arm, asked.step_class)
        return compose(self.visible(arm, self.forecast), thought, shift, here.factor, asked.max_tokens)

    def thought(self, arm: str) -> float:
        """Median reasoning tokens."""
        thought = self.lengths.thought(arm, self.asked.step_class)
        return 0.0 if thought is None else math.exp(thought.mu)

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
