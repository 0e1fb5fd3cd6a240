"""Keys of the file, through real sockets: what each may do, how much, and how soon a change counts."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from router.app import create_app
from router.keys import made
from router.keys.file import change
from router.settings import Settings
from tests.proxy.yard import CHAT, HELLO, Proxy, Yard

BODY = json.dumps(HELLO).encode()
NOW = datetime.now(UTC)


def key_of(path: Path, name: str = "agent", **rights: Any) -> dict[str, str]:
    """Makes a key and returns the headers that show it."""
    key, entry = made(name, NOW, **rights)
    change(path, lambda entries: (*entries, entry))
    return {"authorization": f"Bearer {key}"}


PLACES = [
    ("POST", CHAT, "call"),
    ("GET", CHAT, "call"),
    ("POST", "/v1/route", "call"),
    ("GET", "/v1/models", "call"),
    ("GET", "/docs", "call"),
    ("GET", "/openapi.json", "call"),
    ("OPTIONS", CHAT, "call"),
    ("GET", "/", "call"),
    ("GET", "/v1", "call"),
    ("GET", "/nowhere", "call"),
    ("PUT", "/v1/outcomes/../metrics", "call"),
    ("GET", "/healthz/", "call"),
    ("GET", "/metrics/x", "call"),
    ("GET", "//metrics", "call"),
    ("POST", "/v1/outcomes", "outcomes"),
    ("GET", "/metrics", "metrics"),
    ("GET", "/admin", "admin"),
    ("POST", "/admin/anything", "admin"),
]


@pytest.mark.parametrize(("method", "path", "scope"), PLACES)
async def test_every_path_is_shut_but_to_its_scope(
    yard: Yard, tmp_path: Path, method: str, path: str, scope: str
) -> None:
    """Without a key a 401, with one for something else a 403, whether there is anything or not; in OpenAI's shape."""
    keys = tmp_path / "keys.json"
    right = key_of(keys, "right", scopes=[scope])
    wrong = key_of(keys, "wrong", scopes=[s for s in ("call", "outcomes", "metrics", "admin") if s != scope])
    proxy = await yard({"cheap": "good"}, keys_file=keys)
    body = BODY if method == "POST" else None
    assert (await proxy.fetch(method, path, body)).error["code"] == "missing_api_key"
    refused = await proxy.fetch(method, path, body, wrong)
    assert (refused.status, refused.error["code"], refused.error["type"]) == (403, "scope_missing", "permission_error")
    assert proxy.upstream.requests == 0
    assert (await proxy.fetch(method, path, body, right)).status not in (401, 403)
    proxy.admitted += (method, path) == ("POST", CHAT)


async def test_every_route_there_is_needs_a_key(yard: Yard, tmp_path: Path) -> None:
    """As the description of the API lists them, so that a route added later is no exception."""
    keys = tmp_path / "keys.json"
    headers = key_of(keys)
    proxy = await yard({"cheap": "good"}, keys_file=keys)
    described = json.loads((await proxy.fetch("GET", "/openapi.json", None, headers)).body)["paths"]
    assert {CHAT, "/v1/outcomes", "/metrics"} <= set(described)
    for path, methods in described.items():
        for method in methods:
            got = await proxy.fetch(method.upper(), path.replace("{", "").replace("}", ""))
            assert got.status == (401 if path not in ("/healthz", "/readyz") else 200), (method, path)


async def test_clients_may_look_whether_anybody_is_there(yard: Yard) -> None:
    """`HEAD /` tells nothing but that."""
    proxy = await yard({"cheap": "good"}, api_keys=("k",))
    got = await proxy.fetch("HEAD", "/")
    assert got.status != 401 and got.body == b""


async def changed(proxy: Proxy, headers: dict[str, str], status: int) -> None:
    """Waits until the models answer so."""
    async with asyncio.timeout(5):
        while (await proxy.fetch("GET", "/v1/models", None, headers)).status != status:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_keys_come_and_go_while_serving(yard: Yard, tmp_path: Path) -> None:
    """One made counts, one revoked no longer, without a restart."""
    keys = tmp_path / "keys.json"
    first = key_of(keys, "first")
    proxy = await yard({"cheap": "good"}, keys_file=keys, reload_interval=0.02)
    assert (await proxy.fetch("GET", "/v1/models", None, first)).status == 200
    second = key_of(keys, "second")
    await changed(proxy, second, 200)
    change(keys, lambda entries: tuple(e for e in entries if e.name != "first"))
    await changed(proxy, first, 401)
    assert (await proxy.fetch("GET", "/v1/models", None, second)).status == 200


async def test_an_expired_key(yard: Yard, tmp_path: Path) -> None:
    """A 401 that says so."""
    headers = key_of(tmp_path / "keys.json", expires=NOW - timedelta(seconds=1))
    proxy = await yard({"cheap": "good"}, keys_file=tmp_path / "keys.json")
    assert (await proxy.chat(headers)).error["code"] == "expired_api_key"


MODELS = {"cheap": "good", "dear": "good"}


@pytest.mark.parametrize("model", ["auto", "dear", "auto?models=dear", "auto:free"])
async def test_a_key_narrows_what_its_callers_may_use(yard: Yard, tmp_path: Path, model: str) -> None:
    """No model name, hint or policy leads out of its models, and the reasons name the gate."""
    headers = key_of(tmp_path / "keys.json", models=["cheap"])
    proxy = await yard(
        MODELS, policy={"objective": {"accuracy": 0.75}}, policies={"free": {}}, keys_file=tmp_path / "keys.json"
    )
    got = await proxy.chat(headers, model=model)
    if "dear" in model:
        assert got.status == 400 and "not among the models allowed: cheap" in got.error["message"]
    else:
        assert got.status == 200 and got.headers["x-turnout-model"] == "cheap/off"
    assert all(asked == "good" for asked in proxy.asked) and "dear" not in str(proxy.upstream.seen)


