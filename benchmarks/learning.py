"""All that is said of learning, in one table: `python -m benchmarks.learning --data DIR`, or `make bench-learning`.

DIR (or TURNOUT_BENCH_DATA) holds public sets as gzipped CSV. What a set is shows by its columns, so others of the same
kinds can lie beside them: nothing here or in what is measured knows a set by name. Each row says what was found, what
must be reached and what is aimed at. Rows without data, drawn worlds and times, are printed whatever DIR holds.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import decision, drift
from benchmarks import learning_length as lengths
from benchmarks import learning_success as success
from router.beliefs import Beliefs
from router.plan import Situation, decide
from router.step import Facts

VARIABLE = "TURNOUT_BENCH_DATA"
WHAT = {
    "pair": {"subject", "prompt", "weak_ok", "strong_ok"},
    "attempts": {"seq"},
    "trials": {"task_id", "trial", "reward"},
    "many models": {"bench", "model", "qid", "out_chars"},
    "prompts": {"bench", "qid", "prompt"},
    "requests": {"context_tokens", "generated_tokens"},
    "sessions": {"input_tokens", "output_tokens", "parent_row", "shared_prefix_blocks"},
    "agent steps": {"ctx_chars", "prev_role", "out_chars", "task_id", "trial"},
}
"""Kind of set → columns that it has."""


class Row(NamedTuple):
    what: str
    found: str
    must: str = ""
    aim: str = ""
    verdict: str = ""


def at_least(what: str, value: float, must: float, aim: float | None = None, text: str | None = None) -> Row:
    """A row whose value must be high."""
    good = "reached" if value >= must else "MISSED"
    good = "aim reached" if aim is not None and value >= aim else good
    return Row(what, text or f"{value:.3f}", f">= {must:g}", "" if aim is None else f">= {aim:g}", good)


def at_most(what: str, value: float, must: float, aim: float | None = None, text: str | None = None) -> Row:
    """A row whose value must be low."""
    good = "reached" if value <= must else "MISSED"
    good = "aim reached" if aim is not None and value <= aim else good
    return Row(what, text or f"{value:.3f}", f"<= {must:g}", "" if aim is None else f"<= {aim:g}", good)


def found_in(data: Path) -> dict[str, list[Path]]:
    """Kind → the sets of it."""
    found: dict[str, list[Path]] = {kind: [] for kind in WHAT}
    for path in sorted(data.glob("*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            columns = set(next(csv.reader(file), ()))
        for kind, wanted in WHAT.items():
            if wanted <= columns:
                found[kind].append(path)
                break
    return found


def name(path: Path) -> str:
    return path.name.removesuffix(".csv.gz")


def ranked(path: Path) -> Iterator[Row]:
    """Two models on the same questions: which question needs the strong one."""
    for words in (False, True):
        pair, label = success.Pair(path, words), f"{name(path)}, {'with words' if words else 'class alone'}"
        passes = [pair.one_pass(seed) for seed in range(success.ORDERS)]
        gap, error = (statistics.mean(values) for values in zip(*passes, strict=True))
        yield at_least(f"{label}: APGR, one pass, chosen arm, 10% tossed", gap, 0.64, 0.67)
        yield at_most(f"{label}: ECE of it", error, 0.03, 0.02)
        gap, error = pair.folded(0)
        yield at_least(f"{label}: APGR, 5-fold, both arms told", gap, 0.70, 0.715)
        yield at_most(f"{label}: ECE of it", error, 0.03, 0.02)


def retried(path: Path) -> Iterator[Row]:
    """pass@k from the first two attempts of each task, in the file's order and in drawn ones."""
    for task, right in success.attempts(path).items():
        rngs = [np.random.default_rng(seed) for seed in range(success.ATTEMPT_ORDERS)]
        for order, drawn in (("file's order", [right]), ("drawn orders", [r.permuted(right, axis=1) for r in rngs])):
            errors = np.abs(np.array([success.retried(d) for d in drawn]) - success.pass_at(right))
            points = 100.0 * errors.mean(0)[:, 2:]
            label = f"{name(path)} {task}, {order}: pass@3-{right.shape[1]}, points"
            text = f"mean {points[0].mean():.1f}, worst {points[0].max():.1f}"
            yield at_most(label, float(points[0].mean()), 4.0, 2.5, text)
            yield Row(f"{name(path)} {task}, {order}: independence", f"mean {points[2].mean():.1f}", "", "", "baseline")


def covered(label: str, streams: Sequence[lengths.Told]) -> Iterator[Row]:
    whole, worst = zip(*map(lengths.coverage, streams), strict=True)
    inside = min(whole) >= 0.89 and max(whole) <= 0.91
    text = f"{min(whole):.3f}" if len(streams) == 1 else f"{min(whole):.3f}-{max(whole):.3f}"
    yield Row(f"{label}: q90 coverage", text, "0.89-0.91", "", "reached" if inside else "MISSED")
    yield at_least(f"{label}: worst {lengths.WINDOW} in a row", min(worst), 0.86, 0.875)


