"""The start of the command, before its modules are there."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

START = "import os, signal, sys\nfrom router import cli, loader\n"
INTERRUPTED = "os.kill(os.getpid(), signal.SIGINT)\nprint('went on')\n"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, timeout=60)


def test_an_interrupt_while_it_loads_ends_it_without_a_word() -> None:
    """Nobody who presses ctrl-C early reads where in its imports the command was."""
    done = run(f"def commands():\n    exec({INTERRUPTED!r})\nloader.commands = commands\ncli.main()")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("heard", ["default_int_handler", "SIG_IGN"])
def test_an_interrupt_means_to_the_command_what_it_meant_before(heard: str) -> None:
    """A command can end in order; one that a shell started deaf to interrupts stays so, in its loading too."""
    probe = f"sys.exit(signal.getsignal(signal.SIGINT) is not signal.{heard})"
    done = run(
        f"signal.signal(signal.SIGINT, signal.{heard})\n"
        f"class Commands:\n    main = staticmethod(lambda: exec({probe!r}))\n"
        "loader.commands = lambda: Commands\ncli.main()"
    )
    assert (done.returncode, done.stderr) == (0, "")
