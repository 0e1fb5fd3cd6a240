"""Pictures without a library."""

from __future__ import annotations

import pytest

from router.simulate import png


def test_pictures_can_be_read_back() -> None:
    """Every colour and size that is painted is seen; anything else is refused."""
    for colour in png.COLOURS:
        url = png.as_url(png.paint(colour, 33, 17))
        assert png.look(png.from_url(url)) == (colour, 33, 17)
    broken = png.paint("red", 2, 2)
    for file in (b"", b"GIF89a", broken[:40], broken[:45] + b"\xff" * 20, broken.replace(b"IHDR", b"IHDX")):
        with pytest.raises(ValueError, match="not a (PNG|colour)"):
            png.look(file)
    for url in ("https://example.com/a.png", "data:image/png;base64,???"):
        with pytest.raises(ValueError, match="not"):
            png.from_url(url)
