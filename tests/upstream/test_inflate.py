"""Decoding piece by piece: the same bytes as in one go, in bounded pieces, and no guessing where data is damaged."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import UpstreamFault
from router.upstream.inflate import PIECE, Inflater


def bare_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return encoder.compress(data) + encoder.flush()


CODERS = {
    "gzip": gzip.compress,
    "X-GZip ": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": bare_deflate,
}


def inflated(encoding: str, data: bytes, step: int) -> bytes:
    inflater = Inflater(encoding)
    pieces = [piece for at in range(0, len(data), step) for piece in inflater.feed(data[at : at + step])]
    inflater.finish()
    assert all(0 < len(piece) <= PIECE for piece in pieces)
    return b"".join(pieces)


@pytest.mark.parametrize("encoding", CODERS)
@given(data=st.binary(max_size=2000).map(lambda part: part * 100), step=st.integers(1, 400))
def test_pieces_make_up_the_whole(encoding: str, data: bytes, step: int) -> None:
    """However the data is cut up, what comes out is what went in; names of encodings know no case."""
    assert inflated(encoding, CODERS[encoding](data), step) == data


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_gzip_file_of_several_members(step: int) -> None:
    """They are decoded one after the other, as the format says."""
    assert inflated("gzip", gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two"), step) == b"one two"


@pytest.mark.parametrize("encoding", CODERS)
@pytest.mark.parametrize("keep", [0.0, 0.2, 0.9])
def test_data_that_ends_early_is_truncated(encoding: str, keep: float) -> None:
    """An empty body is no compressed data either."""
    whole = CODERS[encoding](bytes(range(256)) * 10)
    with pytest.raises(UpstreamFault) as caught:
        inflated(encoding, whole[: int(len(whole) * keep)], 50)
    assert caught.value.kind == "truncated"


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", b"plain text"),
        ("gzip", gzip.compress(b"one") + b"rest"),
        ("deflate", b"\x78plain"),
        ("br", b""),
        ("", b""),
    ],
)
def test_what_cannot_be_decoded_is_invalid(encoding: str, data: bytes) -> None:
    """Data that is not what its header says, and encodings that were not asked for."""
    with pytest.raises(UpstreamFault) as caught:
        inflated(encoding, data, 100)
    assert caught.value.kind == "invalid_body"
