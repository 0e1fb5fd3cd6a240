"""Whatever comes in, the answer is a 4xx in OpenAI's shape that names what is wrong; nothing is sent upstream."""

from __future__ import annotations

import asyncio
import json
import socket
import tracemalloc

import pytest

from tests.proxy.yard import CHAT, HELLO, Yard

MESSAGES = b'"messages":[{"role":"user","content":"hi"}]'


def plain(**fields: object) -> bytes:
    return json.dumps(HELLO | fields).encode()


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


# body → param, words in the message
BODIES: list[tuple[str, bytes, str | None, str]] = [
    ("empty", b"", None, "empty"),
    ("space", b" \n", None, "empty"),
    ("no json", b"hello", None, "JSON"),
    ("cut off", plain()[:-3], None, "early"),
    ("trailing", plain() + b"x", None, "JSON"),
    ("two", plain() + plain(), None, "JSON"),
    ("a list", b"[" + plain() + b"]", None, "object"),
    ("a string", b'"hi"', None, "object"),
    ("null", b"null", None, "object"),
    ("utf-8", plain(odd="X").replace(b"X", b"\xff\xfe"), None, "UTF-8"),
    ("utf-16", plain().decode().encode("utf-16"), None, "UTF-8"),
    ("byte order mark", b"\xef\xbb\xbf" + plain(), None, "byte order mark"),
    ("lone surrogate", plain(odd="X").replace(b"X", b"\\ud800"), None, "JSON"),
    ("control character", plain(odd="X").replace(b"X", b"\x00"), None, "JSON"),
    ("NaN", b'{"model":"auto",%b,"temperature":NaN}' % MESSAGES, None, "JSON"),
    ("Infinity", b'{"model":"auto",%b,"temperature":-Infinity}' % MESSAGES, None, "JSON"),
    ("comment", b'{"model":"auto", /* x */ %b}' % MESSAGES, None, "JSON"),
    ("single quotes", b"{'model': 'auto'}", None, "JSON"),
    ("twice", b'{"model":"auto",%b,"model":"cheap"}' % MESSAGES, "model", "twice"),
    ("role twice", b'{"model":"auto","messages":[{"role":"user","content":"hi","role":"x"}]}', "messages", "twice"),
    ("text twice", b'{"model":"auto","messages":[{"role":"user","content":"hi","content":""}]}', "messages", "twice"),
    ("hint twice", b'{"model":"auto",%b,"turnout":{"models":"a","models":"b"}}' % MESSAGES, "turnout", "twice"),
    ("deep twice", b'{"model":"auto",%b,"odd":[{"a":{"b":1,"b":{}}}]}' % MESSAGES, "odd", "twice"),
    ("escaped twice", b'{"model":"auto",%b,"odd":{"step":"a","st\\u0065p":"b"}}' % MESSAGES, "odd", "twice"),
    ("deep", b'{"model":"auto",%b,"odd":%b}' % (MESSAGES, nested(100_000)), None, "deep"),
    ("deep objects", b'{"model":"auto","odd":%b1%b}' % (b'{"a":' * 100_000, b"}" * 100_000), None, "deep"),
    ("deep, open", b"[" * 100_000, None, ""),
    ("deep content", b'{"model":"auto","messages":[{"role":"user","content":%b}]}' % nested(100_000), None, "deep"),
    ("65 levels", b'{"model":"auto",%b,"odd":%b}' % (MESSAGES, nested(64)), "odd", "deep"),
    ("deep tools", b'{"model":"auto",%b,"tools":%b}' % (MESSAGES, nested(200)), "tools", "deep"),
    ("deep hints", b'{"model":"auto",%b,"turnout":{"step":%b}}' % (MESSAGES, nested(200)), "turnout", "deep"),
    (
        "deep part",
        b'{"model":"auto","messages":[{"role":"user","content":%b}]}' % nested(200),
        "messages[0].content",
        "deep",
    ),
    ("no model", b"{%b}" % MESSAGES, "model", "missing"),
    ("no messages", b'{"model":"auto"}', "messages", "missing"),
    ("model 7", plain(model=7), "model", "string"),
    ("model null", plain(model=None), "model", "string"),
    ("model empty", plain(model=""), "model", "1 to"),
    ("model long", plain(model="m" * 3000), "model", "1 to"),
    ("messages text", plain(messages="hi"), "messages", "list"),
    ("messages empty", plain(messages=[]), "messages", "1 to"),
    ("messages null", plain(messages=None), "messages", "list"),
    ("message text", plain(messages=["hi"]), "messages[0]", "object"),
    ("no role", plain(messages=[{"content": "hi"}]), "messages[0]", "role"),
    ("role 7", plain(messages=[{"role": 7}]), "messages[0].role", "string"),
    ("content 7", plain(messages=[{"role": "user", "content": 7}]), "messages[0].content", "string"),
    ("part 7", plain(messages=[{"role": "user", "content": [7]}]), "messages[0].content[0]", "object"),
    (
        "image 7",
        plain(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": 7}]}]),
        "messages[0].content[0].image_url",
        "",
    ),
    ("stream text", plain(stream="yes"), "stream", "true or false"),
    ("options list", plain(stream=True, stream_options=[]), "stream_options", "object"),
    (
        "usage text",
        plain(stream=True, stream_options={"include_usage": "x"}),
        "stream_options.include_usage",
        "true or false",
    ),
    ("max_tokens -1", plain(max_tokens=-1), "max_tokens", "from 1"),
    ("max_tokens 0", plain(max_tokens=0), "max_tokens", "from 1"),
    ("max_tokens 1.5", plain(max_tokens=1.5), "max_tokens", "whole"),
    ("max_tokens text", plain(max_tokens="9"), "max_tokens", "whole"),
    ("max_tokens huge", plain(max_completion_tokens=10**30), "max_completion_tokens", ""),
    ("n -1", plain(n=-1), "n", "from 1"),
    ("n huge", plain(n=100_000), "n", "from 1"),
    ("tools object", plain(tools={}), "tools", "list"),
    ("tool without function", plain(tools=[{"type": "function"}]), "tools[0]", "function"),
    ("tool name", plain(tools=[{"type": "function", "function": {"name": ""}}]), "tools[0].function.name", "1 to"),
    (
        "tool schema",
        plain(tools=[{"type": "function", "function": {"name": "f", "parameters": []}}]),
        "tools[0].function.parameters",
        "object",
    ),
    ("tool_choice", plain(tool_choice="sometimes"), "tool_choice", "must be"),
    ("format", plain(response_format="json"), "response_format", "object"),
    ("no schema", plain(response_format={"type": "json_schema"}), "response_format.json_schema", "missing"),
    (
        "schema text",
        plain(response_format={"type": "json_schema", "json_schema": {"schema": "x"}}),
        "response_format.json_schema.schema",
        "object",
    ),
    ("metadata list", plain(metadata=[]), "metadata", "object"),
    ("logprobs 1", plain(logprobs=1), "logprobs", "true or false"),
]


@pytest.mark.parametrize(("body", "param", "words"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES])
async def test_a_body_that_is_wrong_is_told_why(yard: Yard, body: bytes, param: str | None, words: str) -> None:
    """A 400 that names the field, the same from both routes; a chat request leaves its one outcome."""
    proxy = await yard({"cheap": "good"})
    for got in (await proxy.post(body), await proxy.fetch("POST", "/v1/route", body)):
        assert got.status == 400 and got.error["type"] == "invalid_request_error"
        if param is not None:
            assert (got.error["param"] or "").startswith(param) and got.error["message"].startswith(param)
        assert words in got.error["message"] and len(got.error["message"]) < 400
        assert got.headers["x-request-id"].startswith("req_")
    outcome = await proxy.settled()
    assert (outcome.status, outcome.result, outcome.attempts) == (400, "error", ())
    assert proxy.upstream.requests == 0


TOTAL = 200_000_000
PIECE = bytes(1_000_000)


def upload(port: int, path: str, length: bool) -> tuple[bytes, int]:
    """Sends 200 MB for as long as the proxy takes them; returns what it answered and how much was sent. Blocks."""
    size = f"content-length: {TOTAL}" if length else "transfer-encoding: chunked"
    sent, got = 0, b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        try:
            sock.sendall(f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{size}\r\n\r\n".encode())
            while sent < TOTAL:
                sock.sendall(PIECE if length else b"%x\r\n%b\r\n" % (len(PIECE), PIECE))
                sent += len(PIECE)
        except ConnectionError:
            pass  # as soon as it has had enough; what it said of that is there to be read
        try:
            while piece := sock.recv(65_536):
                got += piece
        except ConnectionError:
            pass
    return got, sent


@pytest.mark.parametrize("path", [CHAT, "/v1/route"])
@pytest.mark.parametrize("length", [False, True])
async def test_a_body_of_200_mb_is_not_taken(yard: Yard, path: str, length: bool) -> None:
    """Refused before it is read whole, with the connection closed, and without holding it in memory."""
    proxy = await yard({"cheap": "good"}, max_body_bytes=5_000_000)
    tracemalloc.start()
    got, sent = await asyncio.to_thread(upload, proxy.port, path, length)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    assert sent < TOTAL / 2
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ") and b"connection: close" in head.lower()
    error = json.loads(body)["error"]
    assert error["code"] == "body_too_large" and "5,000,000" in error["message"]
    assert (await proxy.chat()).status == 200  # and others are served on


async def test_a_body_just_within_the_limit(yard: Yard) -> None:
    """The limit is exact."""
    body = plain(odd="x" * 1000)
    proxy = await yard({"cheap": "good"}, max_body_bytes=len(body))
    assert (await proxy.post(body)).status == 200
    assert (await proxy.post(body + b" ")).status == 413


async def test_a_caller_that_leaves_in_mid_upload(yard: Yard) -> None:
    """It was never admitted, so nothing is recorded, and nothing goes wrong."""
    proxy = await yard({"cheap": "good"})
    for path in (CHAT, "/v1/route"):
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{{".encode())
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
    assert (await proxy.chat()).status == 200
    assert len(proxy.outcomes) == 1


async def test_an_upload_that_stalls_is_given_up(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 408 after a while without a byte, and the connection is closed."""
    monkeypatch.setattr("router.api.asgi.BODY_S", 0.2)
    proxy = await yard({"cheap": "good"})
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{{".encode())
    got = await asyncio.wait_for(reader.read(), 3)
    assert got.startswith(b"HTTP/1.1 408 ") and b'"code":"upload_stalled"' in got
    writer.close()


async def test_an_upload_that_trickles_is_given_up(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then is no better than none: a body has to keep a pace."""
    monkeypatch.setattr("router.api.asgi.BODY_S", 0.3)
    proxy = await yard({"cheap": "good"})
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n".encode())
    reading = asyncio.create_task(reader.readline())
    async with asyncio.timeout(5):
        while not reading.done():  # what is written on after the answer breaks the connection, and with it the rest
            writer.write(b"{")
            await asyncio.sleep(0.03)
    assert (await reading).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_large_upload_that_keeps_its_pace_has_its_time(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece buys time for the next."""
    monkeypatch.setattr("router.api.asgi.BODY_S", 0.3)
    proxy = await yard({"cheap": "good"})
    body = plain(odd="x" * 100_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode())
    for at in range(0, len(body), 10_000):
        writer.write(body[at : at + 10_000])
        await asyncio.sleep(0.06)
    proxy.admitted += 1
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200 ")
    writer.close()


ODD_HEADERS = [
    ("x-turnout-accuracy: \xff", "x-turnout-accuracy"),
    ("x-turnout-step: " + "s" * 100, "x-turnout-step"),
    ("x-turnout-: 1", "x-turnout-"),
]


@pytest.mark.parametrize(("line", "param"), ODD_HEADERS)
async def test_odd_bytes_in_headers(yard: Yard, line: str, param: str) -> None:
    """Headers are bytes; those of a hint are read as strictly as any other."""
    proxy = await yard({"cheap": "good"})
    body = plain()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    start = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    head = f"{start}{line}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode("latin-1") + body)
    proxy.admitted += 1
    got = await asyncio.wait_for(reader.read(), 3)
    writer.close()
    assert got.startswith(b"HTTP/1.1 400 ")
    assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["param"] == param
