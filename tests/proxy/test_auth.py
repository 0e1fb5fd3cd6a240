"""Where the server has keys, nothing but health is told without one."""

from __future__ import annotations

import json

import pytest

from tests.proxy.yard import CHAT, HELLO, Yard

BODY = json.dumps(HELLO).encode()
PRIVATE = [
    ("POST", CHAT),
    ("POST", "/v1/route"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/cheap"),
    ("GET", "/metrics"),
]
WRONG: list[tuple[dict[str, str], str]] = [
    ({}, "missing_api_key"),
    ({"authorization": ""}, "missing_api_key"),
    ({"authorization": "Bearer "}, "missing_api_key"),
    ({"authorization": "Basic a2V5LW9uZQ=="}, "missing_api_key"),
    ({"authorization": "Bearer key-on"}, "invalid_api_key"),
    ({"authorization": "Bearer key-one-more"}, "invalid_api_key"),
    ({"authorization": "Bearer KEY-ONE"}, "invalid_api_key"),
    ({"authorization": "Bearer key-one,key-two"}, "invalid_api_key"),
    ({"x-api-key": "nope"}, "invalid_api_key"),
]
RIGHT = [
    {"authorization": "Bearer key-one"},
    {"authorization": "bearer  key-two"},
    {"x-api-key": "key-one"},
]


@pytest.mark.parametrize(("headers", "code"), WRONG)
async def test_without_a_right_key_nothing_is_told(yard: Yard, headers: dict[str, str], code: str) -> None:
    """A 401 that does not say the key again; nothing is sent upstream and nothing recorded."""
    proxy = await yard({"cheap": "good"}, api_keys=("key-one", "key-two"))
    for method, path in PRIVATE:
        got = await proxy.fetch(method, path, BODY if method == "POST" else None, headers)
        assert (got.status, got.error["code"], got.error["type"]) == (401, code, "authentication_error")
        assert got.headers["www-authenticate"] == "Bearer" and b"key-o" not in got.body
    assert proxy.upstream.requests == 0 and proxy.outcomes == []


@pytest.mark.parametrize("headers", RIGHT)
async def test_any_of_the_keys_opens(yard: Yard, headers: dict[str, str]) -> None:
    """As a bearer token, or where Anthropic's clients put it."""
    proxy = await yard({"cheap": "good"}, api_keys=("key-one", "key-two"))
    for method, path in PRIVATE:
        assert (await proxy.fetch(method, path, BODY if method == "POST" else None, headers)).status == 200
    proxy.admitted += 1


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_needs_no_key(yard: Yard, path: str) -> None:
    """Load balancers carry none."""
    proxy = await yard({"cheap": "good"}, api_keys=("key-one",))
    assert (await proxy.fetch("GET", path)).status == 200


async def test_a_wrong_key_is_told_before_the_body_is_read(yard: Yard) -> None:
    """A stranger cannot make the server hold its body, or learn from it what is parsed how."""
    proxy = await yard({"cheap": "good"}, api_keys=("key-one",))
    for body in (b"{", b"x" * 1_000_000):
        assert (await proxy.fetch("POST", CHAT, body)).status == 401


async def test_the_key_is_recorded_as_a_hash(yard: Yard) -> None:
    """One id per key, and the key itself nowhere in the outcome."""
    proxy = await yard({"cheap": "good"}, api_keys=("key-one", "key-two"))
    ids = []
    for key in ("key-one", "key-two", "key-one"):
        await proxy.chat({"authorization": f"Bearer {key}"})
        ids.append((await proxy.settled()).key_id)
    assert ids[0] == ids[2] != ids[1]
    assert "key-one" not in repr(proxy.outcomes)


async def test_without_keys_everyone_on_this_machine_is_served(yard: Yard) -> None:
    """A key that a client sends out of habit does no harm."""
    proxy = await yard({"cheap": "good"})
    assert (await proxy.chat({"authorization": "Bearer whatever"})).status == 200
    assert (await proxy.settled()).key_id == "local"
