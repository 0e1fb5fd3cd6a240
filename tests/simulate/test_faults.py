"""Faults of the simulated servers: how they are asked for and drawn."""

from __future__ import annotations

import json

import pytest

from router.catalog import Catalog
from router.errors import BadRequest
from router.simulate import faults
from router.simulate.server import Options, running
from tests.simulate.bare import chat, ledger, post
from tests.simulate.conftest import NEMOTRON


async def test_faults_are_drawn_by_key(catalog: Catalog) -> None:
    """About the stated share fails; the same seed fails alike; a fault uses up no attempt and is on record."""
    seen: list[list[int | None]] = []
    for seed in (7, 7, 8):
        async with running(catalog, Options(seed=seed, speed=10_000.0, faults={"429": 0.2, "500": 0.1})) as urls:
            statuses = [
                (await post(urls[NEMOTRON], "/v1/chat/completions", chat(stream=False, user=f"lane-{i % 4}")))[0]
                for i in range(80)
            ]
            seen.append(statuses)
            entries = await ledger(urls[NEMOTRON], "lane-0")
    assert seen[0] == seen[1] != seen[2]
    assert 8 <= seen[0].count(429) + seen[0].count(500) <= 40
    answered = [e["attempt"] for e in entries if e["fault"] is None]
    assert answered == list(range(1, len(answered) + 1))
    assert all(e["attempt"] == 0 == e["output_tokens"] for e in entries if e["fault"])


@pytest.mark.parametrize(
    ("specs", "rates"),
    [([], {}), (["429:0.05", "hang:0.01"], {"429": 0.05, "hang": 0.01}), (["reset"], {"reset": 1.0})],
)
def test_faults_are_read_from_the_command_line(specs: list[str], rates: dict[str, float]) -> None:
    """`KIND:SHARE`, and a kind alone always."""
    assert faults.parse(specs) == rates


@pytest.mark.parametrize(
    ("specs", "reason"),
    [
        (["429:x"], "is not KIND:SHARE"),
        (["200:0.1"], "is unknown"),
        (["explode:0.1"], "one of hang, stall"),
        (["500:1.5"], "from 0 to 1"),
        (["500:nan"], "from 0 to 1"),
        (["500:-0.1"], "from 0 to 1"),
        (["500:0.7", "429:0.7"], "more than 1"),
    ],
)
def test_wrong_faults_are_refused(specs: list[str], reason: str) -> None:
    """With what would be right."""
    with pytest.raises(BadRequest, match=reason):
        faults.parse(specs)


async def test_wrong_faults_are_refused_at_run_time(catalog: Catalog) -> None:
    """A 400 with the reason; the old faults stay."""
    async with running(catalog, Options(speed=10_000.0, faults={"503": 1.0})) as urls:
        for data in ({"explode": 1}, {"500": "x"}, [], {"500": 2}):
            status, _, body, _ = await post(urls[NEMOTRON], "/sim/faults", data)
            assert status == 400
            assert json.loads(body)["error"]["message"]
        assert (await post(urls[NEMOTRON], "/v1/chat/completions", chat(stream=False)))[0] == 503
