"""The size of a picture in a data URL, from the first bytes of the file; nothing is decoded or fetched."""

from __future__ import annotations

import binascii
import struct

import msgspec

Size = tuple[int, int]
UNKNOWN: Size = (0, 0)
MAX_SIDE = 1_000_000
"""Pixels; a header that claims more is not believed."""
_HEAD, _FAR = 64, 262_144
"""Bytes read of the file: enough for every format but JPEG, whose size may follow after metadata."""


def size(url: bytes) -> Size:
    """Width and height in pixels of the picture at `url`, a JSON string in its quotes; (0, 0) where that is unknown."""
    if url[:6] != b'"data:':
        return UNKNOWN
    if b"\\" in url[:_FAR]:
        url = b'"' + msgspec.json.decode(url, type=str).encode() + b'"'
    head, comma, data = url[:512].partition(b",")
    if not comma or not head.endswith(b";base64"):
        return UNKNOWN
    start = len(head) + 1
    found = _read(_file(url, start, _HEAD))
    if found is None:
        found = _jpeg(_file(url, start, _FAR))
    return found if 0 < found[0] <= MAX_SIDE and 0 < found[1] <= MAX_SIDE else UNKNOWN


def _file(url: bytes, start: int, length: int) -> bytes:
    """About the first `length` bytes of the base64 from `start` on."""
    data = url[start : min(start + length // 3 * 4, len(url) - 1)].rstrip(b"=")
    try:
        return binascii.a2b_base64(data[: len(data) // 4 * 4])
    except binascii.Error:
        return b""


def _read(file: bytes) -> Size | None:
    """The size in a PNG, GIF or WebP header, UNKNOWN for other formats, None for a JPEG."""
    if file.startswith(b"\xff\xd8"):
        return None
    if file.startswith(b"\x89PNG\r\n\x1a\n") and len(file) >= 24:
        width, height = struct.unpack_from(">II", file, 16)
        return width, height
    if file[:6] in (b"GIF87a", b"GIF89a") and len(file) >= 10:
        width, height = struct.unpack_from("<HH", file, 6)
        return width, height
    if file[:4] == b"RIFF" and file[8:12] == b"WEBP" and len(file) >= 30:
        return _webp(file)
    return UNKNOWN


def _webp(file: bytes) -> Size:
    """The first chunk: VP8X (24-bit sides, less one), VP8L (14-bit, less one), VP8 (14-bit). RFC 9649."""
    kind = file[12:16]
    if kind == b"VP8X":
        return int.from_bytes(file[24:27], "little") + 1, int.from_bytes(file[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(file[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", file, 26)
        return width & 0x3FFF, height & 0x3FFF
    return UNKNOWN


def _jpeg(file: bytes) -> Size:
    """The frame header (SOF), found by walking the segments. ITU-T T.81, annex B."""
    at = 2
    while at + 9 <= len(file) and file[at] == 0xFF:
        marker = file[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", file, at + 5)
            return width, height
        if marker == 0xFF:  # repeated as filling
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # these carry no length
            at += 2
        else:
            at += 2 + int.from_bytes(file[at + 2 : at + 4], "big")
    return UNKNOWN
