"""All that stands between a caller and a step, built together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from router.keys import Ring
from router.limits.admission import Admission
from router.limits.purse import Purse
from router.settings import Settings

SAVE_S = 5.0
"""Seconds between two writings of what keys have spent: as much is lost by a kill."""


class Guard(NamedTuple):
    ring: Ring
    purse: Purse
    admission: Admission

    @classmethod
    def of(cls, settings: Settings, clock: Callable[[], float], refused: Callable[[], None]) -> Guard:
        """`refused` is told of a file of keys that was not taken over. Raises ConfigError where it is wrong at the
        start."""
        ring = Ring(settings.api_keys, settings.keys_path, needed=settings.keys_file is not None, refused=refused)
        purse = Purse(settings.state_dir / "spent.json" if settings.state_dir else None)
        return cls(ring, purse, Admission(purse, clock))

    async def watch(self, interval: float) -> None:
        """Looks at the file of keys every `interval` seconds, and writes down what keys have spent, for ever."""
        await asyncio.gather(self.ring.watch(interval), self._keep())

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SAVE_S)
            await asyncio.to_thread(self.purse.save)
