"""How soon a change of a model is noticed, and how often one is seen that is none: `python -m benchmarks.drift`.

A drawn world of two models at one class. Steps have a latent difficulty that both share, callers judge every answer,
the first model takes `SHARE` of the steps. It learns as in serving; after `SETTLED` outcomes the first model's chance
of success falls by `DROP`. Outcomes are counted of the model that changed, from its change on.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator

import numpy as np

from benchmarks.learning_success import catalog
from router.beliefs import success
from router.beliefs.drift import Alarm, news
from router.beliefs.latent import solve
from router.beliefs.lengths import Asked, Lengths
from router.beliefs.success import SIGMA, TAU
from router.outcome import Evidence, Trial

ARMS = ("first/off", "second/off")
SHARE, DROP, SETTLED = 0.7, 0.15, 1_500
NEVER = 10**9
UNSEEN = 900_000
"""Where the seeds begin that are told of. Limits were set by a formula and looked at on seeds from 50,000."""
OTHER = 0.75
"""The second model's chance of success."""


def told(seed: int, p: float, *, dropped_at: int = NEVER) -> Iterator[tuple[int, list[Alarm]]]:
    """For each outcome: how many the first model has had since its change, and the alarms that it raised."""
    rng = np.random.default_rng(seed)
    known, since = success.prior(catalog("first", "second")), 0
    mu = [solve(p, SIGMA, TAU), solve(OTHER, SIGMA, TAU)]
    for i in range(NEVER):
        if i == dropped_at:
            mu[0] = solve(p - DROP, SIGMA, TAU)
        arm = int(rng.uniform() >= SHARE)
        since += arm == 0 and i >= dropped_at
        x = mu[arm] + SIGMA * rng.normal() + TAU * rng.normal()
        trial = Trial(ARMS[arm], float(rng.uniform() < 1.0 / (1.0 + np.exp(-x))))
        after = known.observe(Evidence("class", (trial,), at=float(i)))
        yield since, list(news("success", known.drift, after.drift))
        known = after


def noticed(seed: int, p: float, *, settled: int = SETTLED, most: int = 1_000) -> int:
    """Outcomes of the first model until its drop is noticed; `most` where it is not by then."""
    for since, alarms in told(seed, p, dropped_at=settled):
        if since and any(a.model == "first" and a.direction == "down" for a in alarms):
            return since
        if since >= most:
            break
    return most


def false_alarms(seed: int, p: float, outcomes: int) -> int:
    """Alarms, of both models in both directions, where nothing changes."""
    return sum(len(alarms) for _, (_, alarms) in zip(range(outcomes), told(seed, p), strict=False))


def longer(seed: int, factor: float, *, settled: int = 500, most: int = 2_000, spread: float = 0.8) -> int | None:
    """Answers until a change of length is noticed, `factor` times as long; None where an alarm comes before."""
    rng, known = np.random.default_rng(seed), Lengths({"m/off": 0.0}, {"m/off": "m"})
    asked = Asked("class", 400.0, 1_600.0, input_tokens=1_000.0)
    for i in range(settled + most):
        tokens = round(float(np.exp(rng.normal(6.0, spread))) * (factor if i >= settled else 1.0))
        after = known.observe("m/off", asked, max(1, tokens))
        if list(news("length", known.changes, after.changes)):
            return i - settled + 1 if i >= settled else None
        known = after
    return most


def summary(worlds: int = 40, outcomes: int = 200_000) -> Iterator[tuple[str, str, str, bool, bool]]:
    """Rows of a table: what, found, wanted, whether it must be and is aimed to be so."""
    for p in (0.6, 0.7, 0.8):
        found = sorted(noticed(UNSEEN + 1_000 + seed, p) for seed in range(worlds))
        mean, within = statistics.mean(found), sum(f <= 200 for f in found) / worlds
        text = f"mean {mean:.0f}, median {statistics.median(found):.0f}; {within:.0%} within 200"
        yield f"drop of 15 points from {p:.0%}, outcomes until noticed", text, "200, 150", mean <= 200, mean <= 150
    each = outcomes // 20
    rate = sum(false_alarms(UNSEEN + seed, (0.6, 0.7, 0.8)[seed % 3], each) for seed in range(20)) / (20 * each) * 1e4
    yield "false alarms in 10,000 outcomes", f"{rate:.2f} (of {20 * each:,})", "1", rate <= 1.0, rate <= 1.0
    spotted = [longer(UNSEEN + seed, 2.0) for seed in range(worlds)]
    good = [s for s in spotted if s is not None]
    text = f"median {statistics.median(good):.0f}; {worlds - len(good)} false in {worlds * 500:,}"
    yield "answers twice as long, answers until noticed", text, "", True, True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=40)
    parser.add_argument("--outcomes", type=int, default=200_000)
    given = parser.parse_args()
    for what, found, wanted, must, aim in summary(given.worlds, given.outcomes):
        print(
            f"{what:58} {found:44} {wanted:>10}  {'aim reached' if aim else 'reached' if must else 'MISSED'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
