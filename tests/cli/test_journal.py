"""`turnout journal`: where it looks, what it shows, what it writes, and its complaints."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from router.cli.journal import moment
from router.errors import ConfigError
from router.journal import records
from router.plan import Lot, Situation
from router.policy import Exploration
from tests.cli.conftest import Command
from tests.journal.made import CATALOG, line, outcome, said
from tests.journal.test_reader import AT, put
from tests.plan.small import TERMS, choose


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with four steps, one of them judged, one with all that a record can hold."""
    folder = tmp_path / "state" / "journal"
    folder.mkdir(parents=True)
    full = records.encode(records.of_outcome(outcome(2, again=True, text="Mend it."), plans=True))
    refused = line(1, result="error", error="invalid_hint", policy="", step_class="none")
    put(folder, AT, line(0), refused, full, said(2, success=0.0, reason="tests fail"), line(3))
    return tmp_path / "state"


def test_path_follows_the_settings(command: Command, tmp_path: Path) -> None:
    """The option, the variable, then the user's own state folder."""
    given, variable = str(tmp_path / "a"), str(tmp_path / "b")
    assert command("journal", "path", "--state", given, TURNOUT_STATE_DIR=variable).out == f"{given}/journal\n"
    assert command("journal", "path", TURNOUT_STATE_DIR=variable).out == f"{variable}/journal\n"
    home = {"TURNOUT_STATE_DIR": "", "XDG_STATE_HOME": "", "HOME": "/h"}
    assert command("journal", "path", **home).out == "/h/.local/state/turnout/journal\n"
    assert command("journal", "path", **{**home, "XDG_STATE_HOME": "/x"}).out == "/x/turnout/journal\n"
    lost = command("journal", "path", **{**home, "HOME": ""})
    assert lost.status == 2 and "TURNOUT_STATE_DIR" in lost.err


def test_show_lists_the_last_steps(command: Command, state: Path) -> None:
    """The oldest first, with what became of each attempt and what was said of the step."""
    done = command("journal", "show", "--state", str(state))
    rows = done.out.splitlines()
    assert done.status == 0 and [i for row in rows[1:] for i in row.split() if i.startswith("dec_")] == [
        "dec_0",
        "dec_1",
        "dec_2",
        "dec_3",
    ]
    assert "invalid_hint" in rows[2]
    assert "n/off (tools failed) then q122/off" in rows[3] and "wrong (caller)" in rows[3]
    few = command("journal", "show", "-n", "1", "--state", str(state))
    assert "dec_3" in few.out and "dec_2" not in few.out


def test_show_as_json_prints_the_records(command: Command, state: Path) -> None:
    """As they are in the journal, verdicts included, one a line."""
    done = command("journal", "show", "--json", "--last", "2", "--state", str(state))
    found = [json.loads(text) for text in done.out.splitlines()]
    assert [(r["kind"], r["decision_id"]) for r in found] == [
        ("outcome", "dec_2"),
        ("outcome", "dec_3"),
        ("verdict", "dec_2"),
    ]


def test_one_decision_is_shown_whole(command: Command, state: Path) -> None:
    """What was asked, believed, planned, tried, and said of it."""
    done = command("journal", "show", "--decision", "dec_2", "--state", str(state))
    for part in (
        "dec_2",
        "accepted, status 200",
        "policy p (0123456789ab)",
        "run run, step step, asked for again",
        "hints: accuracy=0.9",
        "propensity 1",
        "Frontier (of",
        "q397/off",
        "tools failed",
        "an answer",
        "text: Mend it.",
        "wrong (caller)",
        "tests fail",
    ):
        assert part in done.out, part
    refused = command("journal", "show", "--decision", "dec_1", "--state", str(state))
    assert "No plan was made: invalid_hint" in refused.out
    lines = command("journal", "show", "--decision", "dec_2", "--json", "--state", str(state)).out.splitlines()
    assert [json.loads(text)["kind"] for text in lines] == ["outcome", "verdict"]


def test_an_explored_decision_says_so(command: Command, tmp_path: Path) -> None:
    """What the run's draw was, and how likely; in words and in the record."""
    folder = tmp_path / "state" / "journal"
    folder.mkdir(parents=True)
    exploring = replace(TERMS, failure_cost=0.01, exploration=Exploration(share=0.3, regret=100))
    decision = choose(CATALOG, base=exploring, situation=Situation(lot=Lot(0.0, 0.9)))
    put(folder, AT, records.encode(records.of_outcome(outcome(1, decision=decision), plans=True)))
    done = command("journal", "show", "--decision", "dec_1", "--state", str(tmp_path / "state"))
    assert "(exploration; propensity 0.1)" in done.out and "explores: the run's draw was q397/off, P 0.1" in done.out
    whole = command("journal", "show", "--decision", "dec_1", "--json", "--state", str(tmp_path / "state"))
    assert json.loads(whole.out)["drawn"] == {"arm": "q397/off", "p": pytest.approx(0.1)}


