"""What a text is made of: code, and characters outside Latin scripts."""

from __future__ import annotations

import re

_SYMBOLS = b"{}()[]<>;=_/\\|&*+#$^~@%"
_OTHERS = bytes(c for c in range(256) if c not in _SYMBOLS)
_PROSE, _CODE = 0.03, 0.12
"""Shares of symbols at and below which a text is prose, and at and above which it is code."""
_FENCE = "```"
_NON_LATIN = re.compile(
    "[\u0370-\u1dff\u2c00-\u2c5f\u2c80-\u2dff\u3005-\u3007\u3040-\ua71f\ua800-\uaaff\uab70-\ud7ff"
    "\uf900-\ufaff\ufb13-\ufdff\ufe70-\ufefe\uff66-\uffdc\U00010000-\U0001cfff\U00020000-\U0003ffff]"
)
"""Letters of scripts other than Latin; punctuation, symbols, emoji and full-width Latin are not among them."""


def code(text: str) -> float:
    """Share of code, 0..1: what stands between fences, or by the density of symbols, whichever says more."""
    if not text:
        return 0.0
    symbols = len(text.encode("ascii", "ignore").translate(None, _OTHERS)) / len(text)
    dense = min(1.0, max(0.0, (symbols - _PROSE) / (_CODE - _PROSE)))
    if _FENCE not in text:
        return dense
    return max(dense, sum(len(part) for part in text.split(_FENCE)[1::2]) / len(text))


def non_latin(text: str) -> int:
    """Characters outside Latin scripts."""
    if text.isascii() or len(text.encode("latin-1", "ignore")) == len(text):
        return 0  # as most are, and this is a tenth of a search
    return len(_NON_LATIN.findall(text))
