"""Runs the server in this process."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import logging
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import uvicorn
from rich.console import Console

from router import loader
from router.app import Turnout, create_app
from router.cli import show
from router.cli.fleet import DRAIN_S
from router.cli.kin import Kin
from router.cli.listening import Listening
from router.cli.sockets import bind_for
from router.errors import ConfigError
from router.settings import EMBEDDED, MEMORY, Settings, as_environment

LOG = logging.getLogger("turnout")
ROOT = Path(__file__).resolve().parents[2]
"""The folder that the package lies in."""
BACKLOG = 4096
GARBAGE = (10_000, 50, 100)
"""Thresholds of the three generations: a request makes hundreds of objects and hardly a circle, and with Python's own
thresholds looking for circles costs a sixteenth of it."""


def config(app: Turnout) -> uvicorn.Config:
    """How the application is served, by the command and in the tests."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=Listening,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="error",  # nobody without a key fills the log with what is no HTTP
        backlog=BACKLOG,
        server_header=False,
        proxy_headers=False,  # nothing here depends on the caller's address
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=DRAIN_S,
    )


class Server(uvicorn.Server):
    """Ends when the streams under way have; at a second signal it cancels them, so that each is told, and ends then.

    At SIGTERM it says so on `/readyz` first, and takes new steps for `delay_s` seconds more.
    """

    def __init__(self, app: Turnout, delay_s: float, kin: Kin | None = None) -> None:
        """`kin`: the other workers, where there are any."""
        super().__init__(config(app))
        self._app, self._delay_s, self._kin = app, delay_s, kin
        self._told = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._kin is not None and self.started:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._app.refresh)
            await self._kin.begin(self._app.census)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self._kin is not None:
            await self._kin.end()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.leave()
        tasks = self.server_state.tasks
        first, self._told = not self._told, True
        if first and sig == signal.SIGTERM and self._delay_s:
            loop = asyncio.get_running_loop()
            loop.call_soon_threadsafe(loop.call_later, self._delay_s, self._end, sig, frame)
        elif self.should_exit and tasks:
            for task in tasks:
                task.cancel()
        else:
            super().handle_exit(sig, frame)

    def _end(self, sig: int, frame: FrameType | None) -> None:
        """The delay is over; a second signal may have come in it."""
        if not self.should_exit:
            super().handle_exit(sig, frame)


def serve(settings: Settings, console: Console) -> None:
    """Serves until SIGINT or SIGTERM. Raises ConfigError before that: a wrong file, setting or address."""
    with contextlib.ExitStack() as stack:
        # uvicorn ends by raising the signal again, and what was started here must be ended then.
        stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, _end))
        if settings.store == EMBEDDED:
            url = stack.enter_context(loader.embedded_store(settings.state_dir))
            settings = dataclasses.replace(settings, store=url)
        _serve(settings, console)


def become_many(settings: Settings, level: str) -> NoReturn:
    """Makes this process the supervisor of several workers; a fresh one, which is small. Raises ConfigError."""
    if settings.store == MEMORY:
        if not loader.can_embed():
            raise ConfigError(
                "--workers",
                None,
                "workers share their state in a store. Let Turnout start one: pip install 'turnout[embedded]'; or name "
                "a Redis or Valkey in TURNOUT_STORE.",
            )
        LOG.info("store: %s, which the workers share", EMBEDDED)
        settings = dataclasses.replace(settings, store=EMBEDDED)
    env = as_environment(settings)
    if ROOT.name not in ("site-packages", "dist-packages"):  # a checkout that nobody has installed
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), env.get("PYTHONPATH"))))
    # -P: what lies in the working folder is no part of this, though it may be called `router` too.
    os.execve(sys.executable, (sys.executable, "-P", "-m", "router.cli.fleet", level), env)


def _end(sig: int, frame: FrameType | None) -> None:
    """Raises SystemExit with the status that a shell gives a process ended by this signal."""
    raise SystemExit(128 + sig)


def _serve(settings: Settings, console: Console) -> None:
    app = create_app(settings)
    socks = bind_for(settings)
    welcome(settings, len(app.ring.grants) if app.ring.keyed else None, console)
    run(app, settings, socks)


def run(app: Turnout, settings: Settings, socks: list[socket.socket], kin: Kin | None = None) -> None:
    """Serves at `socks` until SIGINT or SIGTERM."""
    gc.collect()
    gc.set_threshold(*GARBAGE)
    _open_many()
    gc.freeze()  # what was built at start is never garbage; do not look at it again
    Server(app, settings.shutdown_delay, kin).run(sockets=socks)


def _open_many() -> None:
    """Takes as many open files as the system allows: each step under way needs two, and shells give 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a system that says unlimited may mean less
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def welcome(settings: Settings, keys: int | None, console: Console) -> None:
    """Where it listens, and who may ask. `keys`: how many there are; None: none is needed."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    show.say(console, f"Turnout serves http://{host}:{settings.port}/v1  (policy {settings.policy})", style="bold")
    if settings.admin_port:
        where = settings.admin_host
        show.say(console, f"Metrics and administration are at {where}:{settings.admin_port} alone.")
    if keys is not None:
        show.say(console, f"{keys} API key(s) may call it.")
    else:
        alone = "No API key is set, so it is bound to this machine alone."
        show.say(console, f"{alone} Make one to open it to others: turnout keys create NAME.")
