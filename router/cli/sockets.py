"""Listening sockets, bound before anything else, so that a taken port is one sentence and not a traceback."""

from __future__ import annotations

import socket
import sys

from router.errors import ConfigError
from router.settings import Settings


def bind(host: str, port: int, named: str = "--port", *, shared: bool = False) -> socket.socket:
    """A bound socket; `shared`: beside others of this user at the same port, among which Linux spreads connections.

    Raises ConfigError naming host and port where it cannot be had, and where to set another.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind((host, port))
    except (OSError, OverflowError) as error:
        sock.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{host}:{port}", None, f"cannot be bound: {reason}. Choose another with {named}.") from None
    sock.set_inheritable(True)
    return sock


def bind_for(settings: Settings) -> list[socket.socket]:
    """Those of one server: the main one, and the one for administration where there is any."""
    socks = [bind(settings.host, settings.port)]
    if settings.admin_port:
        socks.append(bind(settings.admin_host, settings.admin_port, "TURNOUT_ADMIN_PORT"))
    return socks


def bind_for_each(settings: Settings) -> list[list[socket.socket]]:
    """The same for each of several workers: on Linux each its own, so that the kernel spreads the connections over
    them; elsewhere all have the same, of which whoever is first takes a connection."""
    if sys.platform != "linux":
        return [bind_for(settings)] * settings.workers
    # Sharing a port is allowed to every process of the user: ask first without, or a second server would get in.
    tried = bind_for(settings)
    port = tried[0].getsockname()[1]  # the one that 0 became
    for sock in tried:
        sock.close()
    places = [(settings.host, port, "--port")]
    if settings.admin_port:
        places.append((settings.admin_host, settings.admin_port, "TURNOUT_ADMIN_PORT"))
    return [[bind(host, port, named, shared=True) for host, port, named in places] for _ in range(settings.workers)]
