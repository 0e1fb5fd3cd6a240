"""Chance by key: the same key always gives the same number, whoever asks and in whatever order."""

from __future__ import annotations

import hashlib
import math
from statistics import NormalDist

_NORMAL = NormalDist()


def uniform(*key: object) -> float:
    """A number strictly between 0 and 1."""
    text = "\x1f".join(map(str, key)).encode()
    bits = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 11
    return (bits + 0.5) / 2**53


def hexadecimal(*key: object) -> str:
    """An id of 24 hexadecimal digits."""
    return hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=12).hexdigest()


def normal(*key: object) -> float:
    """A number from the standard normal distribution."""
    return _NORMAL.inv_cdf(uniform(*key))


def logistic(x: float) -> float:
    """Probability of a logit."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
