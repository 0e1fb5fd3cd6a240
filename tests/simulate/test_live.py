"""Agents that never stop: they work, they judge, and they outlive servers that fail."""

from __future__ import annotations

import asyncio
import json
from urllib.request import urlopen

import pytest

from router.simulate import live
from router.simulate.live import Traffic
from router.simulate.workload import jobs
from scripts.live import stage
from tests.clients.running import free_port


def fetch(url: str) -> bytes:
    with urlopen(url, timeout=10) as got:
        found: bytes = got.read()
        return found


def test_jobs_go_on_where_the_last_round_ended() -> None:
    """A step's id never comes twice: it would mean that the answer before was wrong."""
    first, second = jobs(60, 7), jobs(60, 7, first=60)
    assert not {j.task.id for j in first} & {j.task.id for j in second}
    assert not {j.run for j in first} & {j.run for j in second}


async def test_agents_judge_what_they_get(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer gets its verdict, wrong ones before they are asked for again; the models' ledger is emptied."""
    monkeypatch.setattr(live, "ROUND", 12)
    port = free_port()
    with stage(port, 7, 5_000.0) as (address, models):
        root = models.removesuffix("/v1")
        for _ in range(300):
            try:
                await asyncio.to_thread(fetch, f"{address}/models")
                break
            except OSError:
                await asyncio.sleep(0.1)
        traffic = Traffic(address, models, pace=50.0)
        await traffic.play(rounds=2)
        assert traffic.steps == 24 and traffic.untold < 6
        lines = (await asyncio.to_thread(fetch, address.removesuffix("/v1") + "/metrics")).decode().splitlines()
        said = [line for line in lines if line.startswith("turnout_outcomes_total") and 'source="caller"' in line]
        good, bad = (
            sum(float(line.split()[-1]) for line in said if f'outcome="{what}"' in line)
            for what in ("success", "failure")
        )
        assert good > 10 and bad > 0 and good + bad >= 24 - traffic.untold
        assert json.loads(await asyncio.to_thread(fetch, f"{root}/sim/ledger")) == {"lanes": {}}


async def test_agents_go_on_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is away for a moment does not end them."""
    monkeypatch.setattr(live, "ROUND", 6)
    nowhere = f"http://127.0.0.1:{free_port()}/v1"
    traffic = Traffic(nowhere, nowhere, pace=100.0)
    await asyncio.wait_for(traffic.play(rounds=1), 30)
    assert (traffic.steps, traffic.untold) == (6, 6)
