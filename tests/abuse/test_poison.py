"""A flood of false verdicts from one key moves what is believed for the others no further than is said."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from router.keys import made
from router.keys.file import change
from router.trust import DAILY, SHARE
from tests.abuse.asking import Desk

HELLO = {"model": "cheap/off", "messages": [{"role": "user", "content": "Hi."}]}
Headers = list[tuple[bytes, bytes]]


class Tenants:
    """A proxy that learns, and its keys."""

    def __init__(self, folder: Path, **trusted: bool) -> None:
        self.headers: dict[str, Headers] = {}
        for name, whole in trusted.items():
            key, entry = made(name, datetime.now(UTC), trusted=whole)
            change(folder / "keys.json", lambda known, new=entry: (*known, new))  # type: ignore[misc]
            self.headers[name] = [(b"authorization", f"Bearer {key}".encode())]
        self.desk = Desk(folder / "policies", keys_file=folder / "keys.json", learn="on")

    async def report(self, name: str, verdicts: list[bool]) -> None:
        """One step for each, and the verdict on it."""
        for good in verdicts:
            got = await self.desk.ask("POST", "/v1/chat/completions", json.dumps(HELLO).encode(), self.headers[name])
            verdict = {"decision_id": got.headers["x-turnout-decision-id"], "success": good}
            told = await self.desk.ask("POST", "/v1/outcomes", json.dumps(verdict).encode(), self.headers[name])
            assert told.status == 200

    async def believed(self, name: str, model: str = "cheap/off") -> float:
        """P(success) of one attempt, as that key's steps are decided by."""
        body = json.dumps({**HELLO, "model": model}).encode()
        got = await self.desk.ask("POST", "/v1/route", body, self.headers[name])
        p: float = json.loads(got.body)["chosen"]["p_success"]
        return p


@pytest.mark.timeout(120)
async def test_a_flood_counts_as_a_days_worth(tmp_path: Path) -> None:
    """Where nobody else has said anything: 400 false verdicts move another key's beliefs exactly as 15 do. A key that
    is alone is believed whole, which shows how far they would have gone."""
    alone = Tenants(tmp_path / "alone", mallory=False)
    believed = [await alone.believed("mallory")]
    for more in (int(DAILY), 400 - int(DAILY)):
        await alone.report("mallory", [False] * more)
        believed.append(await alone.believed("mallory"))
    start, days_worth, whole = believed
    several = Tenants(tmp_path / "several", mallory=False, alice=False)
    await several.report("mallory", [False] * 400)
    found = await several.believed("alice")
    assert found == pytest.approx(days_worth, abs=1e-6)
    assert start == pytest.approx(0.6, abs=1e-3) and whole < 0.05 < 0.15 < found
    unlearned = several.desk.ask("GET", "/metrics", b"", several.headers["alice"])
    assert (await unlearned).status == 403


@pytest.mark.timeout(120)
async def test_a_flood_beside_others_counts_as_a_fifth_and_a_days_worth(tmp_path: Path) -> None:
    """After 300 verdicts of another key, 600 false ones move its beliefs as 90 at most would: a fifth of all that
    counts then, and a day's worth."""
    most = int(DAILY + SHARE / (1 - SHARE) * 300)
    honest = [i % 5 < 3 for i in range(300)]
    bounded = Tenants(tmp_path / "bounded", alice=True, mallory=False)
    whole = Tenants(tmp_path / "whole", alice=True, mallory=True)
    for tenants, lies in ((bounded, 600), (whole, most)):
        await tenants.report("alice", honest)
        before = await tenants.believed("alice")
        await tenants.report("mallory", [False] * lies)
    found, least = await bounded.believed("alice"), await whole.believed("alice")
    assert least <= found < before and found - least < 0.05
