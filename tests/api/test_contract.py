"""What `/openapi.json` says of the routes that FastAPI never sees: it is what they do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from tests.answers import http
from tests.proxy.yard import HELLO, Yard

VECTORS = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "usage": None}
ROUTES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/v1/messages", {**HELLO, "max_tokens": 9}, {"messages": 7}),
    ("/v1/messages/count_tokens", {**HELLO}, {"messages": 7}),
    ("/v1/responses", {"model": "auto", "input": "Hi."}, {"input": 7}),
    ("/v1/completions", {"model": "auto", "prompt": "Once"}, {"prompt": 7}),
    ("/v1/embeddings", {"model": "auto", "input": ["a"]}, {"input": 7}),
]


@pytest.mark.parametrize(("path", "good", "bad"), ROUTES, ids=[path for path, _, _ in ROUTES])
async def test_a_route_is_described_as_it_is(
    yard: Yard, answer: Callable[..., str], path: str, good: dict[str, Any], bad: dict[str, Any]
) -> None:
    """Request, answer, headers and refusals fit; the streamed form is named where there is one."""
    proxy = await yard({"cheap": "good"}, embeddings={"small": answer(http(json.dumps(VECTORS).encode()))})
    described = json.loads((await proxy.fetch("GET", "/openapi.json")).body)["paths"][path]["post"]
    asked, responses = described["requestBody"]["content"]["application/json"]["schema"], described["responses"]
    told = responses["200"]["content"]
    jsonschema_rs.validate(asked, {**good, "anything": 1})
    assert not jsonschema_rs.is_valid(asked, good | bad)
    got = await proxy.fetch("POST", path, json.dumps(good).encode())
    assert got.status == 200
    jsonschema_rs.validate(told["application/json"]["schema"], json.loads(got.body))
    ours = {name for name in got.headers if name.startswith("x-turnout-") or name.endswith("request-id")}
    assert ours <= set(responses["200"].get("headers", ())) and ("text/event-stream" in told) == (
        path in ("/v1/messages", "/v1/responses", "/v1/completions")
    )
    refused = await proxy.fetch("POST", path, json.dumps(good | bad).encode())
    assert refused.status == 400
    jsonschema_rs.validate(responses["400"]["content"]["application/json"]["schema"], json.loads(refused.body))
    proxy.admitted += 0 if path.endswith("count_tokens") else 2


async def test_an_overload_has_anthropics_status_there_alone(yard: Yard) -> None:
    """529 for 503."""
    proxy = await yard({"cheap": "good"})
    paths = json.loads((await proxy.fetch("GET", "/openapi.json")).body)["paths"]
    steps = ("/v1/messages", "/v1/responses", "/v1/completions")
    statuses = {path: set(paths[path]["post"]["responses"]) & {"503", "529"} for path in steps}
    assert statuses == {"/v1/messages": {"529"}, "/v1/responses": {"503"}, "/v1/completions": {"503"}}
