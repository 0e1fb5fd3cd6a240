"""Turns public outcome tables into traces for `turnout replay`.

    python -m benchmarks.traces mmlu trace.jsonl --data DIR --price weak=0.24 --price strong=24.7
    python -m benchmarks.traces zeroeval trace.jsonl --data DIR --model Qwen2.5-3B-Instruct --model Mistral-Large-2

The tables tell neither what an answer cost nor how long it took, and some not even its length: costs are tokens (four
characters each) times `--price`, USD per million tokens in and out alike, 1 where not given; times are output tokens at
100 a second. A leaderboard that only has totals has no steps, and makes no trace.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from router.learning import trace
from router.learning.trace import Step, Tried

CHARS = 4
"""Of a token."""
TOKENS_PER_S = 100.0
DEFAULT_PRICE = 1.0
MOST_MODELS = 8

Prices = Mapping[str, float]


def rows(data: Path, name: str) -> Iterator[dict[str, str]]:
    with gzip.open(data / name) as file:
        yield from csv.DictReader(io.TextIOWrapper(file, "utf-8", newline=""))


def tried(arm: str, right: Sequence[bool], tokens_in: int, tokens_out: int, prices: Prices) -> Tried:
    cost = (tokens_in + tokens_out) * prices.get(arm, DEFAULT_PRICE) * 1e-6
    attempts = tuple(right) if len(right) > 1 else ()
    return Tried(right[0], cost, tokens_out, tokens_out / TOKENS_PER_S, attempts)


def mmlu(data: Path, prices: Prices, _: Sequence[str]) -> Iterator[Step]:
    """A weak and a strong model on multiple choice: the subject is the class, the question the text."""
    for row in rows(data, "routellm_mmlu.csv.gz"):
        if row["contaminated"] == "1":
            continue
        tokens = max(1, len(row["prompt"]) // CHARS)
        arms = {arm: tried(arm, [row[f"{arm}_ok"] == "1"], tokens, 0, prices) for arm in ("weak", "strong")}
        yield Step(row["qid"], tokens, arms, step_class=row["subject"], text=row["prompt"])


def zeroeval(data: Path, prices: Prices, models: Sequence[str]) -> Iterator[Step]:
    """Some of many models on the same questions; the first few of the table where none is named."""
    prompts = {(r["bench"], r["qid"]): r["prompt"] for r in rows(data, "zeroeval_prompts.csv.gz")}
    table: dict[tuple[str, str], dict[str, dict[str, str]]] = defaultdict(dict)
    for row in rows(data, "zeroeval_outcomes.csv.gz"):
        table[row["bench"], row["qid"]][row["model"]] = row
    wanted = list(models) or sorted({m for found in table.values() for m in found})[:MOST_MODELS]
    for (bench, qid), found in table.items():
        if not found.keys() >= set(wanted):
            continue
        text = prompts.get((bench, qid), "")
        tokens = max(1, len(text) // CHARS)
        arms = {m: _answered(m, found[m], tokens, prices) for m in wanted}
        yield Step(f"{bench}/{qid}", tokens, arms, step_class=bench, text=text or None)


def _answered(model: str, row: Mapping[str, str], tokens: int, prices: Prices) -> Tried:
    return tried(model, [row["ok"] == "1"], tokens, int(row["out_chars"]) // CHARS, prices)


def cruxeval(data: Path, prices: Prices, _: Sequence[str]) -> Iterator[Step]:
    """One model with ten answers to each question: what its retries are worth."""
    for row in rows(data, "cruxeval_codellama7b_k10.csv.gz"):
        right = [c == "1" for c in row["seq"]]
        arms = {"model": tried("model", right, 200, 20, prices)}
        yield Step(f"{row['task']}/{row['qid']}", 200, arms, step_class=row["task"])


def taubench(data: Path, prices: Prices, _: Sequence[str]) -> Iterator[Step]:
    """One agent with several trials of each task; a whole task stands for a step."""
    trials: dict[str, dict[int, dict[str, str]]] = defaultdict(dict)
    for row in rows(data, "taubench_airline.csv.gz"):
        trials[row["task_id"]][int(row["trial"])] = row
    for task, found in trials.items():
        right = [float(found[n]["reward"]) > 0.5 for n in sorted(found)]
        tokens = sum(int(row["assistant_chars"]) for row in found.values()) // len(found) // CHARS
        yield Step(task, 2_000, {"model": tried("model", right, 2_000, tokens, prices)})


KINDS: Mapping[str, Callable[[Path, Prices, Sequence[str]], Iterator[Step]]] = {
    "mmlu": mmlu,
    "zeroeval": zeroeval,
    "cruxeval": cruxeval,
    "taubench": taubench,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--price", action="append", default=[], metavar="ARM=USD")
    given = parser.parse_args()
    prices = {arm: float(usd) for arm, _, usd in (p.rpartition("=") for p in given.price)}
    count = trace.write(given.output, KINDS[given.kind](given.data, prices, given.model))
    print(f"{count:,} steps: {given.output}")


if __name__ == "__main__":
    main()
