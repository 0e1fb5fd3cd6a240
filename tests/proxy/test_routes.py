"""The routes beside chat, and what is said where there is none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest

from router import __version__
from tests.proxy.yard import CHAT, CHEAP_THEN_DEAR, HELLO, Yard

ROOT = Path(__file__).resolve().parents[2]


async def test_models_lists_what_can_be_named(yard: Yard) -> None:
    """`auto`, each policy, each model; every one of these names is taken by chat, and each has its own entry."""
    proxy = await yard({"cheap": "good", "dear": "good"}, policies={"frugal": {}})
    got = await proxy.fetch("GET", "/v1/models")
    listed = json.loads(got.body)
    assert (got.status, listed["object"]) == (200, "list")
    names = [entry["id"] for entry in listed["data"]]
    assert names == ["auto", "auto:default", "auto:frugal", "cheap", "dear"]
    for entry in listed["data"]:
        assert entry["object"] == "model" and {"created", "owned_by"} <= entry.keys()
        assert json.loads((await proxy.fetch("GET", f"/v1/models/{entry['id']}")).body) == entry
        assert (await proxy.chat(model=entry["id"])).status == 200
    missing = await proxy.fetch("GET", "/v1/models/nope")
    assert (missing.status, missing.error["code"], missing.error["param"]) == (404, "model_not_found", "model")
    assert "Models are: auto, auto:default, auto:frugal, cheap, dear." in missing.error["message"]


async def test_the_description_has_every_endpoint(yard: Yard) -> None:
    """Each path and method of the table in docs/http.md, but for those that are the description itself."""
    proxy = await yard({"cheap": "good"})
    whole = json.loads((await proxy.fetch("GET", "/openapi.json")).body)
    table = (ROOT / "docs/http.md").read_text().partition("## A step")[0]
    named = set(re.findall(r"`(GET|POST) (/[^`]*)`", table)) - {("GET", "/docs"), ("GET", "/openapi.json")}
    assert ("POST", CHAT) in named and len(named) >= 8
    described = {(m.upper(), re.sub(":path", "", path)) for path, ms in whole["paths"].items() for m in ms}
    assert named <= described


async def test_chat_is_described_as_it_is(yard: Yard) -> None:
    """The headers and the error statuses of the documentation; what is sent and what comes back fit the schemas."""
    proxy = await yard({"cheap": "good"})
    chat = json.loads((await proxy.fetch("GET", "/openapi.json")).body)["paths"][CHAT]["post"]
    sent, answer = chat["requestBody"]["content"]["application/json"]["schema"], chat["responses"]["200"]
    page = (ROOT / "docs/http.md").read_text()
    assert set(answer["headers"]) == set(re.findall(r"^\| `(x-[a-z-]+)` \|", page, re.MULTILINE))
    rows = re.findall(r"^\| ([45][\d, ]+) \| `", page.partition("## Errors")[2], re.MULTILINE)
    every = {status for row in rows for status in row.split(", ")}
    assert every - {"405", "409"} == set(chat["responses"]) - {"200"}
    got = await proxy.chat()
    assert {name for name in got.headers if name.startswith("x-turnout-")} <= set(answer["headers"])
    assert "text/event-stream" in answer["content"]
    jsonschema_rs.validate(sent, HELLO | {"anything": 1})
    jsonschema_rs.validate(answer["content"]["application/json"]["schema"], json.loads(got.body))
    assert not jsonschema_rs.is_valid(sent, {"model": "auto"})
    refused = await proxy.chat(model="nope")
    shape = chat["responses"]["404"]["content"]["application/json"]["schema"]
    jsonschema_rs.validate(shape, json.loads(refused.body))


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/chat/completions", "Did you mean /v1/chat/completions?"),
        ("/v1/v1/chat/completions", "Did you mean /v1/chat/completions?"),
        (CHAT + "/", "Did you mean /v1/chat/completions?"),
        ("/models", "Did you mean /v1/models?"),
        ("/", "/docs"),
        ("/v1/", "/docs"),
    ],
)
async def test_a_wrong_base_url_is_told_the_right_one(yard: Yard, path: str, meant: str) -> None:
    """The commonest mistake of a first try."""
    proxy = await yard({"cheap": "good"})
    got = await proxy.fetch("POST", path, b"{}")
    assert got.status == 404 and meant in got.error["message"]


async def test_route_explains_and_sends_nothing(yard: Yard) -> None:
    """The decision that chat would take, its plans and their numbers."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    body = HELLO | {"turnout": CHEAP_THEN_DEAR}
    got = await proxy.fetch("POST", "/v1/route", json.dumps(body).encode())
    decision = json.loads(got.body)
    assert (got.status, proxy.upstream.requests, proxy.outcomes) == (200, 0, [])
    assert decision["chosen"]["arms"] == ["cheap/off", "dear/off"] and decision["accuracy_met"] is True
    assert decision["chosen"]["p_success"] == pytest.approx(0.904, abs=1e-4)
    assert decision["considered"] == len(decision["plans"]) == 6
    taken = await proxy.chat(turnout=CHEAP_THEN_DEAR)
    assert taken.headers["x-turnout-plan"] == " > ".join(decision["chosen"]["arms"])
    assert float(taken.headers["x-turnout-expected-cost-usd"]) == pytest.approx(
        decision["chosen"]["expected_cost_usd"], rel=1e-3
    )


