"""The proxy asked in this process, without sockets: thousands of requests in seconds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from router.app import Turnout, create_app
from router.outcome import Outcome
from router.settings import Settings
from router.upstream import Scripted
from router.upstream.base import Call, Reply
from router.upstream.scripted import Line
from tests.answers import STREAM, completion
from tests.proxy.yard import write_files

ANSWER, STREAMED = completion("Good."), b"".join(STREAM)
VECTORS = json.dumps(
    {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 9, "total_tokens": 9},
    }
).encode()


WAYS = {"on": {"reasoning_effort": "high"}, "low": {"reasoning_effort": "low"}, "off": {"reasoning_effort": "none"}}
SCORES = [
    {"benchmark": "exam", "percent": 60, "mode": way, "source": "test", "date": "2026-01-01"} for way in ("on", "off")
]
ABLE = {"modalities": ["text", "image"], "thinking": {way: {} for way in WAYS}, "scores": SCORES}
"""Models that take whatever is well said."""


class Good:
    """An upstream that answers everything well, each in its kind. It keeps what it was sent if asked to."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def send(self, call: Call) -> Reply:
        self.calls.append(call)
        if call.stream:
            return await Scripted([Line(STREAMED)]).send(call)
        return await Scripted([Line(ANSWER if b'"messages"' in call.body else VECTORS)]).send(call)

    async def close(self) -> None:
        """Nothing is open."""


class Said(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error, in OpenAI's shape or in Anthropic's."""
        whole = json.loads(self.body)
        if whole.get("type") == "error":
            assert set(whole["error"]) >= {"type", "message"}
        else:
            assert set(whole) == {"error"} and set(whole["error"]) == {"message", "type", "param", "code"}
        error: dict[str, Any] = whole["error"]
        assert error["message"] and "Traceback" not in error["message"]
        return error


class Desk:
    """A proxy over two models, and its outcomes."""

    def __init__(self, folder: Path, upstream: Any = None, **settings: Any) -> None:
        self.upstream = Good() if upstream is None else upstream
        self.outcomes: list[Outcome] = []
        folder.mkdir(exist_ok=True)
        models = {name: [{"model": "good", "thinking": WAYS}] for name in ("cheap", "dear")}
        policies: dict[str, Any] = {"default": {}, "other": {}}
        write_files(folder, "http://127.0.0.1:1/v1", models, policies, dict.fromkeys(models, ABLE), {"x": "good"})
        self.app: Turnout = create_app(
            Settings(policies=folder, **settings), upstream=self.upstream, observers={"test": self.outcomes.append}
        )

    async def ask(self, method: str, path: str, body: bytes = b"", headers: Sequence[tuple[bytes, bytes]] = ()) -> Said:
        """One request, and its answer to the end."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"localhost"), *headers],
            "server": ("127.0.0.1", 8080),
            "client": ("127.0.0.1", 9),
        }
        sent: list[Any] = []
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            if unread:
                return unread.pop()
            return await asyncio.get_running_loop().create_future()

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        start, *parts = sent
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        return Said(start["status"], named, b"".join(part.get("body", b"") for part in parts))
