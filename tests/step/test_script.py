"""Scripts and code."""

from __future__ import annotations

import pytest

from router.step import script


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        ("A plain sentence, and another one; nothing else.", 0.0),
        ("x = f(a[0]) + {b: c};", 1.0),
        ("Text. ```\ncode here\n``` ", 0.45),
        ("one two three four five six seven eight nine ten = 5;", 0.09),
    ],
)
def test_code_by_fences_or_symbols(text: str, share: float) -> None:
    """Whichever says more, between 0 and 1."""
    assert script.code(text) == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("plain", 0),
        ("Größe Việt Łódź – “x” … 🙂 ① → ﷼", 1),
        ("修复", 2),
        ("ошибка", 6),
        ("שלום", 4),
        ("مرحبا", 5),
        ("नमस्ते", 6),
        ("こんにちは", 5),
        ("한국어", 3),
        ("ＡＢ、。", 0),
        ("𠀀", 1),
    ],
)
def test_letters_outside_latin_scripts(text: str, letters: int) -> None:
    """Punctuation, symbols, emoji and accents are not among them."""
    assert script.non_latin(text) == letters
