"""What `/metrics` answers: this process, or all workers together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from router.attempts import Tools
from router.census import Table
from router.library import Library
from router.metrics import Metrics
from router.state import State

Siblings = Callable[[tuple[Table, ...]], Awaitable[tuple[Table, ...]]]
"""Given what this process has counted, tells what it and all other workers have."""
CODES = {"closed": 0, "half_open": 1, "open": 2}


class Scrape:
    def __init__(
        self, metrics: Metrics, library: Library, tools: Tools, state: State, siblings: Siblings | None
    ) -> None:
        self._metrics, self._library, self._tools, self._state = metrics, library, tools, state
        self._siblings = siblings

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The metrics as a scraper accepts them, and their content type. Raises Unavailable."""
        if self._siblings is None:
            self._measure()
            return await asyncio.to_thread(self._metrics.render, accept)
        census = await self._siblings(await asyncio.to_thread(self.census))
        return await asyncio.to_thread(self._metrics.render, accept, census)

    def census(self) -> tuple[Table, ...]:
        """What this process has counted."""
        self._measure()
        return self._metrics.census()

    def _measure(self) -> None:
        """Brings the gauges up to date that only a scrape needs."""
        metrics, tools = self._metrics, self._tools
        self._state.measure(metrics)
        metrics.beliefs_version.set(self._library.current.beliefs.version)
        for name, d in self._library.current.catalog.places:
            key = f"{name}:{d.name}"
            metrics.breaker.labels(key).set(CODES[tools.health.state(key)])
            metrics.inflight.labels(key).set(tools.admission.inflight[key])
            metrics.limit.labels(key).set(tools.admission.limit(key, d.most))
            metrics.waiting.labels(key).set(tools.admission.waiting(key))
