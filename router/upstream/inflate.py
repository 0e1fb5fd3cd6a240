"""Undoes gzip and deflate piece by piece, for upstreams that compress although they were asked not to."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from router.errors import UpstreamFault

PIECE = 65_536
"""Largest decoded piece in bytes: a body that swells costs this much memory at a time."""
ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})


class Inflater:
    """One body. `feed` its bytes in order, then `finish`; both raise UpstreamFault."""

    def __init__(self, encoding: str) -> None:
        """`encoding`: the content-encoding header. Raises UpstreamFault `invalid_body` if it cannot be undone."""
        self._encoding = encoding.strip().lower()
        if self._encoding not in ENCODINGS:
            raise UpstreamFault("invalid_body", "The upstream compressed its answer in a way it was not asked for.")
        self._decoder: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decoded pieces, none empty, none over PIECE."""
        try:
            while data:
                if self._decoder is None or self._decoder.eof:
                    self._decoder = self._start(data)  # the first member of a gzip file, or the next
                yield from _decode(self._decoder, data)
                data = self._decoder.unused_data
        except zlib.error as error:
            raise UpstreamFault("invalid_body", "The upstream's compressed answer is damaged.") from error

    def finish(self) -> None:
        """Says that the body has ended. Raises UpstreamFault `truncated` in the middle of compressed data."""
        if self._decoder is None or not self._decoder.eof:
            raise UpstreamFault("truncated", "The upstream's compressed answer ended before it was complete.")

    def _start(self, data: bytes) -> zlib._Decompress:
        if self._encoding != "deflate":
            return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        # By the book deflate has a zlib header, whose low half byte is 8; some servers leave it out.
        return zlib.decompressobj(wbits=zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS)


def _decode(decoder: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    while not decoder.eof:
        piece = decoder.decompress(data, PIECE)
        if piece:
            yield piece
        data = decoder.unconsumed_tail
        if not data and len(piece) < PIECE:
            return
