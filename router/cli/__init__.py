"""The command `turnout`."""

from __future__ import annotations

import signal

from router import loader

__all__ = ["main"]


def main() -> None:
    """Loads the commands and runs one. An interrupt ends the loading at once: a traceback out of it helps nobody."""
    heard = signal.getsignal(signal.SIGINT)
    if heard is signal.default_int_handler:  # not where a shell or an embedder has said otherwise
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    commands = loader.commands()
    if heard is signal.default_int_handler:
        signal.signal(signal.SIGINT, heard)
    commands.main()
