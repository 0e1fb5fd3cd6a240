"""Server-sent events: whole events out of pieces of any size, byte for byte."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import UpstreamFault
from router.wire import sse
from tests.wire.streams import STREAM


def pieces(text: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(text), *(c % (len(text) + 1) for c in cuts)})
    return [text[a:b] for a, b in zip(at, at[1:], strict=False)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_any_split_gives_the_same_bytes_and_events(cuts: list[int]) -> None:
    """Emoji, CRLF and U+2028 cut in two change nothing."""
    splitter = sse.Splitter()
    blocks = [splitter.feed(piece) for piece in pieces(STREAM, cuts)]
    assert splitter.rest == b""
    assert b"".join(blocks) == STREAM
    assert [d for b in blocks for d in sse.events(b)] == list(sse.events(STREAM))


LINES = st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", b"data: a", b"data:b", b": c", b"event: d", b"\xe2\x80\xa8"]), max_size=20
)


@given(LINES, st.lists(st.integers(0, 200), max_size=10))
def test_any_mixture_of_line_ends_is_cut_the_same(lines: list[bytes], cuts: list[int]) -> None:
    """Nothing is lost, and the pieces that come out hold the same data as the whole."""
    text = b"".join(lines)
    splitter = sse.Splitter()
    blocks = [splitter.feed(piece) for piece in pieces(text, cuts) if piece]
    blocks.append(splitter.flush())
    assert b"".join(blocks) == text
    assert b"".join(sse.blocks(text)) == text
    assert [d for b in blocks for d in sse.events(b)] == list(sse.events(text))


@pytest.mark.parametrize(
    ("fed", "out", "rest"),
    [
        ([b"data: a\n\n"], [b"data: a\n\n"], b""),
        ([b"data: a\n", b"\ndata"], [b"", b"data: a\n\n"], b"data"),
        ([b"data: a\r\n", b"\r\n"], [b"", b"data: a\r\n\r\n"], b""),
        ([b"data: a\r", b"\n\r", b"\n"], [b"", b"data: a\r\n\r", b""], b"\n"),
        ([b"data: a\r\r"], [b"data: a\r\r"], b""),
        ([b"data: a\n\n\ndata: b"], [b"data: a\n\n\n"], b"data: b"),
        ([b"data: a", b"bc", b"\n\nd"], [b"", b"", b"data: abc\n\n"], b"d"),
        ([b"data: a\r\nb"], [b""], b"data: a\r\nb"),
    ],
)
def test_events_come_out_as_soon_as_they_are_whole(fed: list[bytes], out: list[bytes], rest: bytes) -> None:
    """An empty line ends an event, whichever line ends it is made of and wherever it was cut."""
    splitter = sse.Splitter()
    assert [splitter.feed(piece) for piece in fed] == out
    assert splitter.rest == rest
    assert (splitter.flush(), splitter.rest) == (rest, b"")


def test_an_event_without_end_is_refused() -> None:
    """The limit holds over all its pieces, and reaching it is linear in its length."""
    splitter = sse.Splitter()
    piece = b"x" * 1024
    began = time.process_time()
    with pytest.raises(UpstreamFault) as caught:
        for _ in range(sse.MAX_EVENT // 1024 + 1):
            splitter.feed(piece)
    assert caught.value.kind == "too_large"
    assert time.process_time() - began < 2.0  # joined anew for each piece it would be minutes


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: a\n\n", b"a"),
        (b"data:a\n\n", b"a"),
        (b"data:  a\n\n", b" a"),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"event: x\r\ndata: a\r\ndata\r\nid: 1\r\n\r\n", b"a"),
        (b"data: a\r\r", b"a"),
        (b"data: a", b"a"),
        (b"data:\n\n", b""),
        (b"\xef\xbb\xbfdata: a\n\n", b"a"),
        (b": comment\n\n", None),
        (b"database: 1\n\n", None),
        (b"\n", None),
        ("data: a\u2028b\n\n".encode(), "a\u2028b".encode()),
    ],
)
def test_the_data_of_an_event(event: bytes, data: bytes | None) -> None:
    """Only data lines count; one space behind the colon goes; several lines are joined."""
    assert sse.data(event) == data


def test_what_turnout_writes_is_read_back() -> None:
    """An error is an event, a comment is none and cannot be broken open."""
    assert list(sse.events(sse.error_event({"error": {"message": "a\nb"}}))) == [b'{"error":{"message":"a\\nb"}}']
    assert list(sse.events(sse.comment("a\n\ndata: x\r\rdata: y"))) == []
    assert sse.comment("waiting") == b": waiting\n\n"
    assert sse.is_done(b"[DONE] ") and not sse.is_done(b'{"a":"[DONE]"}')
