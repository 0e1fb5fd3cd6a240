"""Where logged steps come from: a folder of the journal, or a table that `turnout journal export` wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from router.errors import ConfigError
from router.journal import StepRecord, Tally, steps
from router.journal.records import VERSION

_DECODER = msgspec.json.Decoder(StepRecord)


def logged(
    path: Path, duckdb: Callable[[], Any], *, since: float | None = None, until: float | None = None, tally: Tally
) -> Iterator[StepRecord]:
    """The steps at `path` that ended in the time, with their verdicts; lines that are no step are counted in `tally`.

    `duckdb` gives the module, for Parquet alone. Raises ConfigError where there is nothing to read.
    """
    if path.is_dir():
        yield from steps(path, since=since, until=until, tally=tally)
        return
    check(path)
    read = _parquet(path, duckdb()) if path.suffix == ".parquet" else _lines(path)
    for line in read:
        step = tally.read(line, _step)
        if step is not None and (since is None or step.at >= since) and (until is None or step.at < until):
            yield step


def check(path: Path) -> None:
    """Raises ConfigError where `path` is nothing that could be read."""
    if not path.is_dir() and not path.is_file():
        raise ConfigError(str(path), None, "is neither a folder of the journal nor a table that it was exported to")


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise ConfigError(str(path), None, f"cannot be read: {error.strerror or error}") from None


def _parquet(path: Path, duckdb: Any) -> Iterator[bytes]:
    """The rows as JSON lines. DuckDB writes them, since it knows the types of both."""
    with TemporaryDirectory(prefix="turnout-") as folder, duckdb.connect() as connection:
        lines = Path(folder) / "rows.jsonl"
        try:
            rows = connection.read_parquet(str(path))
            rows.query("rows", f"COPY (SELECT * FROM rows) TO '{lines}' (FORMAT json)")
        except duckdb.Error as error:
            raise ConfigError(str(path), None, f"cannot be read: {error}") from None
        yield from _lines(lines)


def _step(line: bytes) -> StepRecord:
    """Raises msgspec.DecodeError where the line is no step of the version known here."""
    step = _DECODER.decode(line)
    if step.v != VERSION:
        raise msgspec.ValidationError(f"a step of version {step.v}; this reads {VERSION}")
    return step
