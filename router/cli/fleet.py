"""The supervisor of several workers: `python -m router.cli.fleet LEVEL`, with all settings in the environment.

It loads nothing that serves, so that it is small and has little that can fail. It binds the sockets, starts the
workers, starts another where one dies, passes signals on, and keeps what those that are gone have counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence

from router import loader
from router.census import Table, lasting, united
from router.cli import letters, sockets
from router.cli.letters import Ask, Counted, Ready, Tell, Told
from router.errors import ConfigError
from router.settings import EMBEDDED, PREFIX, Settings, from_environment

LOG = logging.getLogger("turnout")
LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"
DRAIN_S = 30
"""Seconds that steps under way get to end after SIGTERM, as each worker counts them too."""
GRACE_S = 5.0
"""Seconds more, in which workers write down what they know, before they are killed."""
STEADY_S = 10.0
"""A worker that served so long had no trouble in starting: another starts at once."""
PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before another starts, by how many ended early in a row."""
COUNT_S = 0.5
"""Seconds that a worker has to tell what it counted; then what it told last is taken."""


class Worker:
    """One that lives, and what it has told."""

    def __init__(self, process: asyncio.subprocess.Process, writer: asyncio.StreamWriter) -> None:
        self.process, self.writer = process, writer
        self.began = time.monotonic()
        self.ready = False
        self.census: tuple[Table, ...] = ()
        self.round = 0

    def say(self, letter: letters.Letter) -> None:
        if not self.writer.is_closing():
            self.writer.write(letters.packed(letter))

    def send(self, how: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)


class Fleet:
    def __init__(self, socks: Sequence[Sequence[socket.socket]], level: str, env: Mapping[str, str]) -> None:
        """Of as many workers as there are entries in `socks`, each with its own."""
        self._socks, self._level, self._env = socks, level, env
        self._workers: dict[int, Worker] = {}
        self._gone: tuple[Table, ...] = ()
        """What workers that are no more have counted."""
        self._serves, self._ending = asyncio.Event(), asyncio.Event()
        self._told = asyncio.Event()
        self._round = 0
        self._status = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, drain_s: float) -> int:
        """Serves until `end`; then at most `drain_s` seconds more. The exit status: not 0 where none could start."""
        first = asyncio.create_task(self._place(0))
        serves = asyncio.create_task(self._serves.wait())
        await asyncio.wait((first, serves), return_when=asyncio.FIRST_COMPLETED)  # what is wrong is told of once
        serves.cancel()
        places = [first, *(asyncio.create_task(self._place(i)) for i in range(1, len(self._socks)) if not first.done())]
        await self._ending.wait()
        _, late = await asyncio.wait(places, timeout=drain_s)
        for worker in tuple(self._workers.values()):
            LOG.error("worker %d does not end and is killed", worker.process.pid)
            worker.send(signal.SIGKILL)
        if late:
            await asyncio.wait(late)
        return self._status

    def end(self, how: signal.Signals) -> None:
        """Tells all workers to end, and starts no other."""
        if not self._ending.is_set():
            self._ending.set()
            for sock in (sock for socks in self._socks for sock in socks):
                sock.close()  # the workers have their own: when they close them, callers are refused at once
        self.tell(how)

    def tell(self, how: signal.Signals) -> None:
        """Sends all workers a signal."""
        for worker in self._workers.values():
            worker.send(how)

    async def _place(self, index: int) -> None:
        """A worker, and after it another, until the end."""
        early, served = 0, False
        while not self._ending.is_set():
            worker = await self._life(index)
            status, lived = worker.process.returncode, time.monotonic() - worker.began
            served = served or worker.ready
            if self._ending.is_set():
                return
            if not served and index == 0:
                self._status = status or 1
                self._ending.set()
                return
            early = 0 if lived >= STEADY_S else min(early + 1, len(PAUSES) - 1)
            pause = PAUSES[max(0, early - 1)] if worker.ready else PAUSES[early]
            LOG.error("worker %d ended with status %s; another starts in %g s", worker.process.pid, status, pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause or 0.001)

    async def _life(self, index: int) -> Worker:
        """Starts a worker and hears it out."""
        ours, theirs = socket.socketpair()
        fds = [sock.fileno() for sock in self._socks[index]]
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "router.cli.worker", self._level, str(index + 1)),
                *(str(theirs.fileno()), ",".join(map(str, fds))),
                env=self._env,
                pass_fds=(theirs.fileno(), *fds),
                start_new_session=True,  # ctrl-C in a terminal reaches the supervisor alone, which passes it on
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        worker = self._workers[index] = Worker(process, writer)
        if self._ending.is_set():  # told to end in between
            worker.send(signal.SIGTERM)
        await self._hear(worker, reader)
        writer.close()  # one that lives though nothing can be heard of it ends by this
        await process.wait()
        del self._workers[index]
        self._gone = united((self._gone, lasting(worker.census)))
        self._told.set()
        return worker

    async def _hear(self, worker: Worker, reader: asyncio.StreamReader) -> None:
        while (letter := await letters.read(reader)) is not None:
            if isinstance(letter, Ready):
                worker.ready = True
                self._serves.set()
            elif isinstance(letter, Counted):
                worker.census, worker.round = letter.census, max(worker.round, letter.round)
                self._told.set()
            elif isinstance(letter, Ask):
                worker.census = letter.census
                task = asyncio.create_task(self._answer(worker, letter.number))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _answer(self, asker: Worker, number: int) -> None:
        """Asks all others, waits a moment, and tells what all have counted."""
        self._round += 1
        asked = self._round
        others = [w for w in self._workers.values() if w is not asker and w.ready]
        for other in others:
            other.say(Tell(asked))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COUNT_S):
                while any(o.round < asked and o in self._workers.values() for o in others):
                    self._told.clear()
                    await self._told.wait()
        living = [w.census for w in self._workers.values()]
        asker.say(Told(number, united((*living, self._gone))))


async def _run(settings: Settings, socks: Sequence[Sequence[socket.socket]], level: str, env: Mapping[str, str]) -> int:
    fleet, loop = Fleet(socks, level, env), asyncio.get_running_loop()
    ended: list[int] = []

    def end(how: signal.Signals) -> None:
        ended.append(how)
        fleet.end(how)

    for how in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(how, end, how)
    if os.isatty(0):  # the terminal is closed
        loop.add_signal_handler(signal.SIGHUP, end, signal.SIGTERM)
    else:
        loop.add_signal_handler(signal.SIGHUP, fleet.tell, signal.SIGHUP)
    status = await fleet.run(settings.shutdown_delay + DRAIN_S + GRACE_S)
    return 128 + ended[0] if ended else status


def supervise(level: str, environment: Mapping[str, str]) -> int:
    """Serves with the settings of the environment. The exit status. Raises ConfigError."""
    settings = from_environment(environment)
    socks = sockets.bind_for_each(settings)
    with contextlib.ExitStack() as stack:
        env = dict(environment)
        if settings.store == EMBEDDED:
            env[f"{PREFIX}STORE"] = stack.enter_context(loader.embedded_store(settings.state_dir))
        return asyncio.run(_run(settings, socks, level, env))


def main() -> None:
    """What `turnout serve --workers N` becomes."""
    logging.basicConfig(level=sys.argv[1].upper(), format=LOG_FORMAT)
    try:
        sys.exit(supervise(sys.argv[1], os.environ))  # noqa: TID251 (what the command has put there)
    except ConfigError as error:
        sys.stderr.write(f"turnout: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
