"""The arithmetic of correlated retries: P(success) and expected visits of every sequence of arms, exactly.

An attempt at arm a is rejected with probability r = (1 - t) p + (1 - f) (1 - p) given the step's difficulty z and its
model's u. What came before an attempt matters only as a multiset of rejected attempts, so everything is built from two
numbers: reach(S) = P(all of S rejected) and hit(S, a) = P(all of S rejected and a right). Given z, models are
independent: each contributes E_u of the product over its own attempts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations_with_replacement

import msgspec
import numpy as np
from numpy.typing import NDArray

from router.beliefs.latent import LIMIT, U_WEIGHT, Z_WEIGHT, Array, logistic, spread

Index = NDArray[np.intp]
Failure = tuple[int, float]
"""A wrong answer that is already known: index of its model, logit of its arm."""


class Layout(msgspec.Struct, frozen=True, eq=False):
    """Index arrays of all sequences of A arms up to `attempts`, which depend only on who shares a model.

    Plans are numbered level by level, in lexicographic order within a level.
    """

    arms: int
    attempts: int
    rows: Index
    """(rows, attempts - 1): arms of each one-model multiset, A where there is none."""
    row_model: Index
    hit_row: Index
    hit_arm: Index
    """A factor "row rejected, then arm right" for each row and each arm of its model; numbered after the rows."""
    reach_factor: Index
    """(models, S): which row each multiset of rejected attempts has of each model."""
    hit_factor: Index
    """(models, S, A): the same with the next attempt right."""
    states: tuple[Index, ...]
    """Per level 0..attempts: the multiset of each sequence of that length."""
    offsets: tuple[int, ...]
    """Number of the first plan of each level 1..attempts, and the number of plans."""
    counts: Array
    """(all multisets, A): how often each arm is in it; multisets of fewer than `attempts` come first."""

    def sequence(self, number: int) -> tuple[int, ...]:
        """The arms of plan `number`, in order."""
        level = bisect_right(self.offsets, number)
        rest = number - self.offsets[level - 1]
        digits = []
        for _ in range(level):
            rest, digit = divmod(rest, self.arms)
            digits.append(digit)
        return tuple(reversed(digits))

    def before(self, sequence: tuple[int, ...]) -> list[int]:
        """The multiset before each attempt of a plan."""
        at, found = 0, []
        for level, arm in enumerate(sequence):
            found.append(int(self.states[level][at]))
            at = at * self.arms + arm
        return found

    def number(self, sequence: Sequence[int]) -> int:
        """The number of the plan that attempts these arms in order."""
        rest = 0
        for arm in sequence:
            rest = rest * self.arms + arm
        return self.offsets[len(sequence) - 1] + rest

    def ends(self) -> Index:
        """The multiset of each plan, its last attempt included."""
        out: Index = np.concatenate(self.states[1:])
        return out


@lru_cache(maxsize=1024)
def begun(shape: Layout, arm: int) -> Index:
    """The numbers of all plans that begin with `arm`."""
    widths = [shape.arms**level for level in range(shape.attempts)]
    starts = [first + arm * width for first, width in zip(shape.offsets, widths, strict=False)]
    return np.concatenate([np.arange(s, s + width) for s, width in zip(starts, widths, strict=True)])


@lru_cache(maxsize=256)
def layout(models: tuple[int, ...], attempts: int) -> Layout:
    """`models`: the model index (0, 1, ...) of each arm. All sequences of 1 to `attempts` arms."""
    size = len(models)
    every = [s for n in range(attempts + 1) for s in combinations_with_replacement(range(size), n)]
    number = {s: i for i, s in enumerate(every)}
    before = [s for s in every if len(s) < attempts]
    kinds = range(max(models) + 1)
    own = {m: [a for a in range(size) if models[a] == m] for m in kinds}
    rows = [(m, s) for m in kinds for n in range(attempts) for s in combinations_with_replacement(own[m], n)]
    row = {key: i for i, key in enumerate(rows)}
    hits = [(i, a) for i, (m, _) in enumerate(rows) for a in own[m]]
    hit = {key: len(rows) + i for i, key in enumerate(hits)}

    def part(s: tuple[int, ...], m: int) -> int:
        return row[m, tuple(a for a in s if models[a] == m)]

    reach = np.array([[part(s, m) for s in before] for m in kinds], dtype=np.intp)
    hit_factor = np.repeat(reach[:, :, None], size, axis=2)
    for i, s in enumerate(before):
        for a, m in enumerate(models):
            hit_factor[m, i, a] = hit[part(s, m), a]
    padded = [[*s, *[size] * (attempts - 1 - len(s))] for _, s in rows]
    return Layout(
        arms=size,
        attempts=attempts,
        rows=np.array(padded, dtype=np.intp).reshape(len(rows), attempts - 1),
        row_model=np.array([m for m, _ in rows], dtype=np.intp),
        hit_row=np.array([i for i, _ in hits], dtype=np.intp),
        hit_arm=np.array([a for _, a in hits], dtype=np.intp),
        reach_factor=reach,
        hit_factor=hit_factor,
        states=_states(size, attempts, number),
        offsets=tuple(sum(size**i for i in range(1, level)) for level in range(1, attempts + 2)),
        counts=np.array([[s.count(a) for a in range(size)] for s in every], dtype=np.float64),
    )


def _states(size: int, attempts: int, number: dict[tuple[int, ...], int]) -> tuple[Index, ...]:
    level: list[tuple[int, ...]] = [()]
    states = []
    for _ in range(attempts + 1):
        states.append(np.array([number[s] for s in level], dtype=np.intp))
        if len(states) <= attempts:
            level = [tuple(sorted((*s, a))) for s in level for a in range(size)]
    return tuple(states)


class Table(msgspec.Struct, frozen=True, eq=False):
    """Probabilities of all plans of a layout, given the failures already known."""

    p: Array
    """(plans,): P that the returned answer is right; the last attempt is returned even if rejected."""
    visits: Array
    """(plans, A): expected attempts at each arm, so that a plan's expected cost is visits @ cost."""
    reach: Array
    """(S,): P that all attempts of a multiset are rejected."""


