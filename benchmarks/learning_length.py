"""How well output lengths are foretold, on public traces: one pass, each answer predicted before it is seen.

`python -m benchmarks.learning_length --data DIR` reads the sets in DIR (gzipped CSV; those that are missing are left
out). The same beliefs with the same settings run on all of them; nothing knows which set it is. Printed beside each
number: what must be reached, what is aimed at, and what a constant gives, the best one in hindsight.

coverage: share of answers that q90 covers, over the whole stream, and over the 500 requests in a row where it is
worst. AUC: of q50 as a score for "longer than the stream's median". skill: 1 - pinball loss of q50 / that of the
stream's median, in tokens. loss: pinball loss over the constant's, at q50 and at q90.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from router.beliefs.lengths import Asked, Lengths
from router.outcome import Past
from router.plan.offers import LAST_TURN

Q50, Q90 = 400.0, 1600.0
"""The shipped policy's expectation, wrong for most of these streams."""
WINDOW = 500
CHARACTERS = 4.0
"""Per token, where a set counts characters."""

Vector = NDArray[np.float64]


class Request(NamedTuple):
    """One request of a stream, and how long its answer was."""

    arm: str
    input_tokens: float
    output_tokens: int
    kind: str = ""
    past: tuple[Past, ...] = ()


class Told(NamedTuple):
    """A stream after its pass, in order."""

    seen: Vector
    q50: Vector
    q90: Vector
    mean: Vector
    with_past: NDArray[np.bool_]
    predict_us: float
    observe_us: float


def told(requests: Iterable[Request], arms: Iterable[str]) -> dict[str, Told]:
    """Arm → what was foretold of its answers, all arms learning together as one class."""
    beliefs = Lengths(dict.fromkeys(arms, 0.0), {arm: arm for arm in arms})
    rows: dict[str, list[tuple[float, ...]]] = {arm: [] for arm in arms}
    for r in requests:
        asked = Asked("class", Q50, Q90, None, None, r.input_tokens, r.kind, r.past)
        started = time.perf_counter()
        length = beliefs.about(asked).of(r.arm)
        foretold = time.perf_counter()
        beliefs = beliefs.observe(r.arm, asked, r.output_tokens)
        times = (foretold - started, time.perf_counter() - foretold)
        rows[r.arm].append((r.output_tokens, length.q50, length.q90, length.mean, len(r.past), *times))
    found = {}
    for arm, values in rows.items():
        seen, q50, q90, mean, past, predict, observe = np.array(values).T
        found[arm] = Told(
            seen, q50, q90, mean, past > 0, 1e6 * float(np.median(predict)), 1e6 * float(np.median(observe))
        )
    return found


def coverage(stream: Told) -> tuple[float, float]:
    """Over all, and in the worst window."""
    covered = (stream.seen <= stream.q90).astype(float)
    if len(covered) <= WINDOW:
        return float(covered.mean()), float(covered.mean())
    return float(covered.mean()), float(np.convolve(covered, np.ones(WINDOW) / WINDOW, "valid").min())


def pinball(seen: Vector, quantile: Vector | float, level: float) -> float:
    gap = seen - quantile
    return float(np.maximum(level * gap, (level - 1.0) * gap).mean())


def skill(stream: Told, rows: NDArray[np.bool_] | slice = slice(None)) -> float:
    seen = stream.seen[rows]
    return 1.0 - pinball(seen, stream.q50[rows], 0.5) / pinball(seen, float(np.median(seen)), 0.5)


def loss(stream: Told, level: float, start: int = 0) -> float:
    """Over that of the best constant, from the answer numbered `start`."""
    seen, quantile = stream.seen[start:], (stream.q50 if level == 0.5 else stream.q90)[start:]
    return pinball(seen, quantile, level) / pinball(seen, float(np.quantile(seen, level)), level)


def auc(stream: Told, rows: NDArray[np.bool_] | slice = slice(None)) -> float:
    """P(an answer longer than the median was foretold as longer than one that is not), ties counting half."""
    seen, score = stream.seen[rows], stream.q50[rows]
    longer = seen > np.median(seen)
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2.0)[place]
    above, below = int(longer.sum()), int((~longer).sum())
    return float((rank[longer].sum() - above * (above + 1) / 2.0) / (above * below))