async def test_route_tells_why_nothing_is_feasible(yard: Yard) -> None:
    """As chat itself would."""
    proxy = await yard({"cheap": "good"})
    picture = [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]
    body = HELLO | {"messages": [{"role": "user", "content": picture}]}
    for path in ("/v1/route", CHAT):
        got = await proxy.fetch("POST", path, json.dumps(body).encode())
        assert (got.status, got.error["code"]) == (400, "no_feasible_model") and "image" in got.error["message"]
    proxy.admitted += 1


async def test_health_and_readiness(yard: Yard) -> None:
    """Alive and ready, until no deployment has its key."""
    proxy = await yard({"cheap": "good"})
    alive = await proxy.fetch("GET", "/healthz")
    assert (alive.status, json.loads(alive.body)) == (200, {"status": "ok", "version": __version__})
    assert (await proxy.fetch("GET", "/readyz")).status == 200
    keyless = await yard({"cheap": [{"model": "good", "api_key_env": "ABSENT"}]})
    assert (await keyless.fetch("GET", "/healthz")).status == 200
    ready = await keyless.fetch("GET", "/readyz")
    assert (ready.status, json.loads(ready.body)) == (503, {"status": "no usable deployment"})


async def test_metrics_move_with_outcomes(yard: Yard) -> None:
    """Pairs are there from the start at zero; in OpenMetrics, where that is asked for, with the caller's trace."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    labels = {"attempt": "1", "model": "cheap", "outcome": "accepted", "policy": "default"}
    labels |= {"source": "checks", "step_class": "chat"}
    named = ",".join(f'{name}="{value}"' for name, value in labels.items())
    outcomes = f"turnout_outcomes_total{{{named}}}".encode()
    fresh = await proxy.fetch("GET", "/metrics")
    assert fresh.headers["content-type"].startswith("text/plain") and outcomes + b" 0.0" in fresh.body
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await proxy.chat({"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    await proxy.settled()
    got = await proxy.fetch(
        "GET", "/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0,*/*;q=0.1"}
    )
    moved = got.body
    assert got.headers["content-type"].startswith("application/openmetrics-text") and moved.endswith(b"# EOF\n")
    assert f'# {{trace_id="{trace}"}}'.encode() in moved
    assert outcomes + b" 1.0" in moved
    assert b'gen_ai_server_request_duration_seconds_count{status="200",step_class="chat"} 1.0' in moved


NOWHERE = [
    ("GET", "/", 404, "unknown_path", None),
    ("GET", "/v1", 404, "unknown_path", None),
    ("POST", "/v1/chat", 404, "unknown_path", None),
    ("POST", CHAT + "/", 404, "unknown_path", None),
    ("GET", "/v1/../etc/passwd", 404, "unknown_path", None),
    ("GET", "/" + "x" * 5000, 404, "unknown_path", None),
    ("GET", "/%00%ff", 404, "unknown_path", None),
    ("GET", CHAT, 405, "method_not_allowed", "POST"),
    ("PUT", CHAT, 405, "method_not_allowed", "POST"),
    ("OPTIONS", CHAT, 405, "method_not_allowed", "POST"),
    ("PATCH", CHAT, 405, "method_not_allowed", "POST"),
    ("GET", "/v1/route", 405, "method_not_allowed", "POST"),
    ("POST", "/v1/models", 405, "method_not_allowed", "GET"),
    ("DELETE", "/v1/models/cheap", 405, "method_not_allowed", "GET"),
    ("POST", "/metrics", 405, "method_not_allowed", "GET"),
]


async def test_what_is_not_there(yard: Yard) -> None:
    """OpenAI's error shape everywhere, the methods that would do, and a request id."""
    proxy = await yard({"cheap": "good"})
    for method, path, status, code, allow in NOWHERE:
        got = await proxy.fetch(method, path, b"{}" if method in ("POST", "PUT") else None, {"x-request-id": "r1"})
        assert (got.status, got.error["code"], got.error["type"]) == (status, code, "invalid_request_error"), path
        assert got.headers.get("allow") == allow and got.headers["x-request-id"] == "r1"
        assert len(got.error["message"]) < 400