def compute(
    models: tuple[int, ...],
    logits: tuple[float, ...],
    attempts: int,
    sigma: float,
    tau: float,
    t: float,
    f: float,
    failed: tuple[Failure, ...] = (),
) -> Table:
    """Probabilities of every plan of `layout(models, attempts)`.

    `logits`: ability of each arm; `t`, `f`: P(accepted) of a right and of a wrong answer; `failed`: answers to this
    very step that are known to be wrong, whose models may but need not be among `models` (then with further indices).
    """
    shape = layout(models, attempts)
    noise = spread(sigma, tau)
    x = np.clip(np.array(logits)[:, None, None] + noise, -LIMIT, LIMIT)
    odds = np.exp(-x)
    right = 1.0 / (1.0 + odds)
    rejected = (1.0 - t) * right + (1.0 - f) * odds * right
    known, weight = _known(failed, noise, max(models) + 1)
    factors = _factors(shape, right, np.concatenate((rejected, np.ones((1, *noise.shape)))), known)
    reach = _expect(factors, shape.reach_factor, weight)
    hit = _expect(factors, shape.hit_factor, weight)
    scale = reach[0]  # P(the known failures)
    return _levels(shape, reach / scale, hit / scale, t)


table = lru_cache(maxsize=128)(compute)


def chance(own: Failure, failed: tuple[Failure, ...], sigma: float, tau: float) -> float:
    """P(right) of one more attempt, by model and logit `own`, after answers known to be wrong."""
    noise = spread(sigma, tau)
    known, weight = _known(tuple((0 if m == own[0] else m + 1, logit) for m, logit in failed), noise, 1)
    before = np.ones_like(noise) if known is None else known[0]
    right = before * logistic(own[1] + noise)
    return float(weight @ right @ U_WEIGHT) / float(weight @ before @ U_WEIGHT)


def _known(failed: tuple[Failure, ...], noise: Array, models: int) -> tuple[Array | None, Array]:
    """P(known failures) given z and u, (models, 15, 7), and the weights of z after those of models out of play."""
    weight = Z_WEIGHT
    if not failed:
        return None, weight
    kinds = max(models, max(m for m, _ in failed) + 1)
    known = np.ones((kinds, *noise.shape))
    for model, logit in failed:
        known[model] *= logistic(-(logit + noise))
    for other in known[models:]:
        weight = weight * (other @ U_WEIGHT)
    return known[:models], weight


def _factors(shape: Layout, right: Array, rejected: Array, known: Array | None) -> Array:
    """(rows + hits, 15): each model's share of reach and hit given z, its u integrated out."""
    own = np.ones((len(shape.rows), *right.shape[1:])) if known is None else known[shape.row_model]
    for column in shape.rows.T:
        own *= rejected[column]
    hits = own[shape.hit_row]
    hits *= right[shape.hit_arm]
    return np.concatenate((own @ U_WEIGHT, hits @ U_WEIGHT))


def _expect(factors: Array, index: Index, weight: Array) -> Array:
    """E_z of the product over models; `index` is (models, ...), the result (...)."""
    product = factors[index[0]]
    for other in index[1:]:
        product *= factors[other]
    out: Array = product @ weight
    return out


def _levels(shape: Layout, reach: Array, hit: Array, t: float) -> Table:
    """Extends all plans by one attempt at a time: accepted before it, or reached and right."""
    size = shape.arms
    one = np.eye(size)
    accepted, visited = np.zeros(1), np.zeros((1, size))
    p, visits = [], []
    for states in shape.states[:-1]:
        right = hit[states]
        p.append((accepted[:, None] + right).ravel())
        accepted = (accepted[:, None] + t * right).ravel()
        visited = (visited[:, None, :] + reach[states][:, None, None] * one).reshape(-1, size)
        visits.append(visited)
    out = Table(np.clip(np.concatenate(p), 0.0, 1.0), np.concatenate(visits), reach)
    for array in (out.p, out.visits, out.reach):
        array.flags.writeable = False
    return out
