"""The words of a step as hashed features: words, pairs of words and runs of characters, signed, bounded, without text.

Hashes cannot be turned back into a prompt, but guessed words can be looked for in them: they are kept only where a
policy asks for this block.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from router.beliefs.latent import Index
from router.step import Facts, StepRequest
from router.step.excerpt import last_user

HEAD, TAIL = 1024, 1024
"""Bytes at the beginning and the end that are looked at: what is asked stands in one of them."""
RUN = 5
"""Bytes of a run of characters."""
BITS = 13
"""Of a place; a place and its sign fit two bytes."""
WIDTH = 1 << BITS
RUNS_WEIGHT = 0.3
"""What runs of characters weigh against words: they help where words are unknown, compounded or not separated."""
_K = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)

Hashes = NDArray[np.uint64]


def read(facts: Facts, request: StepRequest) -> Facts:
    """The facts with the words of what the user said last."""
    said = last_user(request.messages, 2 * HEAD, 2 * TAIL)  # as JSON, whose escapes take more bytes
    return msgspec.structs.replace(facts, text=hashed(said))


def hashed(text: str) -> bytes:
    """The features of `text`, two bytes each (13 bits of place, the sign, and whether it is a run of characters).

    At most about 8,000 bytes; 0.1 ms for 1 KB of text.
    """
    raw = text.encode("utf-8", "replace")
    if len(raw) > HEAD + TAIL:
        raw = raw[:HEAD] + b" " + raw[-TAIL:]
    if not raw:
        return b""
    letters = _table()[np.frombuffer(raw, dtype=np.uint8)].astype(np.uint64)
    words = _words(letters)
    pairs = words[:-1] * _K + words[1:]
    runs = _runs(letters)
    found = np.concatenate((_packed(words), _packed(pairs), _packed(runs) | np.uint16(1 << (BITS + 1))))
    _, first = np.unique(found & np.uint16(WIDTH - 1), return_index=True)  # a place is met once, as updates need
    first.sort()
    return found[first].tobytes()


@lru_cache(maxsize=64)
def features(sketch: bytes) -> tuple[Index, NDArray[np.float32]]:
    """Places and values of a step's features; the values of words have a norm of 1, those of runs of RUNS_WEIGHT."""
    packed = np.frombuffer(sketch, dtype=np.uint16)
    values = (packed >> np.uint16(BITS) & np.uint16(1)).astype(np.float32) * np.float32(2.0) - np.float32(1.0)
    words = int(np.count_nonzero(packed < 1 << (BITS + 1)))  # they come first
    values[:words] /= max(1, words) ** 0.5
    values[words:] *= RUNS_WEIGHT / max(1, len(packed) - words) ** 0.5
    places = (packed & np.uint16(WIDTH - 1)).astype(np.intp)
    places.flags.writeable = values.flags.writeable = False
    return places, values


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint8]:
    """Byte → the same in lower case, any white space as a blank."""
    table = np.arange(256, dtype=np.uint8)
    for byte in range(ord("A"), ord("Z") + 1):
        table[byte] = byte + 32
    for byte in b" \t\r\n\v\f\0":
        table[byte] = 32
    return table


def _words(letters: Hashes) -> Hashes:
    """One hash for each word of letters, each digit, each sign, in order."""
    letter = ((letters >= 97) & (letters <= 122)) | (letters >= 128)
    space = letters == 32
    starts = ~space
    starts[1:] &= ~(letter[1:] & letter[:-1])
    at = np.flatnonzero(starts)
    if not len(at):
        return np.zeros(0, np.uint64)
    # The hash of a word is the sum of its letters times powers of its place within it.
    number = np.cumsum(starts) - 1
    place = np.arange(len(letters)) - at[np.maximum(number, 0)]
    terms: Hashes = letters * _powers()[np.minimum(place, HEAD - 1)]
    terms[space] = 0
    out = np.empty(len(at), np.uint64)
    np.add.reduceat(terms, at, out=out)
    return out


@lru_cache(maxsize=1)
def _powers() -> Hashes:
    out = np.empty(HEAD, np.uint64)
    np.multiply.accumulate(np.full(HEAD, _K, np.uint64), out=out)
    return out


def _runs(letters: Hashes) -> Hashes:
    """One hash for each run of RUN bytes."""
    count = max(0, len(letters) - RUN + 1)
    out = np.zeros(count, np.uint64)
    for i in range(RUN):
        out = out * _K + letters[i : i + count]
    return out


def _packed(hashes: Hashes) -> NDArray[np.uint16]:
    mixed = (hashes ^ (hashes >> np.uint64(29))) * _MIX
    return (mixed >> np.uint64(64 - BITS - 1)).astype(np.uint16)
