"""Strict reading of bodies: UTF-8, one object, no key twice, bounded nesting."""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BadRequest
from router.wire import body

BAD: list[tuple[bytes, str, str | None]] = [
    (b"", "it is empty", None),
    (b"  ", "it is empty", None),
    (b'{"a":', "ends too early", None),
    (b'{"a":NaN}', "invalid character (byte 5)", None),
    (b'{"a":-Infinity}', "(byte 6)", None),
    (b'{"a":01}', "invalid number (byte 6)", None),
    (b'{"a":"\\x"}', "invalid escaped character", None),
    (b'{"a":"\\ud800"}', "without its pair", None),
    (b'{"a":"\n"}', "(byte 6)", None),
    (b'{"a":1} x', "trailing characters", None),
    (b'{"a":"\xff"}', "not valid UTF-8 (byte 6)", None),
    (b'{"a":"\xed\xa0\x80"}', "not valid UTF-8", None),
    (b"\xef\xbb\xbf{}", "byte order mark", None),
    (b"[]", "must be a JSON object", None),
    (b"null", "must be a JSON object", None),
    (b'"a"', "must be a JSON object", None),
    (b'{"a":' + b"[" * 200_000, "nested too deeply", None),
    (b'{"a":1,"b":2,"a":1}', "a is given twice", "a"),
    (b'{"a":1,"\\u0061":2}', "a is given twice", "a"),
]


@pytest.mark.parametrize(("text", "says", "param"), BAD)
def test_what_is_no_strict_object_is_refused(text: bytes, says: str, param: str | None) -> None:
    """The message says what is wrong and where; a key given twice is named."""
    with pytest.raises(BadRequest) as caught:
        body.read(text)
    assert says in caught.value.message
    assert (caught.value.param, caught.value.status) == (param, 400)


def test_members_keep_their_bytes_and_order() -> None:
    """Values come back as they were written, whatever they are."""
    fields = body.read(b'{"z": 1.0e0 , "a":[1, 2],"\xc3\xa9":"\\u00e9", "n": 1e999}')
    assert [(k, bytes(v)) for k, v in fields.items()] == [
        ("z", b"1.0e0"),
        ("a", b"[1, 2]"),
        ("é", b'"\\u00e9"'),
        ("n", b"1e999"),
    ]


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((depth(v) for v in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(v) for v in value), default=0)
    return 0


TRICKY = st.text(alphabet='[]{}"\\\\,:é\n', max_size=8)
VALUES = st.recursive(
    TRICKY | st.integers(), lambda v: st.lists(v, max_size=3) | st.dictionaries(TRICKY, v, max_size=3), max_leaves=12
)


@given(VALUES, st.integers(1, 5), st.booleans())
def test_nesting_is_counted_exactly(value: Any, levels: int, ascii_only: bool) -> None:
    """Brackets inside strings, escaped quotes and backslashes never count."""
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert body.too_deep(text, levels) == (depth(value) > levels)


@pytest.mark.parametrize(("levels", "deep"), [(64, False), (65, True), (300, True)])
def test_the_limit_of_nesting_is_64(levels: int, deep: bool) -> None:
    """64 levels pass, 65 do not."""
    half = levels // 2
    text = b'{"k":' * half + b"[" * (levels - half) + b"]" * (levels - half) + b"}" * half
    assert body.too_deep(text) == deep


def test_a_member_nested_past_the_interpreters_stack_is_refused() -> None:
    """The decoder's own limit speaks in the same words."""
    with pytest.raises(BadRequest, match="tools is nested too deeply"):
        body.decode(msgspec.json.Decoder(), b"[" * 100_000 + b"]" * 100_000, "tools")


def test_what_a_decoder_says_otherwise_is_kept() -> None:
    """A reason without words of ours comes with the field before it."""
    with pytest.raises(BadRequest, match=r"x cannot be read \(Invalid enum value 'c'\)"):
        body.decode(msgspec.json.Decoder(Literal["a", "b"]), b'"c"', "x")
