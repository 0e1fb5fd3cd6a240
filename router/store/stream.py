"""The journal in a Redis stream: bounded, in batches that count once, for threads and commands that may block."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from typing import Any

from router.store.base import Down
from router.store.link import Link
from router.store.log import PREFIX

JOURNAL = f"{PREFIX}:journal"
RECORDS = 20_000
"""Records that are kept, about: some 60 MB."""
WEEK_MS = 7 * 86_400_000
"""For which a journal that nobody writes is kept."""
READ = 200
"""Entries that are read at once."""
PATIENCE_S = 2.0
"""Seconds that a call may take: nobody waits for it."""


class Stream:
    """Belongs to the thread that uses it first."""

    def __init__(self, url: str) -> None:
        """Raises ConfigError where the URL says nothing."""
        self._link = Link(url, lambda: None, lambda degraded: None, PATIENCE_S)
        self.where = f"{self._link.where} {JOURNAL}"
        self._me = secrets.token_hex(8)
        self._batch = 0
        self._per_entry = 1.0
        self._after = "-"
        self._seen: set[tuple[bytes, bytes]] = set()
        self._runner: asyncio.Runner | None = None

    def write(self, lines: Sequence[bytes]) -> None:
        """Raises OSError. A batch that is written again, because the answer was lost, counts once."""
        wide = self._per_entry + 0.1 * (len(lines) - self._per_entry)
        most = round(RECORDS / max(1.0, wide))
        entry = ("w", self._me, "n", self._batch, "d", b"".join(lines))
        self._run(self._call(("XADD", JOURNAL, "MAXLEN", "~", most, "*", *entry), ("PEXPIRE", JOURNAL, WEEK_MS)))
        self._batch += 1
        self._per_entry = wide

    def more(self) -> list[bytes]:
        """The lines that came since the last call, the oldest first; the first call gives all. Raises OSError."""
        found: list[bytes] = []
        while True:
            (entries,) = self._run(self._call(("XRANGE", JOURNAL, self._after, "+", "COUNT", READ)))
            for name, fields in entries:
                self._after = f"({name.decode()}"
                batch = (fields.get(b"w", b""), fields.get(b"n", b""))
                if batch not in self._seen:
                    self._seen.add(batch)
                    found += fields.get(b"d", b"").splitlines(keepends=True)
            if len(entries) < READ:
                return found

    def tend(self) -> None:
        """Nothing is due by the clock: the stream bounds itself."""

    def close(self) -> None:
        if self._runner is not None:
            self._runner.run(self._link.close())
            self._runner.close()

    async def _call(self, *commands: Sequence[Any]) -> list[Any]:
        if not self._link.up and not await self._link.mend():
            raise Down(f"{self._link.where} does not answer")
        return await self._link.run(*commands)

    def _run(self, call: Coroutine[Any, Any, list[Any]]) -> list[Any]:
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            return self._runner.run(call)
        except Down as error:
            raise OSError(str(error)) from None
