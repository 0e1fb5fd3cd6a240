"""Excerpts: the ends of a text, decoded, wherever the cut falls."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.step.excerpt import excerpt

TEXT = st.text(alphabet='ab\\"\n\t/\u00e9\u4fee\U0001f642\x00', max_size=60)


@given(TEXT, st.integers(1, 30), st.integers(1, 30), st.booleans())
def test_the_ends_are_those_of_the_text(text: str, head: int, tail: int, ascii_only: bool) -> None:
    """Whatever escape, surrogate pair or character a cut divides, what is left is as it was written."""
    content = json.dumps(text, ensure_ascii=ascii_only).encode()
    got = excerpt(content, head, tail)
    if len(content) - 2 <= head + tail:
        assert got == text
        return
    begin, _, end = got.partition("\n") if "\n" not in text else (got, "", "")
    whole = text.encode("utf-16", "surrogatepass")
    if "\n" not in text:
        assert whole.startswith(begin.encode("utf-16", "surrogatepass"))
        assert len(end) <= tail


@pytest.mark.parametrize(
    ("content", "head", "tail", "text"),
    [
        (b'"abcdefgh"', 2, 2, "ab\ngh"),
        (rb'"ab\\cdefgh"', 3, 2, "ab\ngh"),
        (rb'"a\\\ndefgh"', 3, 2, "a\\\ngh"),
        (rb'"a\u4feedefgh"', 4, 2, "a\ngh"),
        (rb'"a\\u4feefgh"', 5, 2, "a\\u4\ngh"),
        (rb'"abcdef\n"', 1, 1, "a\n"),
        (rb'"abcdef\\\n"', 1, 3, "a\n\n"),
        ('"修修修"'.encode(), 4, 2, "修\n"),
        (b"null", 5, 5, ""),
        (b"[]", 5, 5, ""),
        (b'[{"type":"text","text":"a"},{"type":"text","text":"b"},{"type":"x"}]', 5, 5, "b"),
        (b'[{"type":"image_url","image_url":"x"}]', 5, 5, ""),
    ],
)
def test_cuts(content: bytes, head: int, tail: int, text: str) -> None:
    """Between whole characters; of several parts the last with text."""
    assert excerpt(content, head, tail) == text
