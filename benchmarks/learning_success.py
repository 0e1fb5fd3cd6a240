"""How well success is learned, on public data: which model a question needs, how sure that is, what retries are worth.

`python -m benchmarks.learning_success --data DIR` prints what is found beside what is aimed at. Every prediction is
made before its outcome is seen, by the code that serves. The files: SOURCES.md beside them says what each is.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from router.beliefs import success, text
from router.beliefs.latent import U_WEIGHT, Z_WEIGHT, logistic, moments, spread
from router.beliefs.success import Successes, believed
from router.catalog import Catalog
from router.outcome import Evidence, Trial

Array = NDArray[Any]
ORDERS, FOLDS, EXPLORED, LATELY, ATTEMPT_ORDERS = 5, 5, 0.1, 500, 8
KINDS = {
    "these tasks": "must 4, aim 2.5",
    "any tasks of the kind": "the two attempts at each not known",
    "independence": "baseline",
}
WEAK, STRONG = "weak/off", "strong/off"


def rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def catalog(*names: str) -> Catalog:
    """Models of which nothing is known: all that is said of them has to be learned."""
    model = {
        "family": "f",
        "maker": "m",
        "license": {"name": "l", "permits": ["use"]},
        "context": {"native": 100_000},
        "speed": {"tokens_per_s": 100},
    }
    return Catalog.model_validate({"models": {name: model for name in names}})


def apgr(score: Array, weak: Array, strong: Array) -> float:
    """Average performance gap recovered (RouteLLM): area under the share that is won of the gap between both models'
    accuracies, over the share of questions sent to the strong one, by trapezoids between the deciles of the score."""
    points = []
    for threshold in np.quantile(score, np.linspace(0.0, 1.0, 11)):
        to_strong = score >= threshold
        points.append((to_strong.mean(), np.where(to_strong, strong, weak).mean()))
    share, right = np.array(sorted(points)).T
    width = share[-1] - share[0]
    area = float(((share[1:] - share[:-1]) * (right[1:] + right[:-1]) / 2).sum())
    return float((area - weak.mean() * width) / ((strong.mean() - weak.mean()) * width))


def ece(p: Array, right: Array) -> float:
    """Expected calibration error over ten bins of equal width."""
    place = np.minimum((p * 10).astype(int), 9)
    bins = [place == i for i in range(10)]
    return float(sum(b.mean() * abs(p[b].mean() - right[b].mean()) for b in bins if b.any()))


def chances(known: Successes, step_class: str, sketch: bytes) -> list[float]:
    """P(success) of every arm at one step, as a plan of one attempt has it before the planner's grid rounds it."""
    s = known.spread(step_class)
    beliefs, noise = believed(known, step_class, s.sigma, s.tau), spread(s.sigma, s.tau)
    shifts = known.shifts(step_class, (), sketch)
    return [moments(beliefs[arm].mu + shift + noise)[0] for arm, shift in zip(known.arms, shifts, strict=True)]


