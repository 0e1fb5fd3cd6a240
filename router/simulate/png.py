"""One-coloured PNG pictures, written and read without any library."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 39, 40),
    "green": (44, 160, 44),
    "blue": (31, 78, 180),
    "yellow": (240, 210, 40),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}


def paint(colour: str, width: int, height: int) -> bytes:
    """A PNG file, 8-bit RGB."""
    row = b"\x00" + bytes(COLOURS[colour]) * width
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(row * height)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def look(file: bytes) -> tuple[str, int, int]:
    """Colour, width and height of what `paint` wrote. Raises ValueError for anything else."""
    if file[:8] != SIGNATURE or file[12:16] != b"IHDR" or len(file) < 41:
        raise ValueError("not a PNG file")
    width, height = struct.unpack(">II", file[16:24])
    length = struct.unpack(">I", file[33:37])[0]
    try:
        pixels = zlib.decompressobj().decompress(file[41 : 41 + length], 4)
    except zlib.error:
        raise ValueError("not a PNG file that can be read") from None
    names = {rgb: name for name, rgb in COLOURS.items()}
    colour = names.get(tuple(pixels[1:4]))  # type: ignore[arg-type]
    if colour is None:
        raise ValueError("not a colour that has a name here")
    return colour, width, height


def as_url(file: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(file).decode()


def from_url(url: str) -> bytes:
    """The file inside a data URL. Raises ValueError."""
    head, _, data = url.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64"):
        raise ValueError("not a base64 data URL of an image")
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
