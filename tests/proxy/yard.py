"""The proxy as it is served, between a client and upstreams that answer and fail as told, all on real sockets."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn

from router.app import create_app
from router.cli.serving import config
from router.cli.sockets import bind
from router.outcome import Outcome
from router.settings import Settings
from router.store.base import Store
from tests.faulty import Faulty

CHAT = "/v1/chat/completions"
HELLO = {"model": "auto", "messages": [{"role": "user", "content": "Hello."}]}
SCORES = {"cheap": (60, 1.0), "middle": (70, 4.0), "dear": (80, 16.0)}
"""Model → its score in percent, and USD per million input tokens; output costs four times that."""
CHECKS = ("schema", "tools", "length", "nonempty", "refusal")
RATES = {name: {"t": 1.0, "f": 0.05} for name in CHECKS}
POLICY: dict[str, Any] = {
    "retries": 0,
    "verify": list(CHECKS),
    "rates": RATES,
    "deadline": 20,
    "aliases": ["gpt-*"],
    "classes": [{"name": "chat", "sigma": 0, "tau": 0}],
}
"""Independent attempts and keen checks, so that the plan for an accuracy can be worked out in the head."""
CHEAP_THEN_DEAR = {"accuracy": 0.88, "retries": 1}
"""0.6 + 0.4 x 0.95 x 0.8 = 0.904 with dear as second; middle (0.866) and cheap (0.828) fall short."""
Behaviours = Mapping[str, str | Sequence[str | Mapping[str, Any]]]
"""Model → what each of its deployments does, by the names of tests/faulty.py; or whole deployments."""


class Got:
    """A whole response."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def error(self) -> dict[str, Any]:
        """The error in OpenAI's shape, which it must have to the letter."""
        assert self.headers["content-type"] == "application/json"
        whole = json.loads(self.body)
        assert set(whole) == {"error"} and set(whole["error"]) == {"message", "type", "param", "code"}
        assert whole["error"]["message"] and "Traceback" not in whole["error"]["message"]
        error: dict[str, Any] = whole["error"]
        return error

    @property
    def events(self) -> list[bytes]:
        """The events of a stream, each with its blank line, comments included."""
        assert self.headers["content-type"].startswith("text/event-stream")
        assert self.body.endswith(b"\n\n")
        return [event + b"\n\n" for event in self.body.split(b"\n\n")[:-1]]