class Pair:
    """Questions that two models answered."""

    def __init__(self, path: Path, words: bool) -> None:
        kept = [r for r in rows(path) if r.get("contaminated", "0") != "1"]
        self.right = np.array([(float(r["weak_ok"]), float(r["strong_ok"])) for r in kept])
        self.classes = [r["subject"] for r in kept]
        self.sketches = [text.hashed(r["prompt"]) if words else b"" for r in kept]
        self.words = words

    def blank(self) -> Successes:
        return success.prior(catalog("weak", "strong"), words=self.words)

    def said(self, i: int, arms: Iterable[int]) -> Evidence:
        trials = tuple(Trial((WEAK, STRONG)[a], float(self.right[i, a])) for a in arms)
        return Evidence(self.classes[i], trials, text=self.sketches[i])

    def one_pass(self, seed: int) -> tuple[float, float]:
        """APGR, and ECE of what was chosen, where only the chosen model's answer is ever judged.

        The strong model takes the half of the questions where it is lately believed to add most; one in ten is tossed.
        """
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self.classes))
        known, told, chosen = self.blank(), [], []
        for i in order:
            p = chances(known, self.classes[i], self.sketches[i])
            lately = [b - a for a, b in told[-LATELY:]]
            arm = int(p[1] - p[0] > statistics.median(lately)) if lately else int(rng.integers(2))
            if rng.uniform() < EXPLORED:
                arm = int(rng.integers(2))
            told.append(p)
            chosen.append(arm)
            known = known.observe(self.said(i, (arm,)))
        p, right, at = np.array(told), self.right[order], (np.arange(len(order)), np.array(chosen))
        return apgr(p[:, 1] - p[:, 0], *right.T), ece(p[at], right[at])

    def folded(self, seed: int) -> tuple[float, float]:
        """APGR, mean of the folds, and ECE of both models on all questions; both answers of the others are told."""
        rng = np.random.default_rng(seed)
        fold = rng.permutation(len(self.classes)) % FOLDS
        p, found = np.zeros_like(self.right), []
        for f in range(FOLDS):
            known = self.blank()
            for i in rng.permutation(np.flatnonzero(fold != f)):
                known = known.observe(self.said(i, (0, 1)))
            held = np.flatnonzero(fold == f)
            p[held] = [chances(known, self.classes[i], self.sketches[i]) for i in held]
            found.append(apgr(p[held, 1] - p[held, 0], *self.right[held].T))
        return statistics.mean(found), ece(p.ravel(), self.right.ravel())


def attempts(path: Path) -> dict[str, Array]:
    """Name → (tasks, attempts) of outcomes, in order, from rows that hold whole sequences or one trial each."""
    found: dict[str, dict[str, list[float]]] = {}
    for r in rows(path):
        if "seq" in r:
            found.setdefault(r["task"], {})[r["qid"]] = [float(c) for c in r["seq"]]
        else:
            found.setdefault(path.name.split(".")[0], {}).setdefault(r["task_id"], []).append(float(r["reward"]))
    return {name: np.array([s for s in tasks.values()]) for name, tasks in found.items()}


def pass_at(right: Array) -> Array:
    """Share of tasks that any of k attempts solves, k = 1, 2, ...: the mean over all orders of their attempts."""
    total, good = right.shape[1], right.sum(1)
    wrong, missed = np.ones(len(right)), []
    for k in range(total):
        wrong = wrong * np.maximum(total - good - k, 0) / (total - k)
        missed.append(wrong.mean())
    return 1.0 - np.array(missed)


def retried(drawn: Array) -> tuple[Array, Array, Array]:
    """pass@k predicted from the first two of each task's attempts: as in KINDS."""
    known, step_class, k = success.prior(catalog("one")), "tasks", np.arange(1, drawn.shape[1] + 1)
    for first, second in drawn[:, :2]:
        trials = (Trial("one/off", float(first)), Trial("one/off", float(second)))
        known = known.observe(Evidence(step_class, trials))
    s = known.spread(step_class)
    noise = spread(s.sigma, s.tau)
    wrong = 1.0 - logistic(believed(known, step_class, s.sigma, s.tau)["one/off"].mu + noise)
    missed = np.array([float(Z_WEIGHT @ wrong**n @ U_WEIGHT) for n in k])
    seen = 1.0 - np.array([drawn[:, 0].mean(), drawn[:, :2].max(1).mean()])
    these = np.concatenate((seen, seen[1] * missed[2:] / missed[1]))
    return 1.0 - these, 1.0 - missed, 1.0 - (1.0 - drawn[:, :2].mean()) ** k


