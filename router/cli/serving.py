"""Runs the server: binds first, so that a taken port is one sentence and not a traceback."""

from __future__ import annotations

import gc
import socket

import uvicorn
from rich.console import Console

from router.app import Turnout, create_app
from router.errors import ConfigError
from router.settings import Settings

BACKLOG = 4096
DRAIN_S = 30
"""Seconds that streams under way get to end after SIGTERM."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError naming host and port where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except (OSError, OverflowError) as error:
        sock.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{host}:{port}", None, f"cannot be bound: {reason}. Choose another with --port.") from None
    sock.set_inheritable(True)
    return sock


def config(app: Turnout) -> uvicorn.Config:
    """How the application is served, by the command and in the tests."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        backlog=BACKLOG,
        server_header=False,
        proxy_headers=False,  # nothing here depends on the caller's address
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=DRAIN_S,
    )


def serve(settings: Settings, console: Console) -> None:
    """Serves until SIGINT or SIGTERM. Raises ConfigError before anything is bound where the files or settings are wrong."""
    settings.check_exposure()
    app = create_app(settings)
    sock = bind(settings.host, settings.port)
    welcome(settings, app.library.current, console)
    gc.collect()
    gc.freeze()  # what was built at start is never garbage; do not look at it again
    uvicorn.Server(config(app)).run(sockets=[sock])


def welcome(settings: Settings, config: object, console: Console) -> None:
    """Where it listens, who may ask, and what it serves."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    console.print(f"Turnout serves [bold]http://{host}:{settings.port}/v1[/bold]  (policy {settings.policy})", highlight=False)
    if settings.api_keys:
        console.print(f"{len(settings.api_keys)} API key(s) may call it.", highlight=False)
    else:
        console.print("No API key is set, so it is bound to this machine alone. Set TURNOUT_API_KEYS to open it to others.")
