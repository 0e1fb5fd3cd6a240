"""Holds the current Config, and swaps it as one when the files change; a bad file keeps the old one serving."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from router import config as configs
from router.beliefs import Beliefs
from router.beliefs.snapshot import carried
from router.config import Config
from router.errors import ConfigError
from router.settings import Settings

LOG = logging.getLogger("turnout")


class Library:
    def __init__(self, settings: Settings, *, loaded: Callable[[Config], None], refused: Callable[[], None]) -> None:
        """Reads the files. Raises ConfigError where they are wrong, since there is no old state to keep."""
        self._settings, self._loaded, self._refused = settings, loaded, refused
        self.current = configs.load(settings)
        self._seen = self.current.stamp
        loaded(self.current)

    def get(self) -> Config:
        return self.current

    def believe(self, beliefs: Beliefs) -> None:
        """Serves from `beliefs` from now on; where a policy reads words, they can be learned from whatever is given."""
        if self.current.beliefs.success.words is not None and beliefs.success.words is None:
            beliefs = beliefs.reading()
        self.current = msgspec.structs.replace(self.current, beliefs=beliefs)

    def refresh(self) -> bool:
        """Looks at the files. True where new ones serve now; wrong ones are logged, and the old ones serve on."""
        fresh = self._read()
        if fresh is not None:
            self._swap(fresh)
        return fresh is not None

    async def watch(self) -> None:
        """Looks at the files every `reload_interval` seconds, for ever: reads in a thread, swaps in its own."""
        while self._settings.reload_interval > 0:
            await asyncio.sleep(self._settings.reload_interval)
            fresh = await asyncio.to_thread(self._read)
            if fresh is not None:
                self._swap(fresh)

    def _read(self) -> Config | None:
        """What the files say, or None where they are as they were at the last look, or wrong."""
        stamp = configs.stamp(self._settings)
        if stamp == self._seen:
            return None
        self._seen = stamp  # a bad file is complained of once, not at every look
        try:
            return configs.load(self._settings)
        except ConfigError as error:
            LOG.error("%s (the files read before keep serving)", error)
            self._refused()
            return None

    def _swap(self, fresh: Config) -> None:
        beliefs, words = self.current.beliefs, fresh.beliefs.success.words is not None
        if fresh.catalog == self.current.catalog:
            # What was learned of these very models, and what is cached by them, stays.
            fresh = msgspec.structs.replace(fresh, catalog=self.current.catalog)
        else:
            beliefs = carried(beliefs, fresh.catalog)
        fresh = msgspec.structs.replace(fresh, beliefs=beliefs.reading() if words else beliefs)
        self.current = fresh
        self._loaded(fresh)
        LOG.info("policies and catalog read again: %s", ", ".join(fresh.policies))
