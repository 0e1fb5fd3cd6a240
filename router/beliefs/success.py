"""How able each arm is at each class of step, and how one step's attempts move that.

logit p = score's + ability's deviation + calibration + facts' weights + words' weights, and the step's own difficulty
around it (`latent`). All parts are moved by one joint update per step, on the marginal likelihood of all its attempts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec
import numpy as np

from router.beliefs import ability, calibration, places, text
from router.beliefs.ability import Ability, solved
from router.beliefs.calibration import Calibration
from router.beliefs.correlation import Correlation, Spread
from router.beliefs.drift import Chance, Drift
from router.beliefs.latent import Array, Index, identity, moments, spread
from router.beliefs.likelihood import Slope, Try, positive, slope, telling, tried
from router.beliefs.linear import Linear, Look
from router.beliefs.published import Scores, Success, scores
from router.beliefs.weights import Sight, Weights
from router.catalog import Catalog
from router.outcome import Evidence
from router.step.vector import NAMES

FACTS = {"all": 0.35, "arm": 0.2, "class": 0.2, "both": 0.1}
"""Prior standard deviations of the weights of step facts, logits: of all arms and classes, and how each differs."""
WORDS = {"all": 0.5, "model": 0.6}
"""The same of hashed words, whose values have a norm of 1."""
KEPT = 0.05
"""Share of what was seen of a model at a class that counts on after it was found to have changed there."""
SIGMA, TAU = 1.5, 1.0
"""Spreads that abilities are learned under, unless a caller says otherwise: those of the shipped policies."""


class Memory(msgspec.Struct, frozen=True):
    """How slowly outcomes are forgotten, towards the published scores."""

    outcomes: float = 2_000.0
    """Half-life in outcomes of the same class."""
    seconds: float = 60 * 86_400.0
    """Half-life in seconds between outcomes of the same class."""

    def keep(self, seconds: float) -> float:
        """Share of what was known that counts on after one more outcome, `seconds` after the one before."""
        return float(0.5 ** (1.0 / self.outcomes + max(0.0, seconds) / self.seconds))


class Successes(msgspec.Struct, frozen=True, eq=False):
    """Beliefs on success of all arms and classes. Compared by identity, so that look-ups can be cached on it."""

    scores: Scores
    arms: tuple[str, ...]
    models: tuple[str, ...]
    """Of each arm."""
    ability: Ability
    facts: Weights
    words: Linear | None
    """None: the text of steps is not read."""
    calibration: Calibration
    correlation: Correlation
    memory: Memory = Memory()
    seen: Mapping[str, float] = {}
    """Step class → when it was last learned of, Unix time."""
    drift: Drift = Drift()

    def of(self, arm: str, step_class: str, sigma: float, tau: float) -> Success:
        """The posterior of `arm` at `step_class`, facts aside; a KeyError for an arm that the catalog lacks."""
        return believed(self, step_class, sigma, tau)[arm]

    def spread(self, step_class: str, sigma: float = SIGMA, tau: float = TAU) -> Spread:
        """What is believed of the class's spreads; `sigma` and `tau`: what the policy says."""
        return self.correlation.of(step_class, sigma, tau)

    def shifts(self, step_class: str, x: Sequence[float], sketch: bytes = b"") -> Array:
        """What the facts `x` and the words in `sketch` of one step add to the logits, for each of `arms`."""
        out: Array | None = None
        if x and self.facts.rows:
            weights, level = _weighed(self, step_class)
            out = weights @ self.facts.whole(x) + level
        if sketch and self.words is not None and self.words.rows:
            told = self.words.shift(places.keys(self.arms, self.models, step_class).words, *text.features(sketch))
            out = told if out is None else out + told
        return np.zeros(len(self.arms)) if out is None else out

    @property
    def reads(self) -> bool:
        """Whether the facts of a step say anything yet."""
        return bool(self.facts.rows) or (self.words is not None and bool(self.words.rows))

    def reading(self) -> Successes:
        """The same, the words of steps being learned from henceforth."""
        if self.words is not None:
            return self
        return msgspec.structs.replace(self, words=Linear(text.WIDTH, WORDS))

    def observe(self, said: Evidence, earlier: Evidence | None = None) -> Successes:
        """The beliefs after one step.

        `earlier`: what was counted of this very step before, if anything: only what is new then counts, the ratio of
        both likelihoods. Trials of arms that the catalog lacks, and those that say nothing, count for nothing.
        """
        now, before = self._tries(said), self._tries(earlier) if earlier is not None else ()
        if (not now and not before) or (earlier is not None and said.trials == earlier.trials):
            return self
        return self._learned(said, now, before)

    def _logits(self, step_class: str, spreads: Spread) -> Array:
        """Posterior means of all arms, facts aside."""
        mu, sd = _published(self.scores, self.arms, step_class, spreads.sigma, spreads.tau)
        return mu + sd * self.ability.of(step_class)[0] + self.calibration.shift

    def _tries(self, said: Evidence) -> tuple[Try, ...]:
        """Trials as tries by index of arm and model."""
        index, kinds = places.places(self.arms), places.numbers(self.models)
        found = []
        for trial in said.trials:
            at = index.get(trial.arm)
            if at is not None and (one := tried(trial, at, kinds[at])) is not None:
                found.append(one)
        return tuple(found)

    def _learned(self, said: Evidence, now: tuple[Try, ...], before: tuple[Try, ...]) -> Successes:
        arms = np.array(sorted({t.arm for t in (*now, *before)}), dtype=np.intp)
        spreads = self.spread(said.step_class)
        levels = self._logits(said.step_class, spreads)
        known = self._known(said, arms)
        logits = sum([part.shift for part in known if part is not None], levels[arms])
        found = _slope(now, arms, logits, spreads)
        if before:
            found = found.less(_slope(before, arms, logits, spreads))
        seconds = said.at - self.seen.get(said.step_class, said.at)
        keep = self.memory.keep(seconds) if not before else 1.0
        moved = self._moved(said, arms, found, keep, spreads, known)
        if said.x and not before:
            moved = msgspec.structs.replace(moved, facts=moved.facts.met(said.step_class, said.x))
        of_arm = dict(zip(arms.tolist(), logits.tolist(), strict=True))
        chance = moments(of_arm[(now or before)[0].arm] + spread(spreads.sigma, spreads.tau))
        moved = self._watched(moved, said.step_class, now, before, levels, chance)
        return msgspec.structs.replace(
            moved,
            correlation=self._correlated(said, now, before, of_arm, spreads, keep),
            seen={**self.seen, said.step_class: max(said.at, self.seen.get(said.step_class, said.at))},
        )

    def _known(self, said: Evidence, arms: Index) -> tuple[Sight | None, Look | None]:
        """What is known along the facts and the words of a step, for `arms`."""
        keys = places.keys(self.arms, self.models, said.step_class)
        seen = look = None
        if said.x:
            values = self.facts.centred(said.step_class, said.x)
            seen = self.facts.sight(tuple([keys.facts[a] for a in arms]), values)
        if said.text and self.words is not None:
            look = self.words.look(tuple([keys.words[a] for a in arms]), *text.features(said.text))
        return seen, look

    def _moved(
        self,
        said: Evidence,
        arms: Index,
        found: Slope,
        keep: float,
        spreads: Spread,
        known: tuple[Sight | None, Look | None],
    ) -> Successes:
        """The joint step of a Gauss-Newton (extended Kalman) filter, its covariance between the parts then dropped."""
        one = identity(len(arms))
        unit = _published(self.scores, self.arms, said.step_class, spreads.sigma, spreads.tau)[1][arms]
        units = unit[:, None] * unit
        own = self.ability.of(said.step_class)[1][arms[:, None], arms] * units
        others = sum([part.covariance for part in known if part is not None], np.zeros_like(own))
        precision = said.weight * positive(found.precision)
        both = np.column_stack((said.weight * found.gradient, precision))
        joint = solved(one + precision @ (own + others), both)
        alone = solved(one + precision @ others, both)
        facts, words, (seen, look) = self.facts, self.words, known
        if seen is not None:
            facts = facts.add(seen, joint[:, 0], joint[:, 1:], keep)
        if look is not None and words is not None:
            words = words.add(look, joint[:, 0], joint[:, 1:], keep)
        able = self.ability.add(said.step_class, arms, unit * alone[:, 0], alone[:, 1:] * units, keep)
        return msgspec.structs.replace(self, ability=able, facts=facts, words=words)

    def _watched(
        self,
        moved: Successes,
        step_class: str,
        now: tuple[Try, ...],
        before: tuple[Try, ...],
        levels: Array,
        chance: tuple[float, float],
    ) -> Successes:
        """`moved` after the first attempt was held against the `chance` it had, and its slope by the logit.

        Where a model is found to have changed, as unsure of it at the class as after few outcomes.
        """
        calibration = self._calibrated(now, before, *chance)
        moved = msgspec.structs.replace(moved, calibration=calibration)
        if not now or (before and before[0].arm != now[0].arm):
            return moved
        first, old = now[0], before[0] if before else None
        arms = places.siblings(self.models)[first.arm]
        level = sum([float(levels[a]) for a in arms]) / len(arms)
        drift = self.drift.success((self.models[first.arm], step_class), Chance(*chance, level), first, old)
        if drift.alarms is self.drift.alarms:
            return msgspec.structs.replace(moved, drift=drift)
        able = moved.ability.widened(step_class, arms, KEPT)
        return msgspec.structs.replace(moved, drift=drift, ability=able, calibration=calibration.anew(arms))

    def _calibrated(self, now: tuple[Try, ...], before: tuple[Try, ...], p: float, rise: float) -> Calibration:
        """By first attempts alone: of later ones the chance before them is another.

        Verdicts and signs alike, as what they are worth: a caller that only ever tells of wrong answers would else
        pull down what it is asked about.
        """
        first = (now or before)[0].arm
        slopes, weights = 0.0, 0.0
        for sign, tries in ((1.0, now), (-1.0, before)):
            if tries and tries[0].arm == first:
                slope, weight = calibration.surprise(tries[0], p, rise)
                slopes, weights = slopes + sign * slope, weights + sign * weight
        return self.calibration.observe(first, slopes, rise * rise / (p * (1.0 - p)), weights)

    def _correlated(
        self,
        said: Evidence,
        now: tuple[Try, ...],
        before: tuple[Try, ...],
        logits: Mapping[int, float],
        spreads: Spread,
        keep: float,
    ) -> Correlation:
        found = self.correlation
        if now and not before:
            found = found.tried(said.step_class, now[0].arm)
        now, before = telling(now), telling(before)
        if max(len(now), len(before)) < 2:
            return found
        noise = spread(spreads.sigma, spreads.tau)
        chances = {arm: moments(logits[arm] + noise)[0] for arm in {t.arm for t in (*now, *before)}}
        if before:
            found = found.add(said.step_class, before, chances, spreads, 1.0, -said.weight)
        return found.add(said.step_class, now, chances, spreads, keep, said.weight)


