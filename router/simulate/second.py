"""The demo's second act: the same traffic once more, after so many outcomes; `python -m router.simulate.second`.

A process of its own, so that it runs beside the first act. It reads one JSON object from standard input (see
`children.SecondOrders`), writes its result (`Act`) to a file, and ends.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from router import catalog as catalogs
from router import plan, policy, step
from router.beliefs import Beliefs
from router.catalog import Catalog
from router.plan import Decision, Situation
from router.policy import Policy
from router.simulate import practice, report
from router.simulate.children import SecondOrders
from router.simulate.report import Row
from router.simulate.workload import PROFILES, Job, Profile, jobs
from router.terms import Target, resolve
from router.wire import ask, chat

HEAD = ("step", "plan before", "P, USD then", "P, USD now", "plan after", "P, USD")
"""Column titles of `Act.changes`."""
SHORT = {"nemotron-3-super": "Nemotron", "qwen3.5-122b": "122B", "qwen3.5-397b": "397B"}


class Act(msgspec.Struct):
    steps: int
    """Of each lane."""
    rows: tuple[Row, Row]
    """Before and after."""
    changes: list[tuple[str, ...]]
    """Of each sort of step whose plan is another now, by the columns of HEAD."""


def acted(catalog: Catalog, policy: Policy, seed: int, outcomes: int, steps: int) -> Act:
    """Learns, then plays the same jobs with what was believed before and with what is believed after."""
    beliefs = practice.learned(catalog, policy, seed, outcomes)
    work = jobs(steps, seed)
    before = report.row("Turnout, as it comes", practice.played(catalog, policy, seed, work, None), seed)
    title = f"Turnout, after {outcomes:,} outcomes"
    after = report.row(title, practice.played(catalog, policy, seed, work, beliefs), seed)
    return Act(steps, (before, after), changes(catalog, policy, work, beliefs))


def changes(catalog: Catalog, policy: Policy, work: Sequence[Job], beliefs: Beliefs) -> list[tuple[str, ...]]:
    """What is planned otherwise with `beliefs` for the first job of each sort, and what is believed of both plans."""
    found: list[tuple[str, ...]] = []
    prior = Beliefs.prior(catalog)
    for profile in PROFILES:
        job = next((j for j in work if j.profile == profile), None)
        if job is None:
            continue
        then, now = (_decided(catalog, policy, job, known) for known in (prior, beliefs))
        if then.chosen.arms != now.chosen.arms:
            old, new = then.chosen, now.chosen
            row = (_sort(profile), _named(old.arms), _told(old.p_success, old.cost), _still(old.arms, now))
            found.append((*row, _named(new.arms), _told(new.p_success, new.cost)))
    return found


def _decided(catalog: Catalog, policy: Policy, job: Job, beliefs: Beliefs) -> Decision:
    request = chat.parse(msgspec.json.encode(practice.asked(job)))
    facts, (_, hints) = step.facts(request), ask.read(request, {})
    terms = resolve(Target(policy), facts, hints, streamed=job.profile.stream)
    return plan.decide(facts, terms, beliefs, catalog, Situation(step=hints.step))


def _still(arms: tuple[str, ...], now: Decision) -> str:
    """What is believed now of a plan of before."""
    found = now.again()
    at = next((n for n in range(len(found.cost)) if found.row(n).arms == arms), None)
    return _told(float(found.mean.p[at]), float(found.cost[at])) if at is not None else "not looked at"


def _sort(profile: Profile) -> str:
    asked = "" if profile.accuracy is None else f", P >= {profile.accuracy:g}"
    return f"{profile.step_class}, {profile.retries} retries{asked}"


def _named(arms: Sequence[str]) -> str:
    names = [arm.partition("/") for arm in arms]
    return " > ".join(f"{SHORT.get(model, model)}/{mode}" for model, _, mode in names)


def _told(p: float, cost: float) -> str:
    return f"{p:.2f}, {cost:.5f}"


def main() -> None:
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=SecondOrders)
    catalog, read = catalogs.load(Path(orders.catalog)), policy.load(Path(orders.policy))
    found = acted(catalog, read, orders.seed, orders.outcomes, orders.steps)
    part = Path(f"{orders.result}.part")
    part.write_bytes(msgspec.json.encode(found))
    part.replace(orders.result)  # whole, or not there


if __name__ == "__main__":
    main()
