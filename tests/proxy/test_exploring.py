"""Exploration as it is served: one draw for a run, told alike by answer, outcome, `/v1/route` and the journal."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from router.journal.records import of_outcome
from tests.proxy.yard import HELLO, Proxy, Yard

EXPLORING: dict[str, Any] = {
    "verify": "none",
    "objective": {"failure_cost": 0.001},
    "exploration": {"share": 0.6, "regret": 100},
    "classes": [{"name": "quiet", "exploration": 0}, {"name": "chat", "sigma": 0, "tau": 0}],
}
THREE = ("cheap", "middle", "dear")


async def started(yard: Yard, **changes: Any) -> Proxy:
    return await yard(dict.fromkeys(THREE, "good"), policy=EXPLORING | changes, exploration_secret="of this test")


async def explained(proxy: Proxy, **fields: Any) -> dict[str, Any]:
    got = await proxy.fetch("POST", "/v1/route", json.dumps(HELLO | fields).encode())
    assert got.status == 200
    found: dict[str, Any] = json.loads(got.body)
    return found


def run(name: str, **hints: Any) -> dict[str, Any]:
    return {"turnout": {"run_id": name, **hints}}


async def test_a_run_keeps_its_draw(yard: Yard) -> None:
    """All steps of a run begin with the same arm; `/v1/route`, outcome and journal give the same probability."""
    proxy, firsts = await started(yard), Counter[str]()
    for i in range(20):
        models = {(await proxy.chat(**run(f"r{i}"))).headers["x-turnout-model"] for _ in range(2)}
        told = await explained(proxy, **run(f"r{i}"))
        outcome = await proxy.settled()
        record = of_outcome(outcome, plans=False)
        assert models == {told["chosen"]["arms"][0]}
        assert told["propensity"] == outcome.decision.propensity == record.propensity
        assert record.drawn is not None
        assert told["drawn"] == {"arm": record.drawn.arm, "p": record.drawn.p}
        firsts[models.pop()] += 1
    assert len(firsts) == 3


async def test_steps_without_a_run_are_runs_of_one(yard: Yard) -> None:
    """Each draws anew."""
    proxy = await started(yard, exploration={"share": 1.0, "regret": 100})
    models = {(await proxy.chat()).headers["x-turnout-model"] for _ in range(40)}
    assert len(models) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "dear"},
        {"model": "dear/off"},
        run("r", models=["cheap", "dear"]),
        run("r", license="Apache-2.0"),
        run("r", runtime="cuda"),
        run("r", thinking="off"),
        run("r", language="en"),
        run("r", max_cost=1.0),
        run("r", deadline=60),
        run("r", run_max_cost=1.0),
        run("r", step="quiet"),
    ],
)
async def test_a_pinned_or_constrained_step_is_left_alone(yard: Yard, fields: dict[str, Any]) -> None:
    """Where the caller names the model or sets a limit, or the class takes no part, nothing is drawn."""
    proxy = await started(yard, exploration={"share": 1.0, "regret": 100})
    told = await explained(proxy, **fields)
    assert told["propensity"] == 1.0 and told["drawn"] is None
    free = await explained(proxy, **run("r", accuracy=0.5, retries=0, prefer="cost"))
    assert free["drawn"]["p"] == pytest.approx(1 / 3)


async def test_off_unless_asked_for(yard: Yard) -> None:
    """A policy that says nothing of exploration never draws."""
    proxy = await yard({"cheap": "good"})
    told = await explained(proxy, **run("r"))
    assert told["propensity"] == 1.0 and told["drawn"] is None
