"""One of several processes that serve, as the supervisor starts it: `python -m router.cli.worker LEVEL NUMBER LINK
SOCKETS`, with file descriptors for the last two."""

from __future__ import annotations

import logging
import os
import socket
import sys

from router.app import create_app
from router.cli import serving, show
from router.cli.kin import Kin
from router.errors import ConfigError
from router.settings import from_environment

LOG_FORMAT = "%(asctime)s %(levelname)s worker {}: %(message)s"


def main() -> None:
    """Serves until SIGTERM, SIGINT, or the supervisor is gone. Status 2: a file or a setting is wrong."""
    level, number, link, fds = sys.argv[1:]
    logging.basicConfig(level=level.upper(), format=LOG_FORMAT.format(number))
    settings = from_environment(os.environ)  # noqa: TID251 (what the command has put there)
    kin = Kin(socket.socket(fileno=int(link)))
    socks = [socket.socket(fileno=int(fd)) for fd in fds.split(",")]
    console = show.terminal(stderr=True)
    try:
        app = create_app(settings, siblings=kin.all)
    except ConfigError as error:
        show.say(console, f"turnout: {error}", style="red")
        sys.exit(2)
    if number == "1":
        serving.welcome(settings, len(app.ring.grants) if app.ring.keyed else None, console)
    serving.run(app, settings, socks, kin)


if __name__ == "__main__":
    main()
