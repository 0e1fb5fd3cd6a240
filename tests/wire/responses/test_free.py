"""Free text out of arguments that come in pieces."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.wire.responses.free import Free


def told(*pieces: str) -> list[str]:
    """What is told after each piece, and at the end."""
    free = Free()
    said = [*(free.feed(piece) for piece in pieces), free.close()]
    assert "".join(said) == free.text
    return said


def test_text_is_told_as_it_comes() -> None:
    """As soon as its characters are complete."""
    assert told(' { "inp', 'ut": "a', "b\\", 'n\\"c', '"', "}") == ["", "a", "b", '\n"c', "", "", ""]
    assert told('{"input":"\\ud83d', "\\ude", '00!"}') == ["", "", "\U0001f600!", ""]


@given(st.text(), st.booleans(), st.lists(st.integers(0, 400), max_size=6))
@example("\U0001f600\\u0000", True, [12, 14, 20])
def test_however_it_is_cut(text: str, ascii_only: bool, cuts: list[int]) -> None:
    """The text is the one that was meant."""
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only)
    edges = sorted({0, len(arguments), *(cut % len(arguments) for cut in cuts)})
    assert "".join(told(*(arguments[a:b] for a, b in zip(edges, edges[1:], strict=False)))) == text


ODD = [
    ('{"note": 1, "input": "x"}', "x"),
    ("just text", "just text"),
    ("a longer text that is no JSON at all, and which nobody can take for any", None),
    ('{"input": 7}', None),
    ('{"input": ["x"]}', None),
    ('{"input": ""}', ""),
    ("", ""),
    ('{"input": "cut o', "cut o"),
    ('{"input": "bad \\q escape"}', "bad \\q escape"),
]


@pytest.mark.parametrize(("arguments", "text"), ODD)
def test_other_forms(arguments: str, text: str | None) -> None:
    """Are told at the end: the input where there is one, all that came where it is no JSON or no text."""
    assert "".join(told(arguments)) == (arguments if text is None else text)
    assert "".join(told(*arguments)) == (arguments if text is None else text)
