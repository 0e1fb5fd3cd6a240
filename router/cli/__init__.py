"""The command `turnout`."""

from router.cli.commands import main

__all__ = ["main"]
