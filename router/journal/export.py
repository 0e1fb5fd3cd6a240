"""A journal as a table: one row a step, with the verdicts on it, as JSON lines or Parquet."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from router.errors import ConfigError
from router.journal.reader import Tally, read
from router.journal.records import OutcomeRecord, VerdictRecord

_ENCODER = msgspec.json.Encoder(order="deterministic")
_SCALARS: dict[type[inspect.Type], str] = {
    inspect.IntType: "BIGINT",
    inspect.FloatType: "DOUBLE",
    inspect.BoolType: "BOOLEAN",
    inspect.StrType: "VARCHAR",
    inspect.BytesType: "VARCHAR",
}


class Said(msgspec.Struct, frozen=True):
    """One verdict, beside its step."""

    at: float
    success: float
    source: str
    reason: str | None
    weight: float


class StepRecord(OutcomeRecord, frozen=True, kw_only=True, tag="step"):
    """An outcome and every verdict on it, in order of time."""

    verdicts: tuple[Said, ...] = ()


def steps(
    folder: Path, *, since: float | None = None, until: float | None = None, tally: Tally | None = None
) -> Iterator[StepRecord]:
    """The steps that ended in the time, each with its verdicts, however late these came.

    Reads the journal twice, since verdicts come later than what they speak of; holds the verdicts in memory.
    """
    verdicts: dict[str, list[Said]] = {}
    for record in read(folder, since=since, kinds=frozenset({"verdict"})):
        assert isinstance(record, VerdictRecord)
        said = Said(record.at, record.success, record.source, record.reason, record.weight)
        verdicts.setdefault(record.decision_id, []).append(said)
    for record in read(folder, since=since, until=until, kinds=frozenset({"outcome"}), tally=tally):
        assert isinstance(record, OutcomeRecord)
        yield joined(record, tuple(verdicts.get(record.decision_id, ())))


def joined(outcome: OutcomeRecord, verdicts: tuple[Said, ...]) -> StepRecord:
    return StepRecord(**msgspec.structs.asdict(outcome), verdicts=verdicts)


def jsonl(rows: Iterator[StepRecord], out: Path) -> int:
    """Writes one JSON object a row, and returns how many. `out` appears when it is whole. Raises ConfigError."""
    with _whole(out) as part:
        return _write(rows, part)


def parquet(rows: Iterator[StepRecord], out: Path, duckdb: Any) -> int:
    """Writes a Parquet file with the types of `columns`, and returns the number of rows. Raises ConfigError."""
    with _whole(out) as part, tempfile.TemporaryDirectory(prefix="turnout-") as folder:
        lines = Path(folder) / "rows.jsonl"
        count = _write(rows, lines)
        types = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in columns().items())
        source = f"read_json({_quoted(str(lines))}, format = 'newline_delimited', columns = {{{types}}})"
        with duckdb.connect() as connection:
            target = f"{_quoted(str(part))} (FORMAT parquet, COMPRESSION zstd)"
            try:
                connection.execute(f"COPY (SELECT * FROM {source}) TO {target}")
            except duckdb.Error as error:
                raise ConfigError(str(out), None, f"cannot be written: {error}") from None
        return count


def columns() -> dict[str, str]:
    """Column → its type in SQL, read off the record's own types; what has no fixed shape is JSON."""
    found = inspect.type_info(StepRecord)
    assert isinstance(found, inspect.StructType)
    return {"kind": "VARCHAR"} | {field.encode_name: _sql(field.type) for field in found.fields}


def _sql(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.UnionType):
        given = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        return _sql(given[0]) if len(given) == 1 else "JSON"
    if isinstance(kind, inspect.VarTupleType):
        return f"{_sql(kind.item_type)}[]"
    if isinstance(kind, inspect.TupleType):
        return f"{_sql(kind.item_types[0])}[]"
    if isinstance(kind, inspect.StructType):
        return f"STRUCT({', '.join(f'{_name(f.encode_name)} {_sql(f.type)}' for f in kind.fields)})"
    return _SCALARS.get(type(kind), "JSON")


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _write(rows: Iterator[StepRecord], path: Path) -> int:
    count = 0
    with path.open("wb") as file:
        for row in rows:
            file.write(_ENCODER.encode(row) + b"\n")
            count += 1
    return count


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A file beside `out` that takes its name at the end, or goes."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(out)
    except OSError as error:
        raise ConfigError(str(out), None, f"cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