def test_an_unknown_decision_is_an_error(command: Command, state: Path) -> None:
    """One sentence, and no table; a part of an id is no id."""
    for wanted in ("dec_9", "dec_", "dec"):
        done = command("journal", "show", "--decision", wanted, "--state", str(state))
        assert done.status == 2 and f"has nothing on the decision {wanted!r}" in done.err and done.out == ""


def test_an_empty_journal_says_so(command: Command, tmp_path: Path) -> None:
    """With the folder that was looked in."""
    done = command("journal", "show", "--state", str(tmp_path))
    assert done.status == 0 and done.out == "" and str(tmp_path / "journal") in done.err


def test_what_is_passed_over_is_told(command: Command, state: Path) -> None:
    """A cut-off line and an unreadable one."""
    put(state / "journal", AT + 100, b"nonsense\n", line(100)[:70])
    done = command("journal", "show", "--state", str(state))
    assert "Passed over: 1 cut-off and 1 unreadable lines." in done.err


def test_follow_shows_what_comes(state: Path) -> None:
    """Until ctrl-C: steps, and verdicts on steps that were shown before."""
    program = [sys.executable, "-m", "router", "journal", "show", "--follow", "--last", "1", "--state", str(state)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        killer = threading.Timer(20, process.kill)
        killer.start()
        assert "decision" in process.stdout.readline() and "dec_3" in process.stdout.readline()
        put(state / "journal", AT + 50, line(50), said(3))
        assert "dec_50" in process.stdout.readline()
        late = process.stdout.readline()
        assert "dec_3" in late and "right (caller)" in late
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130 and process.stderr.read() == ""
        killer.cancel()


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_export_writes_a_table(command: Command, state: Path, tmp_path: Path, kind: str) -> None:
    """One row a step, within the time asked for."""
    out = tmp_path / f"rows.{kind}"
    done = command("journal", "export", f"--{kind}", str(out), "--state", str(state))
    assert (done.status, done.out) == (0, f"4 steps written to {out}.\n") and out.stat().st_size > 100
    none = command("journal", "export", f"--{kind}", str(out), "--state", str(state), "--since", "24h")
    assert none.out == f"0 steps written to {out}.\n"


def test_export_needs_one_target(command: Command, state: Path) -> None:
    """Not none, not two."""
    for targets in ((), ("--jsonl", "a", "--parquet", "b")):
        done = command("journal", "export", *targets, "--state", str(state))
        assert done.status == 2 and "give either --parquet FILE or --jsonl FILE" in done.err


def test_parquet_without_its_library_says_what_to_install(
    command: Command, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra by name."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "duckdb" else real(name))
    done = command("journal", "export", "--parquet", "x.parquet", "--state", str(state))
    assert done.status == 2 and "turnout[tune]" in done.err and not Path("x.parquet").exists()


MOMENTS = [("90s", 910.0), ("2m", 880.0), ("1970-01-01T00:20+00:00", 1_200.0), (None, None)]


@pytest.mark.parametrize(("text", "time"), MOMENTS)
def test_times(text: str | None, time: float | None) -> None:
    """Back from now, or as ISO 8601."""
    assert moment("--since", text, 1_000.0) == time


@pytest.mark.parametrize("text", ["soon", "", "5", "1w", "2026-13-01", "-1h", "9999999h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """With an example of what would be."""
    with pytest.raises(ConfigError, match="--since: .* is no time; write 2026-05-31"):
        moment("--since", text, 1_000.0)


def test_serve_without_a_home_says_that_nothing_is_logged(command: Command, caplog: pytest.LogCaptureFixture) -> None:
    """Once, naming the setting; nothing is said where the journal is off anyway."""
    nowhere = {"XDG_STATE_HOME": "", "HOME": ""}
    for journal, times in (("auto", 1), ("off", 0)):
        caplog.clear()
        done = command("serve", "--host", "192.0.2.1", TURNOUT_JOURNAL=journal, **nowhere)
        assert done.status == 2 and "TURNOUT_API_KEYS" in done.err
        assert caplog.text.count("set TURNOUT_STATE_DIR") == times
