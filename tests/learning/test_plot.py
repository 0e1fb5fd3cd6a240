"""The picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from router import loader
from router.errors import ConfigError
from router.learning import baselines, plot, report
from router.learning.replay import Way
from router.learning.report import Report
from router.learning.walk import Judge
from tests.learning.made import step, tried, world


def made() -> Report:
    steps = world(30)
    return report.report(steps, baselines.all_of(steps, [Judge()]), Way())


def test_every_way_of_routing_is_drawn(tmp_path: Path) -> None:
    """The names of all are in the picture, here as text; nothing stays open behind it."""
    pyplot = loader.pyplot()
    pyplot.rcParams["svg.fonttype"] = "none"
    plot.draw(pyplot, made(), tmp_path / "out.svg")
    text = (tmp_path / "out.svg").read_text()
    for name in ("always weak", "always strong", "random", "weak then strong", "oracle", "USD per success"):
        assert name in text
    assert pyplot.get_fignums() == []


def test_a_png_is_one(tmp_path: Path) -> None:
    """The ending of the file says what is written."""
    plot.draw(loader.pyplot(), made(), tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_what_never_succeeds_is_left_out(tmp_path: Path) -> None:
    """It has no cost per success; a picture of nothing else is empty, not an error."""
    steps = [step(i, {"a": tried(False)}) for i in range(3)]
    plot.draw(loader.pyplot(), report.report(steps, baselines.all_of(steps, [Judge()]), Way()), tmp_path / "out.png")
    assert (tmp_path / "out.png").is_file()


@pytest.mark.parametrize("name", ["none/out.png", "out.exe"])
def test_a_picture_that_cannot_be_written_is_told(name: str, tmp_path: Path) -> None:
    """With the path and the reason."""
    with pytest.raises(ConfigError, match="the plot cannot be written"):
        plot.draw(loader.pyplot(), made(), tmp_path / name)
