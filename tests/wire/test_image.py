"""Picture sizes from the first bytes of a data URL."""

from __future__ import annotations

import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire import image


def url(file: bytes, kind: str = "png") -> bytes:
    return json.dumps(f"data:image/{kind};base64,{base64.b64encode(file).decode()}").encode()


PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480) + bytes(60)
GIF = b"GIF89a" + struct.pack("<HH", 320, 200) + bytes(60)
RIFF = b"RIFF\x00\x00\x00\x00WEBP"
VP8X = RIFF + b"VP8X" + bytes(8) + (799).to_bytes(3, "little") + (599).to_bytes(3, "little")
VP8L = RIFF + b"VP8L" + bytes(4) + b"\x2f" + (799 | 599 << 14).to_bytes(4, "little") + bytes(10)
VP8 = RIFF + b"VP8 " + bytes(10) + struct.pack("<HH", 800 | 1 << 14, 600) + bytes(10)


def jpeg(before: bytes, marker: int = 0xC0) -> bytes:
    return b"\xff\xd8" + before + b"\xff" + bytes((marker,)) + struct.pack(">HBHH", 17, 8, 480, 640) + bytes(20)


APP = b"\xff\xe1" + struct.pack(">H", 60_000) + bytes(59_998)
CASES: list[tuple[bytes, tuple[int, int]]] = [
    (PNG, (640, 480)),
    (GIF, (320, 200)),
    (VP8X, (800, 600)),
    (VP8L, (800, 600)),
    (VP8, (800, 600)),
    (jpeg(b""), (640, 480)),
    (jpeg(APP + APP, 0xC2), (640, 480)),
    (jpeg(b"\xff\xd0\xff\xff\xff\x01\xff\xc4\x00\x02"), (640, 480)),
    (jpeg(APP * 5), (0, 0)),  # too far in
    (jpeg(b"\x00\x00"), (0, 0)),
    (PNG[:20], (0, 0)),
    (RIFF + b"WHAT" + bytes(20), (0, 0)),
    (b"\x89PNG\r\n\x1a\n" + bytes(8) + struct.pack(">II", 0, 480) + bytes(60), (0, 0)),
    (b"\x89PNG\r\n\x1a\n" + bytes(8) + struct.pack(">II", 2**31, 480) + bytes(60), (0, 0)),
    (b"<svg></svg>", (0, 0)),
    (b"", (0, 0)),
]


@pytest.mark.parametrize(("file", "size"), CASES)
def test_sizes(file: bytes, size: tuple[int, int]) -> None:
    """PNG, GIF, WebP in its three forms, JPEG with its metadata; (0, 0) for what cannot be known or believed."""
    assert image.size(url(file)) == size


@pytest.mark.parametrize(
    "text",
    [
        b'"https://127.0.0.1/a.png"',
        b'"data:image/svg+xml,<svg/>"',
        b'"data:image/png;base64"',
        b'"data:image/png;base64,!!!!a"',
        b'"data:' + b"x" * 600 + b',"',
    ],
)
def test_urls_without_a_readable_file_have_no_known_size(text: bytes) -> None:
    """Addresses, plain data, broken base64."""
    assert image.size(text) == (0, 0)


def test_escapes_in_the_url_are_understood() -> None:
    """Some encoders escape every slash."""
    text = url(jpeg(b""), "jpeg")
    assert image.size(text.replace(b"/", b"\\/")) == (640, 480)


@given(st.binary(max_size=80), st.sampled_from([b"", PNG[:12], GIF[:6], RIFF, b"\xff\xd8\xff"]))
def test_any_file_has_a_size_or_none(file: bytes, start: bytes) -> None:
    """No file, however broken, is an error."""
    width, height = image.size(url(start + file))
    assert 0 <= width <= image.MAX_SIDE and 0 <= height <= image.MAX_SIDE
