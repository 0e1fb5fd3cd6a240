"""The draws of runs: the same for all steps of a run on all replicas, even over all runs, and nobody's to choose."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from router.lots import NAME, Lots, kept


def test_a_run_keeps_its_lot() -> None:
    """The same caller's same run draws the same with the same secret, and another with any of the three changed."""
    here, there, other = Lots("secret", None), Lots("secret", None), Lots("another", None)
    lot = here.of("key", "run")
    assert lot == here.of("key", "run") == there.of("key", "run")
    assert len({lot, here.of("key", "run2"), here.of("key2", "run"), other.of("key", "run")}) == 4
    assert here.of("ab", "c") != here.of("a", "bc")


def test_lots_are_uniform_and_independent() -> None:
    """Both numbers fall evenly into tenths, and neither tells anything of the other."""
    n, cells = 20_000, [[0] * 10 for _ in range(10)]
    lots = Lots("secret", None)
    for i in range(n):
        a, b = lots.of("key", f"run-{i}")
        assert 0.0 <= a < 1.0 and 0.0 <= b < 1.0
        cells[int(a * 10)][int(b * 10)] += 1
    assert sum((c - n / 100) ** 2 / (n / 100) for row in cells for c in row) < 148.2  # P < 0.001 with 99 degrees


def test_a_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    """Workers of one machine find the one in the state folder, whoever made it; only its owner can read it."""
    folder = tmp_path / "state"
    lot = Lots(None, folder).of("key", "run")
    assert [path.name for path in folder.iterdir()] == [NAME]
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
    assert Lots(None, folder).of("key", "run") == lot == Lots(None, folder).of("key", "run")
    assert kept(folder) == (folder / NAME).read_bytes()


def test_nothing_is_written_before_the_first_draw(tmp_path: Path) -> None:
    """A server that never explores leaves no file."""
    Lots(None, tmp_path)
    assert not list(tmp_path.iterdir())


def test_two_that_start_together_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes second to put the file there takes the first one's."""
    first = kept(tmp_path)
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: self.name != NAME and exists(self))
    assert kept(tmp_path) == first and [path.name for path in tmp_path.iterdir()] == [NAME]


def test_without_a_folder_it_lasts_as_long_as_the_process(tmp_path: Path) -> None:
    """A folder that cannot be made, or a file that says nothing, is no reason not to serve."""
    (tmp_path / "file").write_text("")
    (tmp_path / NAME).write_bytes(b"")
    for folder in (None, tmp_path / "file" / "below", tmp_path):
        lots = Lots(None, folder)
        assert lots.of("key", "run") == lots.of("key", "run") != Lots(None, folder).of("key", "run")
