"""Simulated models and a real `turnout serve` between them and real clients, each in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from router.simulate import children
from router.simulate.server import Options
from tests.clients.running import KEY, POLICIES, Ledger, Running, Steps, environment, policies, serving

SPEED = 200.0


@pytest.fixture(scope="session")
def addresses() -> Iterator[dict[str, str]]:
    """The addresses of the simulated models, by name."""
    with children.models(POLICIES / "models.yaml", Options(speed=SPEED), environment()) as (_, found):
        yield found


@pytest.fixture(scope="session")
def ledger(addresses: dict[str, str]) -> Ledger:
    return Ledger(next(iter(addresses.values())))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its things."""
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="session")
def turnout_server(addresses: dict[str, str], folder: Path) -> Iterator[Running]:
    """A server that wants KEY, keeps a journal, and does not learn: what one test does is nothing to the next."""
    served = policies(folder / "policies", addresses)
    told = {"TURNOUT_API_KEYS": KEY, "TURNOUT_STATE_DIR": str(folder / "state"), "TURNOUT_LEARN": "off"}
    with serving(served, folder / "log", **told) as running:
        yield running


@pytest.fixture(scope="session")
def steps(turnout_server: Running, folder: Path) -> Steps:
    return Steps(folder / "state")


@pytest.fixture
def lane() -> str:
    """The `user` of a test's requests, by which the ledger keeps them apart."""
    return f"lane-{uuid4().hex[:12]}"
