"""Whether there is a journal: what the settings say, and what the disk allows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from router.errors import ConfigError
from router.journal import Journal, Sink, opened, read
from router.settings import Settings
from tests.journal.made import Told, plain


def open_(**settings: object) -> Journal | None:
    return opened(Settings(**settings), **Told().callables, stream=Elsewhere)  # type: ignore[arg-type]


class Elsewhere(Sink):
    """Lines that end up in no folder."""

    def __init__(self, settings: Settings) -> None:
        self.lines: list[bytes] = []

    def write(self, lines: Sequence[bytes]) -> None:
        self.lines += lines

    def tend(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_in_the_store(tmp_path: Path) -> None:
    """Whatever the settings' store has for it takes the lines, and no folder is made."""
    found = open_(state_dir=tmp_path, journal="store")
    assert found is not None
    found.observe(plain(0))
    found.start()
    found.close()
    assert found.waiting == 0 and not [*tmp_path.iterdir()]


def test_no_state_folder_no_journal(caplog: pytest.LogCaptureFixture) -> None:
    """Settings made in code, as tests and simulations do, write nowhere, without a word."""
    assert open_() is None and caplog.text == ""


def test_off_is_off(tmp_path: Path) -> None:
    """Nothing is made in the state folder."""
    assert open_(state_dir=tmp_path, journal="off") is None and not [*tmp_path.iterdir()]


@pytest.mark.parametrize("journal", ["auto", "on"])
def test_a_state_folder_has_a_journal(tmp_path: Path, journal: str) -> None:
    """In a folder of its own, with the limits that the settings name."""
    found = open_(state_dir=tmp_path / "state", journal=journal, journal_segment_bytes=4_096, journal_fsync="never")
    assert found is not None
    for i in range(60):
        found.observe(plain(i))
    found.start()
    found.close()
    folder = tmp_path / "state" / "journal"
    assert len([*read(folder)]) == 60 and len([*folder.iterdir()]) > 1


def test_a_state_folder_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A home that is read-only, say: one warning, and serving goes on; where the journal is `on` it is an error."""
    (tmp_path / "home").write_text("in the way")
    assert open_(state_dir=tmp_path / "home" / "turnout") is None
    assert len(caplog.records) == 1 and "no journal is kept" in caplog.text and "TURNOUT_STATE_DIR" in caplog.text
    with pytest.raises(ConfigError, match="TURNOUT_JOURNAL: .* cannot be used: Not a directory"):
        open_(state_dir=tmp_path / "home" / "turnout", journal="on")


def test_on_needs_a_place() -> None:
    """It says which setting names one."""
    with pytest.raises(ConfigError, match="TURNOUT_JOURNAL: is on, .* set TURNOUT_STATE_DIR"):
        open_(journal="on")
