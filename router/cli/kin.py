"""A worker's end of the pair of sockets: it says when it is ready and what it has counted, and asks for all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from itertools import count

from router.census import Table
from router.cli import letters
from router.cli.letters import Ask, Counted, Letter, Ready, Tell, Told
from router.errors import Unavailable

PUSH_S = 2.0
"""Seconds between two tellings of what was counted: as much a worker that is killed takes with it."""
ANSWER_S = 5.0
"""Seconds that the supervisor may take."""


class Kin:
    """The others, by way of the supervisor."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._census: Callable[[], tuple[Table, ...]] = tuple
        self._writer: asyncio.StreamWriter | None = None
        self._asked: dict[int, asyncio.Future[tuple[Table, ...]]] = {}
        self._numbers = count(1)
        self._work: list[asyncio.Task[None]] = []

    async def begin(self, census: Callable[[], tuple[Table, ...]]) -> None:
        """Says that requests are taken. `census`: what this process has counted."""
        self._census = census
        reader, self._writer = await asyncio.open_unix_connection(sock=self._sock)
        self._work = [asyncio.create_task(self._listen(reader)), asyncio.create_task(self._push())]
        with contextlib.suppress(OSError):  # the supervisor is gone already; `_listen` sees to it
            await self._say(Ready())

    async def all(self, own: tuple[Table, ...]) -> tuple[Table, ...]:
        """What all have counted. Raises Unavailable where nobody says: less would look like a restart."""
        number = next(self._numbers)
        answer: asyncio.Future[tuple[Table, ...]] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._say(Ask(number, own))
                return await answer
        except (TimeoutError, OSError):
            raise Unavailable("The other workers' metrics cannot be had at the moment.") from None
        finally:
            del self._asked[number]

    async def end(self) -> None:
        """Says the last numbers."""
        for task in self._work:
            task.cancel()
        with contextlib.suppress(OSError):
            await self._say(Counted(self._census()))
        if self._writer is not None:
            self._writer.close()

    async def _push(self) -> None:
        while True:
            await asyncio.sleep(PUSH_S)
            with contextlib.suppress(OSError):
                await self._say(Counted(await asyncio.to_thread(self._census)))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while (letter := await letters.read(reader)) is not None:
            if isinstance(letter, Tell):
                with contextlib.suppress(OSError):
                    await self._say(Counted(await asyncio.to_thread(self._census), letter.round))
            elif isinstance(letter, Told) and (asked := self._asked.get(letter.number)) is not None:
                asked.set_result(letter.census)
        os.kill(os.getpid(), signal.SIGTERM)  # the supervisor is gone, and with it who would start another

    async def _say(self, letter: Letter) -> None:
        if self._writer is None or self._writer.is_closing():  # uvloop has another error for this
            raise ConnectionResetError
        self._writer.write(letters.packed(letter))
        await self._writer.drain()