def speeds() -> dict[str, list[float]]:
    """Microseconds of processor time for one belief update: six arms of three models, twelve classes, twenty facts."""
    rng = np.random.default_rng(0)
    arms, out = [f"m{i}/off" for i in range(6)], {}
    line = " ".join(f"word{n}" for n in rng.integers(0, 5_000, 110))[:1024]
    for name, tries, words in (("one attempt", 1, False), ("two attempts", 2, False), ("one, with words", 1, True)):
        known = success.prior(catalog(*(a.split("/")[0] for a in arms)), words=words)
        taken = []
        for i in range(600):
            trials = tuple(Trial(arms[a], float(rng.random() < 0.6)) for a in rng.integers(0, 6, tries))
            x = tuple(rng.uniform(-1.0, 1.0, 20).tolist())
            said = Evidence(f"c{i % 12}", trials, x, text.hashed(f"{line} {i}") if words else b"", at=float(i))
            before = time.thread_time_ns()
            known = known.observe(said)
            taken.append((time.thread_time_ns() - before) / 1e3)
        out[f"belief update, {name}"] = taken[100:]
    before = time.thread_time_ns()
    for _ in range(300):
        text.hashed(line)
    return {**out, "hashing 1 KB of text": [(time.thread_time_ns() - before) / 3e5]}


def told(what: str, found: str, wanted: str = "") -> None:
    print(f"{what:58} {found:>24}   {wanted}", flush=True)


def several(run: Callable[[int], tuple[float, float]], count: int) -> tuple[str, str]:
    found = np.array([run(seed) for seed in range(count)])
    first, second = (f"{m:.4f} ({low:.3f}-{high:.3f})" for m, low, high in zip(
        found.mean(0), found.min(0), found.max(0), strict=True
    ))  # fmt: skip
    return first, second


def pair(path: Path) -> None:
    for words in (False, True):
        here, name = (
            Pair(path, words),
            f"{path.name.split('.')[0]}, {'subject and words' if words else 'subject alone'}",
        )
        gap, error = several(here.one_pass, ORDERS)
        told(f"{name}: one pass, APGR", gap, "must 0.64, aim 0.67" if words else "baseline")
        told(f"{name}: one pass, ECE", error, "must 0.03, aim 0.02" if words else "")
        gap, error = several(here.folded, 1)
        told(f"{name}: 5-fold, APGR", gap, "must 0.70, aim 0.715" if words else "baseline")
        told(f"{name}: 5-fold, ECE", error, "must 0.03, aim 0.02" if words else "")
    tossed = statistics.mean(
        apgr(np.random.default_rng(seed).uniform(size=len(here.right)), *here.right.T) for seed in range(20)
    )
    told("random, APGR", f"{tossed:.4f}", "baseline")


def retries(path: Path) -> None:
    """Attempts at a task are alike, so their order means nothing, unless the file has them sorted: both are shown."""
    for name, right in attempts(path).items():
        rngs = [np.random.default_rng(seed) for seed in range(ATTEMPT_ORDERS)]
        orders = {"drawn orders": [rng.permuted(right, axis=1) for rng in rngs], "the file's order": [right]}
        print(f"{path.name.split('.')[0]}, {name}: {len(right)} tasks; error of pass@3 to {right.shape[1]}, points")
        for label, drawn in orders.items():
            errors = 100.0 * np.abs(np.array([retried(d) for d in drawn]) - pass_at(right)).mean(0)
            near, far = (np.mean([np.corrcoef(d[:, 0], d[:, at])[0, 1] for d in drawn]) for at in (1, -1))
            told(f"  {label}: correlation of the first with second, last", f"{near:.2f}, {far:.2f}")
            for (kind, wanted), error in zip(KINDS.items(), errors[:, 2:], strict=True):
                told(f"  {label}: {kind}", f"mean {error.mean():.1f}, worst {error.max():.1f}", wanted)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args(argv).data
    for name, taken in speeds().items():
        told(name, f"p50 {statistics.median(taken):.0f}, mean {statistics.mean(taken):.0f} µs", "must 300, aim 100")
    for path in sorted(data.glob("*.csv.gz")):
        with gzip.open(path, "rt", newline="") as file:
            columns = set(next(csv.reader(file)))
        if columns >= {"subject", "prompt", "weak_ok", "strong_ok"}:
            pair(path)
        elif columns >= {"seq"} or columns >= {"task_id", "trial", "reward"}:
            retries(path)


if __name__ == "__main__":
    main()
