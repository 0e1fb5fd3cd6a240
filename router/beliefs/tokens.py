"""How many tokens an input has, counted from its bytes before any model says, and corrected by what models report."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from router.catalog import Model
from router.step import Facts

SAFETY = 1.10
"""Factor on the count at the context gate, and only there."""
PATCH = 32
"""Pixels a side of the square that becomes one token (Qwen's vision encoder: patches of 16, merged two by two)."""
MIN_PIXELS, MAX_PIXELS = 65_536, 16_777_216
"""Images are scaled into these bounds before they are cut into patches (Qwen's image processor)."""
UNKNOWN_SIZE = (1024, 1024)
"""Of an image whose size cannot be known without fetching it."""
OTHER_BYTES = 3.0
"""UTF-8 bytes per character outside Latin scripts."""
RATE = 0.05
"""Weight of one report in the running correction, once there are enough."""
START = 4
"""The first reports weigh 1 / (START + n), so that a wrong prior is mended within a few steps."""
BOUND = math.log(2.0)
"""The correction stays within a factor of two."""


class Correction(msgspec.Struct, frozen=True):
    """Exponentially weighted log of reported over counted input tokens of one model."""

    log_ratio: float = 0.0
    reports: int = 0

    def observe(self, counted: int, reported: int) -> Correction:
        """`counted`: before any correction. Both must be positive."""
        weight = max(RATE, 1.0 / (START + self.reports))
        seen = max(-BOUND, min(BOUND, math.log(reported / counted)))
        return Correction(self.log_ratio + weight * (seen - self.log_ratio), self.reports + 1)


class Counts(msgspec.Struct, frozen=True, eq=False):
    """How inputs are counted for each model."""

    corrections: Mapping[str, Correction] = {}

    def count(self, model: Model, facts: Facts) -> tuple[int, int]:
        """Input tokens of a step at `model`: as counted from bytes and pixels, and corrected by reports."""
        raw = text_tokens(model, facts) + sum(image_tokens(w, h) for w, h in facts.images)
        counted = max(1, math.ceil(raw))
        correction = self.corrections.get(model.name)
        return counted, counted if correction is None else max(1, round(counted * math.exp(correction.log_ratio)))

    def observe(self, model: str, counted: int, reported: int) -> Counts:
        old = self.corrections.get(model, Correction())
        return Counts({**self.corrections, model: old.observe(counted, reported)})


def text_tokens(model: Model, facts: Facts) -> float:
    """Tokens of the text: its bytes by script, each over the model's bytes per token there."""
    if not facts.non_latin and not facts.code:
        return facts.input_bytes / model.tokens.latin
    # Facts hold shares of characters; a character outside Latin scripts weighs three bytes.
    other = OTHER_BYTES * facts.non_latin / (1.0 + (OTHER_BYTES - 1.0) * facts.non_latin)
    code = min(facts.code, 1.0 - other)
    per_byte = other / model.tokens.other + code / model.tokens.code + (1.0 - other - code) / model.tokens.latin
    return facts.input_bytes * per_byte


def image_tokens(width: int, height: int) -> int:
    """Of an image of this size in pixels, (0, 0) if unknown: ceil(h / 32) * ceil(w / 32) once scaled into bounds."""
    if width <= 0 or height <= 0:
        width, height = UNKNOWN_SIZE
    pixels = width * height
    scale = math.sqrt(max(MIN_PIXELS, min(MAX_PIXELS, pixels)) / pixels)
    return math.ceil(height * scale / PATCH) * math.ceil(width * scale / PATCH)