async def test_a_key_has_its_policies(yard: Yard, tmp_path: Path) -> None:
    """`auto` is the first of them, others are not there for it; once they are gone it may do nothing."""
    headers = key_of(tmp_path / "keys.json", policies=["strict"])
    lost = key_of(tmp_path / "keys.json", "lost", policies=["gone"])
    proxy = await yard(MODELS, policies={"strict": {"objective": {"accuracy": 0.75}}}, keys_file=tmp_path / "keys.json")
    got = await proxy.chat(headers)
    assert (got.headers["x-turnout-policy"], got.headers["x-turnout-model"]) == ("strict", "dear/off")
    got = await proxy.chat(headers, model="auto:default")
    assert (got.status, got.error["code"]) == (404, "policy_not_found") and "default" not in got.error["message"][-30:]
    assert (await proxy.chat(lost)).error["code"] == "no_policy_allowed"


async def test_a_key_that_may_cost_little(yard: Yard, tmp_path: Path) -> None:
    """Its own cap holds beside the caller's, and shows in what is explained."""
    headers = key_of(tmp_path / "keys.json", max_cost=1e-9, license=["MIT"])
    proxy = await yard({"cheap": "good"}, keys_file=tmp_path / "keys.json")
    for max_cost in ("10", "0.0000000001"):
        got = await proxy.chat(headers | {"x-turnout-max-cost": max_cost})
        assert (got.status, got.error["code"]) == (400, "no_feasible_model")
        assert "the step asks for MIT" in got.error["message"]


async def test_a_key_over_its_rate(yard: Yard, tmp_path: Path) -> None:
    """A 429 before anything is read, with the time to wait; other keys are served on."""
    one = key_of(tmp_path / "keys.json", "one", per_minute=2)
    two = key_of(tmp_path / "keys.json", "two")
    proxy = await yard({"cheap": "good"}, keys_file=tmp_path / "keys.json")
    assert (await proxy.chat(one)).status == 200
    assert (await proxy.fetch("POST", "/v1/route", BODY, one)).status == 200
    for path in (CHAT, "/v1/route", "/v1/responses/input_tokens"):
        got = await proxy.fetch("POST", path, BODY, one)
        assert (got.status, got.error["code"]) == (429, "rate_limit_exceeded")
        assert 1 <= int(got.headers["retry-after"]) <= 30
    assert (await proxy.fetch("POST", "/v1/messages/count_tokens", BODY, one)).status == 429
    assert (await proxy.chat(two)).status == 200


async def test_a_key_with_all_its_steps_under_way(yard: Yard, tmp_path: Path) -> None:
    """The next is a 429 at once; when one has ended, however it ended, another may begin."""
    headers = key_of(tmp_path / "keys.json", concurrency=1)
    proxy = await yard({"cheap": "hang"}, policy={"deadline": 20}, keys_file=tmp_path / "keys.json")
    line = f"authorization: {headers['authorization']}\r\n"
    _, writer = await proxy.connect(line)
    async with asyncio.timeout(5):
        while not proxy.upstream.requests:  # noqa: ASYNC110 (the upstream is a plain server)
            await asyncio.sleep(0.01)
    got = await proxy.fetch("POST", CHAT, BODY, headers)
    assert (got.status, got.error["code"], got.headers["retry-after"]) == (429, "too_many_at_once", "1")
    writer.close()
    await proxy.all_settled()
    _, writer = await proxy.connect(line)
    async with asyncio.timeout(5):
        while proxy.upstream.requests < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    writer.close()


async def test_a_key_without_money(yard: Yard, tmp_path: Path) -> None:
    """What it has spent is counted when a step ends; a restart changes nothing."""
    state = tmp_path / "state"
    headers = key_of(state / "keys.json", usd_per_day=1)
    proxy = await yard({"cheap": "good"}, state_dir=state, journal="off")
    cost = float((await proxy.chat(headers)).headers["x-turnout-cost-usd"])
    assert cost > 0
    change(state / "keys.json", lambda entries: ())
    tight = key_of(state / "keys.json", "tight", usd_per_day=cost / 2)
    proxy = await yard({"cheap": "good"}, state_dir=state, journal="off")
    got = await proxy.chat(tight)
    assert (got.status, got.error["code"]) == (400, "no_feasible_model")  # what is left would not pay one step
    app = create_app(Settings(state_dir=state, policies=tmp_path, journal="off"))
    assert app.ring.keyed


async def test_an_unlimited_key_pays_nothing_for_limits(yard: Yard, tmp_path: Path) -> None:
    """Each key's outcome is its own, whatever others may."""
    one, two = key_of(tmp_path / "keys.json", "one"), key_of(tmp_path / "keys.json", "two")
    proxy = await yard({"cheap": "good"}, keys_file=tmp_path / "keys.json")
    decision = (await proxy.chat(one)).headers["x-turnout-decision-id"]
    verdict = json.dumps({"decision_id": decision, "success": True}).encode()
    assert (await proxy.fetch("POST", "/v1/outcomes", verdict, two)).status == 404
    assert (await proxy.fetch("POST", "/v1/outcomes", verdict, one)).status == 200
