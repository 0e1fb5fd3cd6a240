"""Made-up names grow nothing: metrics have the labels of the configuration and no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.abuse.asking import Desk

NAMES = 10_000
KEY = "sk-the-one-key"


async def exposition(desk: Desk) -> bytes:
    got = await desk.ask("GET", "/metrics", headers=[(b"authorization", f"Bearer {KEY}".encode())])
    assert got.status == 200
    return got.body


def series(text: bytes) -> set[bytes]:
    """Names with their labels."""
    return {line.rpartition(b" # ")[0].rpartition(b" ")[0] or line.rpartition(b" ")[0] for line in text.splitlines()
            if line and not line.startswith(b"#")}  # fmt: skip


@pytest.mark.timeout(180)
async def test_ten_thousand_made_up_names_make_few_series(tmp_path: Path) -> None:
    """Of models, steps, runs, sources, sessions, paths, methods, hints, users and keys: under 200 new series, a
    `/metrics` under 1 MB, and none of the names in it."""
    desk = Desk(tmp_path, api_keys=(KEY,))
    own = (b"authorization", f"Bearer {KEY}".encode())
    before = series(await exposition(desk))
    hello = {"model": "auto", "messages": [{"role": "user", "content": "Hi."}]}
    for i in range(NAMES):
        name = f"zz-{i}"
        hints = {"step": name, "step_id": name, "run_id": name}
        kind = i % 8
        if kind == 0:
            await desk.ask("POST", "/v1/chat/completions", json.dumps({**hello, "turnout": hints}).encode(), [own])
        elif kind == 1:
            await desk.ask("POST", "/v1/chat/completions", json.dumps({**hello, "model": name}).encode(), [own])
        elif kind == 2:
            await desk.ask("GET", f"/{name}/{name}", headers=[own])
        elif kind == 3:
            await desk.ask("POST", "/v1/chat/completions", b"{}", [(b"authorization", f"Bearer {name}".encode())])
        elif kind == 4:
            verdict = {"step_id": f"zz-{i - 4}", "success": True, "source": f"zz{i}", "reason": name}
            await desk.ask("POST", "/v1/outcomes", json.dumps(verdict).encode(), [own])
        elif kind == 5:
            await desk.ask("POST", "/v1/route", json.dumps({**hello, "user": name, name: name}).encode(), [own])
        elif kind == 6:
            body = json.dumps({**hello, "model": f"auto?{name}=1", "stream": True}).encode()
            await desk.ask("POST", "/v1/chat/completions", body, [own, (b"x-session-id", name.encode())])
        else:
            await desk.ask(f"ZZ{i}", "/v1/models", headers=[own, (f"x-turnout-{name}".encode(), b"1")])
        desk.upstream.calls.clear()
        desk.outcomes.clear()
    text = await exposition(desk)
    new = series(text) - before
    assert len(new) < 200, len(new)
    assert len(text) < 1_000_000
    assert b"zz" not in text.lower()
