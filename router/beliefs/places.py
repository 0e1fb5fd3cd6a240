"""Where arms and models stand in arrays, and which rows of weights each arm uses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec
import numpy as np

from router.beliefs.latent import Index


class Keys(msgspec.Struct, frozen=True):
    """Rows of weights that each arm uses at a class."""

    facts: tuple[tuple[tuple[str, str], ...], ...]
    words: tuple[tuple[tuple[str, str], ...], ...]


@lru_cache(maxsize=256)
def keys(arms: tuple[str, ...], models: tuple[str, ...], step_class: str) -> Keys:
    facts = tuple((("all", ""), ("arm", arm), ("class", step_class), ("both", f"{arm} {step_class}")) for arm in arms)
    return Keys(facts, tuple((("all", ""), ("model", model)) for model in models))


@lru_cache(maxsize=64)
def places(arms: tuple[str, ...]) -> Mapping[str, int]:
    return {arm: i for i, arm in enumerate(arms)}


@lru_cache(maxsize=64)
def numbers(models: tuple[str, ...]) -> tuple[int, ...]:
    """Index of each arm's model."""
    found = {name: i for i, name in enumerate(dict.fromkeys(models))}
    return tuple(found[name] for name in models)


@lru_cache(maxsize=64)
def siblings(models: tuple[str, ...]) -> tuple[Index, ...]:
    """For each arm, all arms of its model."""
    return tuple(np.array([i for i, other in enumerate(models) if other == model], np.intp) for model in models)
