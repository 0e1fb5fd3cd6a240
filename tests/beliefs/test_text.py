"""Hashed words: bounded, signed, the same for like texts, quick."""

from __future__ import annotations

import time

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.beliefs.text import HEAD, RUNS_WEIGHT, TAIL, WIDTH, features, hashed, read
from router.step import Facts, Message, StepRequest


def like(one: str, other: str) -> float:
    """Inner product of two texts' features."""
    dense = np.zeros((2, WIDTH))
    for row, text in zip(dense, (one, other), strict=True):
        at, values = features(hashed(text))
        row[at] = values
    return float(dense[0] @ dense[1])


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=3_000))
def test_any_text(text: str) -> None:
    """Whatever the text, each place is met once, the norm is bounded, and the sketch is the same every time."""
    at, values = features(hashed(text))
    assert hashed(text) == hashed(text) and len(set(at.tolist())) == len(at) and (at < WIDTH).all()
    assert float(values @ values) <= 1.0 + RUNS_WEIGHT**2 + 1e-5


@pytest.mark.parametrize("text", ["", " \n\t", "\x00"])
def test_nothing(text: str) -> None:
    """No words, no features."""
    assert len(features(hashed(text))[0]) == 0


def test_likeness() -> None:
    """Case and spacing make no difference to words; shared words count more than none; order counts by pairs."""
    base = "What is the degree of the field extension"
    assert like(base, "what  is THE degree\nof the field extension") > 0.9
    assert like(base, "the degree of a polynomial field") > 0.3 > like(base, "Paris bus routes on Sunday mornings")
    assert like("a b c d e", "a b c d e") > like("a b c d e", "e d c b a") > 0.3
    assert like("die Sprachverarbeitung", "Sprachverarbeitungen") > 0.02
    assert like("数学の問題を解いてください", "数学の問題を作ってください") > 0.02


def test_bounded() -> None:
    """Of a long text only the beginning and the end are looked at."""
    head, tail = "a" * HEAD, "z" * TAIL
    assert hashed(head + " middle " * 50 + tail) == hashed(head + " other " * 99 + tail)


def test_quick() -> None:
    """A kilobyte takes some tenths of a millisecond at most."""
    text = ("The quick brown fox jumps over the lazy dog. " * 30)[:1024]
    hashed(text)
    began = time.process_time()
    for _ in range(50):
        hashed(text)
    assert time.process_time() - began < 0.1


def message(role: str, content: object) -> Message:
    return Message(role, msgspec.Raw(msgspec.json.encode(content)))


def test_what_is_read_of_a_request() -> None:
    """What the user said last, as a trace of the same step holds it: escapes and roles make no difference."""
    long = 'Say "höflich" \\ twice.\n' * 300
    for said in ("a question", long):
        messages = (message("system", "s"), message("user", "old"), message("user", said), message("tool", "t"))
        parts = (*messages[:2], message("user", [{"type": "text", "text": said}]))
        for asked in (messages, parts):
            facts = read(Facts(code=0.5), StepRequest("auto", {}, asked, 0))
            assert facts == Facts(code=0.5, text=facts.text)
            assert like(said, said) > 0 and facts.text == hashed(said)
    assert read(Facts(), StepRequest("auto", {}, messages[:1], 0)).text == b""