class Proxy:
    """A running proxy, its upstream, and what it recorded. Every request asked here must leave one outcome."""

    def __init__(self, port: int, upstream: Faulty, outcomes: list[Outcome], session: aiohttp.ClientSession) -> None:
        self.port, self.upstream, self.outcomes, self.session = port, upstream, outcomes, session
        self.admitted = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def fetch(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Got:
        data = io.BytesIO(body) if body is not None else None  # aiohttp warns of large bytes
        async with self.session.request(method, self.url + path, data=data, headers=headers) as response:
            return Got(response.status, response.headers, await response.read())

    async def post(self, body: bytes, headers: Mapping[str, str] = {}) -> Got:
        """One chat request of these very bytes."""
        got = await self.fetch("POST", CHAT, body, {"content-type": "application/json", **headers})
        self.admitted += "x-turnout-decision-id" in got.headers or got.status not in (401, 408, 413)
        return got

    async def chat(self, headers: Mapping[str, str] = {}, **fields: Any) -> Got:
        """One chat request; `fields` are added to its body."""
        return await self.post(json.dumps(HELLO | fields).encode(), headers)

    async def connect(self, headers: str = "", **fields: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which a chat request has been sent."""
        body = json.dumps(HELLO | fields).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        self.admitted += 1
        return reader, writer

    async def settled(self) -> Outcome:
        """The last outcome, once every request has left its own."""
        await self.all_settled()
        return self.outcomes[-1]

    async def all_settled(self) -> None:
        """Waits until every request has left its outcome, and sees that none has left two."""
        async with asyncio.timeout(3):
            while len(self.outcomes) < self.admitted:  # noqa: ASYNC110 (observers are plain functions)
                await asyncio.sleep(0.005)
        assert len(self.outcomes) == self.admitted

    def sent(self, number: int = -1) -> dict[str, Any]:
        """The body of a request as the upstream got it."""
        body: dict[str, Any] = json.loads(self.upstream.seen[number].body)
        return body

    @property
    def asked(self) -> list[str]:
        """What the upstream was asked for, in order, by what its deployments do."""
        return [json.loads(exchange.body)["model"] for exchange in self.upstream.seen]


class Yard:
    """Starts proxies for one test."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._folder, self._stack = folder, stack

    async def stop(self) -> None:
        """Ends them before the test does, so that all they write is written."""
        await self._stack.aclose()

    async def __call__(
        self,
        models: Behaviours | None = None,
        *,
        policy: Mapping[str, Any] = {},
        policies: Mapping[str, Mapping[str, Any]] = {},
        facts: Mapping[str, Mapping[str, Any]] = {},
        embeddings: Behaviours | None = None,
        observers: Mapping[str, Callable[[Outcome], None]] = {},
        store: Store | str | None = None,
        **settings: Any,
    ) -> Proxy:
        """A proxy over `models`. `policy` changes the default one, `policies` are further ones;
        `store` may be a URL."""
        upstream = await self._stack.enter_async_context(Faulty())
        write_files(
            self._folder,
            upstream.url,
            models or {"cheap": "good"},
            {"default": policy, **policies},
            facts,
            embeddings,
        )
        outcomes: list[Outcome] = []
        if isinstance(store, str):
            settings, store = {**settings, "store": store}, None
        app = create_app(
            Settings(**{"policies": self._folder, "reload_interval": 0, "learn": "off", **settings}),
            store=store,
            observers={**observers, "test": outcomes.append},
        )
        port = await self._stack.enter_async_context(served(app))
        session = await self._stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20), auto_decompress=False)
        )
        proxy = Proxy(port, upstream, outcomes, session)
        self._stack.push_async_callback(proxy.all_settled)
        return proxy


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    """`app` on a free port, served as the command does; without uvicorn's signal handlers and its pauses at the end."""
    sock = bind("127.0.0.1", 0)
    server = uvicorn.Server(config(app))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[sock])
    try:
        yield sock.getsockname()[1]
    finally:
        for listening in server.servers:
            listening.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()  # type: ignore[union-attr]
        await asyncio.gather(*server.server_state.tasks, return_exceptions=True)
        await server.lifespan.shutdown()
        sock.close()


def write_files(
    folder: Path,
    url: str,
    models: Behaviours,
    policies: Mapping[str, Mapping[str, Any]],
    facts: Mapping[str, Mapping[str, Any]],
    embeddings: Behaviours | None = None,
) -> None:
    """The catalog and policies of a proxy, as files. JSON is YAML."""
    catalog = {
        "version": 1,
        "benchmarks": {"exam": {"title": "Exam", "measures": "one question"}},
        "classes": {"chat": "exam"},
        "models": {name: model(name, url, does, facts.get(name, {})) for name, does in models.items()},
        "embeddings": {
            name: {"deployments": places(url, does), **facts.get(name, {})} for name, does in (embeddings or {}).items()
        },
    }
    (folder / "models.yaml").write_text(json.dumps(catalog))
    for name, changes in policies.items():
        (folder / f"{name}.yaml").write_text(json.dumps({"version": 1, "name": name, **POLICY, **changes}))


def places(url: str, does: str | Sequence[str | Mapping[str, Any]], price: float = 1.0) -> list[dict[str, Any]]:
    """Deployments, one for each behaviour."""
    return [
        {
            "name": f"d{i}",
            "base_url": url,
            "prices": {"input": price, "output": 4 * price},
            **({"model": each} if isinstance(each, str) else each),
        }
        for i, each in enumerate([does] if isinstance(does, str) else does)
    ]


def model(
    name: str, url: str, does: str | Sequence[str | Mapping[str, Any]], facts: Mapping[str, Any]
) -> dict[str, Any]:
    percent, price = SCORES[name]
    return {
        "family": name,
        "maker": "Test",
        "license": {"name": "Apache-2.0", "spdx": "Apache-2.0", "permits": ["use", "redistribute", "derive"]},
        "context": {"native": 100_000},
        "speed": {"tokens_per_s": 10_000, "first_token_s": 0.02},
        "scores": [{"benchmark": "exam", "percent": percent, "mode": "off", "source": "test", "date": "2026-01-01"}],
        "deployments": places(url, does, price),
        **facts,
    }


def good(*, stream: bool) -> str:
    """The behaviour of an upstream that answers well."""
    return "one-packet" if stream else "good"
