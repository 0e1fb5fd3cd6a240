"""`make bench-learning`: sets are known by their columns, every row says whether it reached what it must."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from benchmarks import learning
from benchmarks.learning import at_least, at_most, found_in, told

DRAW = random.Random(5)


def write(folder: Path, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with gzip.open(folder / f"{name}.csv.gz", "wt", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def drawn(folder: Path) -> None:
    """One small set of each kind, under names that say nothing, with columns that nobody asked for."""
    length = [round(DRAW.lognormvariate(5, 0.8)) + 1 for _ in range(700)]
    write(folder, "a", ("t_s", "context_tokens", "generated_tokens"), [(i, 3 * n, n) for i, n in enumerate(length)])
    sessions = [(4 * n, n, i - 1 if i % 3 else -1, 5 if i % 3 else 0) for i, n in enumerate(length)]
    write(folder, "b", ("input_tokens", "output_tokens", "parent_row", "shared_prefix_blocks"), sessions)
    subjects = [(i, "xyz"[i % 3], f"question {i}", DRAW.randrange(2), 1, 0) for i in range(60)]
    write(folder, "c", ("qid", "subject", "prompt", "weak_ok", "strong_ok", "contaminated"), subjects)
    seqs = [("t", i, "".join(DRAW.choice("01") for _ in range(4))) for i in range(30)]
    write(folder, "d", ("task", "qid", "seq"), seqs)
    write(folder, "e", ("task_id", "trial", "reward"), [(i, k, DRAW.randrange(2)) for i in range(20) for k in range(4)])
    answers = [(b, m, q, 1, 400 + q) for b in ("p", "q") for m in ("m1", "m2", "m3") for q in range(40)]
    write(folder, "f", ("bench", "model", "qid", "ok", "out_chars"), answers)
    write(folder, "g", ("bench", "qid", "prompt"), [("p", q, "x" * q) for q in range(40)])
    steps = [(r, 0, 2 * s, 100 * s, "tool:x", 10 * s + 5) for r in range(40) for s in range(1, 15)]
    write(folder, "h", ("task_id", "trial", "step", "ctx_chars", "prev_role", "out_chars"), steps)
    write(folder, "z", ("what", "else"), [])


def test_every_kind_of_set_has_its_rows(tmp_path: Path) -> None:
    """Whatever it is called; what is of no kind is left alone."""
    drawn(tmp_path)
    sets = found_in(tmp_path)
    assert {kind: [p.name[0] for p in paths] for kind, paths in sets.items()} == {
        **{"pair": ["c"], "attempts": ["d"], "trials": ["e"], "many models": ["f"], "prompts": ["g"]},
        **{"requests": ["a"], "sessions": ["b"], "agent steps": ["h"]},
    }
    rows = list(told(sets))
    heads = {row.what[0] for row in rows}
    assert heads == set("abcdefh") and all(row.verdict or not row.must for row in rows)
    assert any("8 streams" in row.what for row in rows)  # two benchmarks of three models: two pairs each


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.5, "MISSED"), (0.6, "reached"), (0.69, "reached"), (0.7, "aim reached")]
)
def test_verdicts(value: float, verdict: str) -> None:
    """A bound that is met is met; below the aim it is no more than that."""
    assert at_least("x", value, 0.6, 0.7).verdict == verdict
    assert at_most("x", -value, -0.6, -0.7).verdict == verdict
    assert at_least("x", 0.9, 0.6).verdict == at_most("x", 0.1, 0.6).verdict == "reached"


def test_without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence on what is missing, and a status that says so."""
    monkeypatch.delenv(learning.VARIABLE, raising=False)
    assert learning.main([]) == 2 and "neither --data nor TURNOUT_BENCH_DATA is given" in capsys.readouterr().err
    monkeypatch.setenv(learning.VARIABLE, str(tmp_path))
    assert learning.main([]) == 2 and f"{tmp_path} holds none" in capsys.readouterr().err
