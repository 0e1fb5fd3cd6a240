"""Faults of the simulated servers: how they are asked for, drawn, and what they look like on the wire."""

from __future__ import annotations

import asyncio
import json

import pytest

from router.catalog import Catalog
from router.errors import BadRequest
from router.simulate import faults
from router.simulate.server import Options, running
from tests.simulate.conftest import NEMOTRON

Wire = tuple[int | None, str, bytes, str]
"""Status, content type, body, and how the connection ended: `whole`, `reset`, `short` or `silent`."""


async def post(url: str, path: str, data: object, *, patience: float = 0.5) -> Wire:
    """One request over a bare socket."""
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps(data).encode()
    writer.write(
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
        + body
    )
    got, end = b"", "whole"
    try:
        async with asyncio.timeout(patience):
            while part := await reader.read(65_536):
                got += part
    except TimeoutError:
        end = "silent"
    except ConnectionResetError:
        end = "reset"
    finally:
        writer.close()
    head, _, rest = got.partition(b"\r\n\r\n")
    if not head:
        return None, "", b"", end
    lines = head.decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers.get("content-type", ""), rest, end


def chat(*, stream: bool, user: str = "") -> dict[str, object]:
    return {"model": NEMOTRON, "messages": [{"role": "user", "content": "Hello"}], "stream": stream, "user": user}


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


async def ledger(url: str, lane: str) -> list[dict[str, object]]:
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /sim/ledger?lane={lane} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    got = await reader.read()
    writer.close()
    (entries,) = json.loads(got.partition(b"\r\n\r\n")[2])["lanes"][lane].values()
    found: list[dict[str, object]] = entries
    return found


async def test_slow_answers_take_ten_times_as_long(catalog: Catalog) -> None:
    """The answer is whole and says its own simulated time."""
    async with running(catalog, Options(speed=10_000.0)) as urls:
        quick = json.loads((await post(urls[NEMOTRON], "/v1/chat/completions", chat(stream=False, user="a")))[2])
        await post(urls[NEMOTRON], "/sim/faults", {"slow": 1.0})
        slow = json.loads((await post(urls[NEMOTRON], "/v1/chat/completions", chat(stream=False, user="b")))[2])
    assert slow["simulated"]["seconds"] == pytest.approx(10 * quick["simulated"]["seconds"])
    assert slow["choices"] == quick["choices"]


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