def prior(catalog: Catalog, *, words: bool = False, memory: Memory | None = None) -> Successes:
    """Beliefs from published scores alone. `words`: as after `reading`."""
    arms = tuple(arm.name for arm in catalog.arms)
    models = tuple(arm.model.name for arm in catalog.arms)
    found = Successes(
        scores=scores(catalog),
        arms=arms,
        models=models,
        ability=ability.blank(places.numbers(models)),
        facts=Weights(len(NAMES), FACTS),
        words=None,
        calibration=calibration.blank(len(arms)),
        correlation=Correlation(),
        memory=memory or Memory(),
    )
    return found.reading() if words else found


@lru_cache(maxsize=512)
def believed(successes: Successes, step_class: str, sigma: float, tau: float) -> Mapping[str, Success]:
    """Arm → its posterior at a class, facts aside."""
    published = {arm: successes.scores.of(arm, step_class, sigma, tau) for arm in successes.arms}
    if not successes.ability.rows:
        return published
    mean, covariance = successes.ability.of(step_class)
    out = {}
    for i, (arm, score) in enumerate(published.items()):
        mu = score.mu + score.sd * float(mean[i]) + float(successes.calibration.shift[i])
        out[arm] = score.moved(mu, score.sd * float(covariance[i, i]) ** 0.5, sigma, tau)
    return out


@lru_cache(maxsize=64)
def _weighed(successes: Successes, step_class: str) -> tuple[Array, Array]:
    """Each arm's weights of facts at a class, (arms, facts), and what facts that are all zero add, (arms,)."""
    facts = successes.facts
    weights = facts.weights(places.keys(successes.arms, successes.models, step_class).facts)
    return weights, weights @ facts.centred(step_class, ())


@lru_cache(maxsize=512)
def _published(found: Scores, arms: tuple[str, ...], step_class: str, sigma: float, tau: float) -> tuple[Array, Array]:
    """Means and standard deviations of all arms by their scores."""
    each = [found.of(arm, step_class, sigma, tau) for arm in arms]
    return np.array([s.mu for s in each]), np.array([s.sd for s in each])


def _slope(tries: tuple[Try, ...], arms: Index, logits: Array, spreads: Spread) -> Slope:
    """By the logits of `arms`, which the tries name by their index among all."""
    local = {int(a): i for i, a in enumerate(arms)}
    own = [msgspec.structs.replace(t, arm=local[t.arm]) for t in tries]
    return slope(own, logits, spreads.sigma, spreads.tau, spreads.tau_feedback)