def foretold(label: str, stream: lengths.Told, auc: tuple[float, float], skill: tuple[float, float]) -> Iterator[Row]:
    """Of the requests that follow an earlier one, where the set knows of such."""
    some = stream.with_past if stream.with_past.any() else np.ones(len(stream.seen), bool)
    yield from covered(label, [stream])
    yield at_least(f"{label}: AUC of 'longer than the median'", lengths.auc(stream, some), *auc)
    yield at_least(f"{label}: q50 pinball skill", lengths.skill(stream, some), *skill)
    ratio = lengths.loss(stream, 0.5, len(stream.seen) // 2)
    yield at_most(f"{label}: q50 loss over the constant's, second half", ratio, 1.0)


def told(sets: dict[str, list[Path]]) -> Iterator[Row]:
    """All that is read from sets."""
    for path in sets["pair"]:
        yield from ranked(path)
    for path in (*sets["attempts"], *sets["trials"]):
        yield from retried(path)
    for path in sets["many models"]:
        by_pair = lengths.pairs(path, sets["prompts"])
        streams = [one for both, requests in by_pair for one in lengths.told(requests, both).values()]
        yield from covered(f"{name(path)}, {len(streams)} streams of pairs", streams)
    for path in sets["requests"]:
        stream = lengths.told(lengths.chat(path), ["m"])["m"]
        yield from foretold(name(path), stream, (0.92, 0.935), (0.63, 0.66))
    for path in sets["sessions"]:
        stream = lengths.told(lengths.sessions(path), ["m"])["m"]
        yield from foretold(f"{name(path)}, later turns", stream, (0.72, 0.75), (0.18, 0.22))
    for path in sets["agent steps"]:
        yield from covered(name(path), [lengths.told(lengths.agent(path), ["m"])["m"]])


def drawn(worlds: int, outcomes: int) -> Iterator[Row]:
    """All that is read from drawn worlds."""
    for spread in (0.5, 1.0, 1.5):
        stream = lengths.told(lengths.noise(spread), ["m"])["m"]
        ratio = lengths.loss(stream, 0.5, len(stream.seen) // 2)
        label = f"lengths that nothing predicts, log-sd {spread}: loss over the constant's, second half"
        yield at_most(label, ratio, 1.0005, text=f"{ratio:.4f}")
    for what, found, wanted, must, aim in drift.summary(worlds, outcomes):
        bounds = [f"<= {bound}" for bound in wanted.split(", ") if bound]
        verdict = "aim reached" if aim and len(bounds) > 1 else "reached" if must else "MISSED"
        yield Row(what, found, *(bounds + ["", ""])[:2], verdict if bounds else "")


def timed() -> Iterator[Row]:
    """Processor time, which a busy machine stretches less than the clock's."""
    for what, taken in success.speeds().items():
        middle = statistics.median(taken) / 1e3
        yield at_most(f"{what}, median ms", middle, 0.3, 0.1)
    stream = lengths.told(lengths.noise(1.0, 2_000), ["m"])["m"]
    yield at_most("learning one length, median ms", stream.observe_us / 1e3, 0.3, 0.1)
    shipped = decision.catalog()
    start = Beliefs.prior(shipped)
    learned = decision.taught(decision.answered(start, shipped))
    asked = [Facts(input_bytes=20_000 + 37 * i, turn=i % 40, code=i % 11 / 10) for i in range(decision.ROUNDS)]
    taken = []
    for facts in asked:
        before = time.thread_time_ns()
        decide(facts, decision.TERMS, learned, shipped, Situation())
        taken.append((time.thread_time_ns() - before) / 1e6)
    middle, late = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    yield at_most("decision with all that is learned, ms: p99", late, 1.0, text=f"p50 {middle:.2f}, p99 {late:.2f}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get(VARIABLE)
    parser.add_argument("--data", type=Path, default=Path(default) if default else None, help=f"else {VARIABLE}")
    parser.add_argument("--worlds", type=int, default=40, help="drawn worlds for each row on drift")
    parser.add_argument("--outcomes", type=int, default=100_000, help="outcomes in which false alarms are counted")
    given = parser.parse_args(argv)
    sets = found_in(given.data) if given.data is not None and given.data.is_dir() else {}
    if not any(sets.values()):
        where = f"{given.data} holds none" if given.data is not None else f"neither --data nor {VARIABLE} is given"
        print(f"No public sets: {where}. They are gzipped CSV files; docs/learning.md says which.", file=sys.stderr)
        return 2
    print(f"{'':76} {'found':>34} {'must':>10} {'aim':>9}")
    missed = 0
    for rows in (told(sets), drawn(given.worlds, given.outcomes), timed()):
        for row in rows:
            missed += row.verdict == "MISSED"
            print(f"{row.what[:76]:76} {row.found:>34} {row.must:>10} {row.aim:>9}  {row.verdict}", flush=True)
    print(f"\n{missed or 'None'} missed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
