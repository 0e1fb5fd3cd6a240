"""Answers and faults as they are played over a connection."""

from __future__ import annotations

import json

import pytest

from router.catalog import Catalog
from router.simulate import faults
from router.simulate.server import Options, running
from tests.simulate.bare import chat, post
from tests.simulate.conftest import NEMOTRON

CASES = [
    ("429", False, 429, "application/json", "whole"),
    ("503", True, 503, "application/json", "whole"),
    ("hang", False, None, "", "silent"),
    ("hang", True, None, "", "silent"),
    ("stall", False, 200, "application/json", "silent"),
    ("stall", True, 200, "text/event-stream", "silent"),
    ("reset", False, None, "", "reset"),
    ("cut", False, 200, "application/json", "reset"),
    ("cut", True, 200, "text/event-stream", "reset"),
    ("garbage", False, 200, "application/json", "whole"),
    ("garbage", True, 200, "text/event-stream", "whole"),
    ("html", False, 200, "text/html", "whole"),
    ("error", False, 200, "application/json", "whole"),
    ("error", True, 200, "text/event-stream", "whole"),
    ("empty", False, 200, "application/json", "whole"),
    ("empty", True, 200, "text/event-stream", "whole"),
    ("slow", False, 200, "application/json", "whole"),
]


async def test_each_fault_looks_as_described(catalog: Catalog) -> None:
    """Status, content type and the connection's end of each kind, and every kind has a case."""
    async with running(catalog, Options(speed=10_000.0)) as urls:
        for kind, stream, status, content_type, end in CASES:
            assert (await post(urls[NEMOTRON], "/sim/faults", {kind: 1.0}))[0] == 200
            got = await post(urls[NEMOTRON], "/v1/chat/completions", chat(stream=stream), patience=0.15)
            assert (got[0], got[1].split(";")[0], got[3]) == (status, content_type, end), (kind, stream, got)
            _check_body(kind, stream, got[2])
    assert {kind for kind, *_ in CASES} - {"429", "503"} == faults.KINDS.keys()


def _check_body(kind: str, stream: bool, body: bytes) -> None:
    if kind.isdigit():
        assert json.loads(body)["error"]["code"] == int(kind)
    elif kind in ("cut", "stall"):
        assert b'"role":"assistant"' in body
        assert (b"[DONE]" in body) is False
    elif kind == "garbage" and not stream:
        with pytest.raises(ValueError, match=r"."):
            json.loads(body)
    elif kind == "error" and not stream:
        assert json.loads(body)["error"]["code"] == 500
    elif kind == "error":
        assert body.startswith(b'data: {"error"')
    elif kind == "slow":
        assert json.loads(body)["choices"]


async def test_slow_answers_take_ten_times_as_long(catalog: Catalog) -> None:
    """The answer is whole and says its own simulated time."""
    async with running(catalog, Options(speed=10_000.0)) as urls:
        quick = json.loads((await post(urls[NEMOTRON], "/v1/chat/completions", chat(stream=False, user="a")))[2])
        await post(urls[NEMOTRON], "/sim/faults", {"slow": 1.0})
        slow = json.loads((await post(urls[NEMOTRON], "/v1/chat/completions", chat(stream=False, user="b")))[2])
    assert slow["simulated"]["seconds"] == pytest.approx(10 * quick["simulated"]["seconds"])
    assert slow["choices"] == quick["choices"]
