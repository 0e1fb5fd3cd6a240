"""What stands before steps, as the server builds it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from router.errors import ConfigError
from router.limits import Guard
from router.limits import guard as guards
from router.settings import Settings
from tests.limits.test_purse import spend


def ignore() -> None:
    """Nobody is told."""


async def test_what_was_spent_is_written_while_serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every so often, so that a kill costs seconds of it."""
    monkeypatch.setattr(guards, "SAVE_S", 0.01)
    guard = Guard.of(Settings(state_dir=tmp_path), lambda: 0.0, ignore)
    assert not guard.ring.keyed
    guard.purse.observe(spend(1.0))
    watching = asyncio.create_task(guard.watch(0.01))
    async with asyncio.timeout(5):
        while not (tmp_path / "spent.json").exists():  # noqa: ASYNC110 (a thread writes it)
            await asyncio.sleep(0.01)
    watching.cancel()


def test_a_file_of_keys_that_is_named_must_be_there(tmp_path: Path) -> None:
    """That of the state folder need not."""
    with pytest.raises(ConfigError, match="cannot be read"):
        Guard.of(Settings(keys_file=tmp_path / "keys.json"), lambda: 0.0, ignore)
