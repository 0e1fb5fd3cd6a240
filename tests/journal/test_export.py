"""Journals as tables: steps joined with their verdicts, as JSON lines and as Parquet that duckdb reads."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from router.errors import ConfigError
from router.journal import Tally, export, records, steps
from router.journal.export import StepRecord, columns
from router.journal.records import OutcomeRecord
from tests.journal.made import line, outcome, said
from tests.journal.test_reader import AT, put


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three steps; the first with two verdicts, one of them late, the second with all that a record can hold."""
    here = tmp_path / "journal"
    here.mkdir()
    full = records.encode(records.of_outcome(outcome(1, text='It\'s "this"\nand that'), plans=True))
    put(here, AT, line(0), said(0, at=AT + 1), full)
    put(
        here,
        AT + 500,
        line(500),
        said(0, success=0.0, source="judge:tests", at=AT + 501, reason="2 failed"),
        line(501)[:99],
    )
    return here


def test_steps_carry_their_verdicts(folder: Path) -> None:
    """However late these came, in order of time; what is cut off is counted."""
    tally = Tally()
    found = [*steps(folder, tally=tally)]
    assert [(s.decision_id, [(v.success, v.source) for v in s.verdicts]) for s in found] == [
        ("dec_0", [(1.0, "caller"), (0.0, "judge:tests")]),
        ("dec_1", []),
        ("dec_500", []),
    ]
    assert tally.torn == 1


def test_time_limits_speak_of_steps(folder: Path) -> None:
    """A verdict that came after `until` still belongs to its step."""
    (first,) = steps(folder, until=AT + 0.5)
    assert len(first.verdicts) == 2
    assert [s.decision_id for s in steps(folder, since=AT + 0.5)] == ["dec_1", "dec_500"]


def test_json_lines_hold_the_record_and_its_verdicts(folder: Path, tmp_path: Path) -> None:
    """Each row is the outcome's record to the letter, and more."""
    out = tmp_path / "rows.jsonl"
    assert export.jsonl(steps(folder), out) == 3
    rows = [json.loads(text) for text in out.read_text().splitlines()]
    first = json.loads(line(0))
    assert rows[0] == {**first, "kind": "step", "verdicts": rows[0]["verdicts"]}
    assert rows[0]["verdicts"][1] == {
        "at": AT + 501,
        "success": 0.0,
        "source": "judge:tests",
        "reason": "2 failed",
        "weight": 1.0,
    }
    assert {p.name for p in tmp_path.iterdir()} == {"journal", "rows.jsonl"}


def test_parquet_has_a_typed_column_for_every_field(folder: Path, tmp_path: Path) -> None:
    """Also where every value is missing; a path with a quote is a path."""
    out = tmp_path / "it's.parquet"
    assert export.parquet(steps(folder), out, duckdb) == 3
    with duckdb.connect() as db:
        described = db.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(out)]).fetchall()
        found = {name: kind for name, kind, *_ in described}
        assert set(found) == {"kind", *StepRecord.__struct_fields__} == set(columns())
        assert (found["at"], found["status"], found["stream"], found["trace_id"]) == (
            "DOUBLE",
            "BIGINT",
            "BOOLEAN",
            "VARCHAR",
        )
        assert found["judged_before"] == "VARCHAR[]" and found["attempts"].startswith("STRUCT(")
        rows = db.execute(
            "SELECT decision_id, len(attempts), attempts[2].reasoning_tokens, facts.input_bytes, chosen.arms[1], "
            "len(plans), hints->>'accuracy', text, len(verdicts), propensity FROM read_parquet(?) ORDER BY \"at\"",
            [str(out)],
        ).fetchall()
    record = records.of_outcome(outcome(1), plans=True)
    assert record.chosen is not None and record.plans is not None
    full = ("dec_1", 2, 700, 32_000, record.chosen.arms[0], len(record.plans), "0.9", 'It\'s "this"\nand that', 0, 1.0)
    assert rows[1] == full
    assert rows[0] == ("dec_0", 0, None, 0, None, None, None, None, 2, None)


def test_a_table_of_no_rows_has_its_columns(tmp_path: Path) -> None:
    """An empty journal exports as an empty table."""
    out = tmp_path / "none.parquet"
    assert export.parquet(steps(tmp_path), out, duckdb) == 0
    with duckdb.connect() as db:
        assert db.execute("SELECT count(*), max(cost_usd) FROM read_parquet(?)", [str(out)]).fetchall() == [(0, None)]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_place_that_cannot_be_written_is_named(folder: Path, tmp_path: Path, kind: str) -> None:
    """One sentence with the path, and nothing half written."""
    out = tmp_path / "none" / "rows"
    with pytest.raises(ConfigError) as caught:
        if kind == "jsonl":
            export.jsonl(steps(folder), out)
        else:
            export.parquet(steps(folder), out, duckdb)
    assert str(out) in str(caught.value)


def test_a_file_appears_only_when_it_is_whole(folder: Path, tmp_path: Path) -> None:
    """A reader that fails midway leaves what was there before."""
    out = tmp_path / "rows.jsonl"
    out.write_text("before")

    def failing() -> object:
        yield from steps(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export.jsonl(failing(), out)  # type: ignore[arg-type]
    assert out.read_text() == "before" and not [*tmp_path.glob(".*")]


def test_columns_follow_the_records() -> None:
    """Every field of a record has a column; only what has no fixed shape is JSON."""
    assert set(OutcomeRecord.__struct_fields__) < set(columns())
    assert [name for name, kind in columns().items() if kind == "JSON"] == ["hints"]
