"""Agents that never stop: they work, they judge, and they outlive servers that fail."""

from __future__ import annotations

import asyncio
import json
import socket
from urllib.request import urlopen

import pytest

from router.errors import ConfigError
from router.simulate import live
from router.simulate.live import Traffic
from router.simulate.workload import jobs
from scripts.live import spare, stage, work
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
    with stage(port, 7, 5_000.0) as (address, models, _):
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


async def test_a_server_that_ends_is_told() -> None:
    """With its last words, instead of agents that go on asking nobody."""
    port = free_port()
    with stage(port, 7, 5_000.0) as (address, models, servers):
        servers[1].process.kill()
        with pytest.raises(ConfigError, match="make live: Turnout ended with status -9"):
            await asyncio.wait_for(work(Traffic(address, models, pace=50.0), servers), 30)


def test_a_taken_port_is_told_before_anything_starts() -> None:
    """Not a server that is there for nobody. Prometheus, which nobody has told an address yet, takes another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="cannot be bound"), stage(port, 7, 5_000.0):
            pass
        assert spare(port) != port
    assert spare(port) == port