def read(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def chat(path: Path) -> Iterator[Request]:
    """Requests without anything but their size."""
    for row in read(path):
        yield Request("m", float(row["context_tokens"]), int(row["generated_tokens"]))


def sessions(path: Path) -> Iterator[Request]:
    """Requests of which some follow an earlier one, whose answers then are their run's."""
    pasts: list[tuple[Past, ...]] = []
    for row in read(path):
        earlier, output = int(row["parent_row"]), int(row["output_tokens"])
        past = pasts[earlier] if earlier >= 0 and int(row["shared_prefix_blocks"]) > 1 else ()
        pasts.append((*past, Past("m", output, int(row["input_tokens"])))[-4:])
        yield Request("m", float(row["input_tokens"]), output, "", past)


def agent(path: Path) -> Iterator[Request]:
    """Steps of an agent, of a kind by turn, and by whether a tool's result was the last message."""
    pasts: dict[tuple[str, str], tuple[Past, ...]] = {}
    for row in read(path):
        run, tokens = (row["task_id"], row["trial"]), max(1, round(float(row["out_chars"]) / CHARACTERS))
        past = pasts.get(run, ())
        size = float(row["ctx_chars"]) / CHARACTERS
        pasts[run] = (*past, Past("m", tokens, round(size)))[-4:]
        kind = f"{row['prev_role'].startswith('tool')}{min(int(row['step']) // 2 - 1, LAST_TURN)}"
        yield Request("m", size, tokens, kind, past)


def pairs(outcomes: Path, prompts: Iterable[Path]) -> Iterator[tuple[tuple[str, str], list[Request]]]:
    """Two models that answer the same questions of one benchmark, every model with the next by name."""
    size = {(r["bench"], r["qid"]): len(r["prompt"]) / CHARACTERS for path in prompts for r in read(path)}
    table: dict[str, dict[str, dict[str, int]]] = {}
    for row in read(outcomes):
        tokens = max(1, round(float(row["out_chars"]) / CHARACTERS))
        table.setdefault(row["bench"], {}).setdefault(row["model"], {})[row["qid"]] = tokens
    for bench, answers in table.items():
        for pair in pairwise(sorted(answers)):
            shared = [qid for qid in answers[pair[0]] if qid in answers[pair[1]]]
            yield pair, [Request(m, size.get((bench, q), 0.0), answers[m][q]) for q in shared for m in pair]


def noise(spread: float, size: int = 10_000) -> Iterator[Request]:
    """Lengths that have nothing to do with anything."""
    draw = np.random.default_rng(7)
    for i, o in zip(draw.normal(7.5, 1.0, size), draw.normal(3.3, spread, size), strict=True):
        yield Request("m", math.exp(i), max(1, round(math.exp(o))))


HEAD = f"{'':34}{'here':>9}{'must':>12}{'aim':>10}{'constant':>10}"


def line(what: str, value: float, must: str = "", aim: str = "", constant: str = "") -> None:
    print(f"{what:34}{value:9.3f}{must:>12}{aim:>10}{constant:>10}")


def covered(stream: Told) -> None:
    whole, worst = coverage(stream)
    line("  q90 coverage", whole, "0.89-0.91", "", "0.900")
    line(f"  worst {WINDOW} in a row", worst, ">= 0.86", ">= 0.875")


def report(name: str, stream: Told, bounds: Mapping[str, tuple[str, str]], rows: str = "all") -> None:
    print(f"\n{name}: {len(stream.seen):,} answers, median {np.median(stream.seen):.0f} tokens")
    print(HEAD)
    covered(stream)
    some = stream.with_past if rows == "with past" else np.ones(len(stream.seen), bool)
    late = some & (np.arange(len(some)) >= len(some) // 2)
    for label, chosen in (("", some), (", second half", late)):
        line(f"  AUC{label}", auc(stream, chosen), *bounds.get("auc", ("", "")), "0.500")
        line(f"  q50 skill{label}", skill(stream, chosen), *bounds.get("skill", ("", "")), "0.000")
    if rows == "with past":
        print(f"  (AUC and skill above: the {some.mean():.0%} that follow an earlier turn; all requests below)")
        line("  AUC, all", auc(stream), constant="0.500")
        line("  q50 skill, all", skill(stream), constant="0.000")
    line("  mean foretold / mean seen", float(stream.mean.mean() / stream.seen.mean()))
    line("  µs to predict, median", stream.predict_us)
    line("  µs to learn, median", stream.observe_us, "<= 300", "100")


def report_pairs(data: Path) -> None:
    streams = [
        stream
        for both, requests in pairs(data / "zeroeval_outcomes.csv.gz", [data / "zeroeval_prompts.csv.gz"])
        for stream in told(requests, both).values()
    ]
    whole, worst = zip(*map(coverage, streams), strict=True)
    print(f"\nZeroEval crux, pairs of models: {len(streams)} streams of {len(streams[0].seen)} answers")
    print(HEAD)
    line("  q90 coverage, lowest", min(whole), ">= 0.89")
    line("  q90 coverage, highest", max(whole), "<= 0.91")
    line(f"  worst {WINDOW} in a row of any", min(worst), ">= 0.86", ">= 0.875")
    line("  q50 skill, mean", float(np.mean([skill(s) for s in streams])), constant="0.000")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the public sets")
    data: Path = parser.parse_args().data
    if (data / "zeroeval_outcomes.csv.gz").exists():
        report_pairs(data)
    azure = {"auc": (">= 0.92", "0.935"), "skill": (">= 0.63", "0.66")}
    mooncake = {"auc": (">= 0.72", "0.75"), "skill": (">= 0.18", "0.22")}
    for file, name, load, bounds, rows in (
        ("azure2023_conv.csv.gz", "Azure conversations", chat, azure, "all"),
        ("mooncake_conversation.csv.gz", "Mooncake conversations, sessions known", sessions, mooncake, "with past"),
        ("taubench_airline_steps.csv.gz", "tau-bench airline, steps of an agent", agent, {}, "all"),
    ):
        if (data / file).exists():
            report(name, told(load(data / file), ["m"])["m"], bounds, rows)
    print(f"\nNothing to go by (drawn log-normal lengths), loss over that of the best constant\n{HEAD}")
    for spread in (0.5, 1.0, 1.5):
        stream = told(noise(spread), ["m"])["m"]
        line(f"  log-sd {spread}, q50", loss(stream, 0.5), "<= 1.00", "", "1.000")
        line(f"  log-sd {spread}, q50, second half", loss(stream, 0.5, len(stream.seen) // 2), "<= 1.00", "", "1.000")
        line(f"  log-sd {spread}, q90", loss(stream, 0.9), "", "", "1.000")


if __name__ == "__main__":
    main()
