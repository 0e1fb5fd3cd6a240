"""Where logged steps come from; the command's tests read all three kinds of source."""

from __future__ import annotations

from pathlib import Path

import pytest

from router import loader
from router.errors import ConfigError
from router.journal import Tally
from router.learning.logs import logged


def test_a_folder_without_segments_is_empty(tmp_path: Path) -> None:
    """And a path that is nothing is an error that names it."""
    assert list(logged(tmp_path, loader.duckdb, tally=Tally())) == []
    with pytest.raises(ConfigError, match="neither a folder"):
        next(logged(tmp_path / "none", loader.duckdb, tally=Tally()))
