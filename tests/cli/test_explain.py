"""`turnout explain` under several policies; under one, tests/cli/test_commands.py."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Command


def test_side_by_side(command: Command, written: Path) -> None:
    """One row for each policy, what each would change as believed, and JSON of the same decisions."""
    names = ("--policy", "default", "--policy", "cost-first", "--policy", "accuracy-first")
    common = ("explain", "Fix it", "--hint", "step=code", "--policies", str(written))
    done = command(*common, *names)
    assert done.status == 0, done.err
    decisions = json.loads(command(*common, *names, "--json").out)
    assert [d["policy"] for d in decisions] == ["default", "cost-first", "accuracy-first"]
    for d in decisions:
        assert " then ".join(d["chosen"]["arms"]) in done.out and d["policy"] in done.out
    change = decisions[1]["chosen"]["p_success"] - decisions[0]["chosen"]["p_success"]
    assert f"cost-first against default: P {change * 100:+.1f} points" in done.out
    every = command(*common, *names, "--all").out
    assert every.count("Arms") == 3 > done.out.count("Arms")


def test_the_same_is_said_to_be_the_same(command: Command, written: Path) -> None:
    """Twice one policy; one that does not exist is named."""
    common = ("explain", "Hi", "--policies", str(written), "--policy", "default", "--policy")
    assert "default does the same as default." in command(*common, "default").out
    done = command(*common, "gone")
    assert done.status == 2 and "has no policy 'gone'" in done.err
