"""The journal in a stream: every record once, bounded, and there for the commands that read a journal."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from router import loader
from router.errors import ConfigError
from router.journal import Journal, opened, records
from router.settings import EMBEDDED, Settings
from router.store import stream as streams
from router.store.embedded import embedded
from router.store.stream import Stream
from tests.cli.conftest import Command, command  # noqa: F401 (a fixture)
from tests.journal.made import Told, line, outcome, verdict
from tests.store.valkey import Valkey


@contextmanager
def stream(server: Valkey) -> Iterator[Stream]:
    made = Stream(server.url)
    try:
        yield made
    finally:
        made.close()


def test_lines_come_out_as_they_went_in(server: Valkey) -> None:
    """In order, those of two writers too, and each only once to a reader."""
    with stream(server) as first, stream(server) as second, stream(server) as reader:
        first.write([line(0), line(1)])
        second.write([line(2)])
        assert reader.more() == [line(0), line(1), line(2)]
        assert reader.more() == []
        first.write([line(3)])
        first.tend()
        assert reader.more() == [line(3)]


def test_a_batch_that_is_written_again_counts_once(server: Valkey) -> None:
    """As where its answer was lost: the journal tries again, and nobody reads it twice."""
    with stream(server) as writer, stream(server) as reader:
        writer.write([line(0)])
        writer._batch -= 1
        writer.write([line(0)])
        writer.write([line(1)])
        assert reader.more() == [line(0), line(1)]


def test_it_is_bounded(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """In records, about, however many are written at once; long ones are read in turns."""
    monkeypatch.setattr(streams, "RECORDS", 500)
    monkeypatch.setattr(streams, "READ", 7)
    with stream(server) as writer, stream(server) as reader:
        for number in range(300):
            writer.write([line(number)] * 4)
        found = reader.more()
        assert 400 <= len(found) < 1_200 and found[-1] == line(299)


def test_a_store_that_is_gone_and_comes_back(server: Valkey) -> None:
    """It is an OSError, as of a disk, and the next write that goes well ends it."""
    with stream(server) as writer, stream(server) as reader:
        writer.write([line(0)])
        server.kill()
        for _ in range(2):
            with pytest.raises(OSError):
                writer.write([line(1)])
        with pytest.raises(OSError):
            reader.more()
        server.start()
        writer.write([line(1)])
        assert reader.more()[-1:] == [line(1)]


def test_a_stream_that_was_never_used(server: Valkey) -> None:
    """Ends without a connection, and says where it would be."""
    with stream(server) as one:
        assert one.where == f"{server.url} {{turnout}}:journal"


def journal(server: Valkey) -> Journal:
    made = opened(Settings(store=server.url, journal="store"), **Told().callables, stream=loader.journal_stream)
    assert made is not None
    return made


def test_the_commands_read_it(
    server: Valkey,
    short: Path,
    command: Command,  # noqa: F811
) -> None:
    """What a server has written there is shown, followed and exported as if it were files."""
    writing = journal(server)
    for number in range(3):
        writing.observe(outcome(number))
    writing.verdict(verdict(1, 0.0))
    writing.start()
    writing.close()
    env = {"TURNOUT_STORE": server.url, "TURNOUT_JOURNAL": "store"}
    shown = command("journal", "show", "--json", **env)
    found = [records.decode(text.encode()) for text in shown.out.splitlines()]
    assert [(r.decision_id, type(r).__name__) for r in found] == [
        ("dec_0", "OutcomeRecord"),
        ("dec_1", "OutcomeRecord"),
        ("dec_2", "OutcomeRecord"),
        ("dec_1", "VerdictRecord"),
    ]
    assert "dec_1" in command("journal", "show", "--decision", "dec_1", **env).out
    assert command("journal", "path", **env).out == f"{server.url} {{turnout}}:journal\n"
    out = short / "steps.jsonl"
    assert command("journal", "export", "--jsonl", str(out), **env).status == 0
    rows = [json.loads(text) for text in out.read_text().splitlines()]
    assert [len(row["verdicts"]) for row in rows] == [0, 1, 0]
    server.kill()
    lost = command("journal", "show", **env)
    assert lost.status == 2 and "cannot be read" in lost.err


def test_following_reads_what_comes(server: Valkey, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Until ctrl-C."""
    with stream(server) as writer:
        writer.write([line(0)])

        def pause(self: threading.Event, seconds: float) -> bool:
            if writer._batch > 1:
                raise KeyboardInterrupt
            writer.write([line(1)])
            return False

        monkeypatch.setattr(threading.Event, "wait", pause)
        monkeypatch.setattr("router.cli.journal.FOLLOW_S", 0.0)
        done = command("journal", "show", "--follow", "--json", TURNOUT_STORE=server.url, TURNOUT_JOURNAL="store")
        assert [json.loads(text)["decision_id"] for text in done.out.splitlines()] == ["dec_0", "dec_1"]


def test_it_needs_a_store() -> None:
    """Where state is this process's own there is no stream; an embedded one is found in the state folder."""
    with pytest.raises(ConfigError, match="TURNOUT_JOURNAL: is store, but TURNOUT_STORE"):
        loader.journal_stream(Settings(journal="store"))


def test_an_embedded_store_is_found(short: Path) -> None:
    """By the commands, in the state folder of the server that has started it."""
    settings = Settings(journal="store", store=EMBEDDED, state_dir=short)
    with embedded(short):
        found = loader.journal_stream(settings)
        assert found.more() == []
        found.close()
