"""Step facts as a trace's features, and back: by the names that Facts gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from router.beliefs.text import hashed
from router.learning.trace import Feature, Step
from router.step import Facts

BYTES_PER_TOKEN = 4
MOST = 10**9
MOST_IMAGES = 16

KNOWN: Mapping[str, Callable[[float], Any]] = {
    "code": float,
    "non_latin": float,
    "images": lambda n: ((0, 0),) * min(MOST_IMAGES, round(n)),
    "turn": round,
    "tool_results": round,
    "severity": round,
    "failure_share": float,
    "repeated": round,
    "reads": float,
    "tools": round,
    "schema": bool,
    "logprobs": bool,
    "max_tokens": lambda n: max(1, round(n)),
    "n": lambda n: max(1, round(n)),
}
"""Facts that features may set, each from a number (true is 1)."""
PLAIN = Facts()


def facts(step: Step, *, words: bool = False) -> Facts:
    """What a trace tells of a step's facts; features of other names are ignored. `words`: its text is read as well."""
    told = {name: read(_number(step.features[name])) for name, read in KNOWN.items() if name in step.features}
    text = hashed(step.text) if words and step.text else b""
    return Facts(input_bytes=round(BYTES_PER_TOKEN * step.input_tokens), text=text, **told)


def told(facts: Facts) -> dict[str, Feature]:
    """The features of a step: the facts that are out of the ordinary."""
    values = {name: getattr(facts, name) for name in KNOWN if getattr(facts, name) != getattr(PLAIN, name)}
    return {name: len(v) if name == "images" else round(v, 6) for name, v in values.items()}


def _number(value: Feature) -> float:
    """Within bounds; words count as nothing."""
    return 0.0 if isinstance(value, str) else min(max(float(value), 0.0), float(MOST))
