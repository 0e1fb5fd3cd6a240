"""The simulated models as OpenAI-compatible servers: one process, one port for each model.

`GET /sim/ledger` says what really ran, `POST /sim/faults` changes the faults, `POST /sim/reset` forgets all attempts.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec
import uvicorn
from pydantic import HttpUrl

from router.catalog import Arm, Catalog, Deployment, Mode, Model
from router.errors import BadRequest, ConfigError
from router.simulate import asgi, faults, play
from router.simulate.asgi import Receive, Scope, Send
from router.simulate.asked import Refused, read
from router.simulate.draws import hexadecimal
from router.simulate.ledger import Entry, Ledger
from router.simulate.render import Head, ThoughtFields
from router.simulate.speech import speak
from router.simulate.world import World, pace

MODES: dict[Mode, dict[str, Any]] = {
    "on": {"chat_template_kwargs": {"enable_thinking": True}},
    "low": {"chat_template_kwargs": {"enable_thinking": True, "low_effort": True}},
    "off": {"chat_template_kwargs": {"enable_thinking": False}},
}
BACKLOG = 2048


def simulated(catalog: Catalog, urls: Mapping[str, str]) -> Catalog:
    """The catalog with one deployment for each model in `urls` (name → address up to `/v1`) and no other model.

    A deployment takes over the prices of the model's cheapest one, and serves the native context on plain CUDA.
    """
    models = {}
    for name, url in urls.items():
        model = catalog.models[name]
        cheapest = min(model.deployments, key=lambda d: d.usd.output, default=None)
        if cheapest is None:
            raise ConfigError("models", None, f"{name} has no deployment whose prices could be used")
        deployment = Deployment(
            name="simulated",
            model=name,
            base_url=HttpUrl(url),
            prices=cheapest.usd,
            runtime=next(iter(model.runtimes)),
            concurrency=256,
            thinking={mode: MODES[mode] for mode in model.thinking},
        )
        models[name] = model.model_copy(update={"deployments": (deployment,)})
    # A copy would keep the arms that the catalog has worked out for its old deployments.
    return Catalog.model_construct(**{**dict(catalog), "models": models})


class Options(msgspec.Struct, frozen=True):
    """How the models are simulated."""

    seed: int = 7
    speed: float = 50.0
    """Simulated seconds that pass in one real second."""
    faults: Mapping[str, float] = {}
    thoughts: ThoughtFields = "both"


class Simulator:
    """The ASGI application of all models; the port that a request came in on says which."""

    def __init__(self, catalog: Catalog, ports: Mapping[int, str], options: Options) -> None:
        """`catalog` as `simulated` makes it; `ports` name the model that listens there."""
        self._catalog, self._ports = catalog, ports
        self._seed, self._speed, self._thoughts = options.seed, options.speed, options.thoughts
        self._rates: Mapping[str, float] = dict(options.faults)
        self._world = World(catalog, options.seed)
        self._arms: dict[tuple[str, Mode], Arm] = {(a.model.name, a.mode): a for a in catalog.arms}
        self._ledger = Ledger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        model = self._catalog.models[self._ports[scope["server"][1]]]
        try:
            body = await asgi.read_body(receive)
            if body is None:
                raise Refused(413, "The body is too large.")
            await self._route(scope, receive, send, model, body)
        except Refused as refused:
            await asgi.respond_json(send, refused.status, refused.body)
        except asgi.Gone:
            return

    async def _route(self, scope: Scope, receive: Receive, send: Send, model: Model, body: bytes) -> None:
        match scope["method"], scope["path"]:
            case "POST", "/v1/chat/completions":
                await self._chat(scope, receive, send, model, body)
            case "GET", "/health":
                await asgi.respond(send, 200, b"")
            case "GET", "/v1/models":
                entry = {"id": model.name, "object": "model", "created": 0, "owned_by": "simulated"}
                window = model.window(model.deployments[0])
                await asgi.respond_json(send, 200, {"object": "list", "data": [{**entry, "max_model_len": window}]})
            case "GET", "/sim/ledger":
                lanes = parse_qs(scope["query_string"].decode("latin-1")).get("lane")
                await asgi.respond_json(send, 200, self._ledger.report(lanes[0] if lanes else None))
            case "POST", "/sim/reset":
                self._ledger.clear()
                await asgi.respond_json(send, 200, {})
            case "POST", "/sim/faults":
                self._rates = _rates(body)
                await asgi.respond_json(send, 200, self._rates)
            case _, path:
                raise Refused(404, f"Not Found: {path[:200]}", "NotFoundError")

    async def _chat(self, scope: Scope, receive: Receive, send: Send, model: Model, body: bytes) -> None:
        deployment = model.deployments[0]
        asked = read(body, model, deployment.model, model.window(deployment))
        arm, lane, step = self._arms[model.name, asked.mode], asked.lane, asked.step.name
        number = self._ledger.request(lane, step, arm.name)
        kind = faults.draw(self._rates, self._seed, lane, step, arm.name, number)
        entry = Entry(arm.name, fault=kind)
        self._ledger.add(lane, step, entry)
        played = kind is not None and kind != "slow"
        attempt = 1 if played else self._ledger.attempts(lane, step, arm.name, asked.n)
        choices = [speak(asked, arm, self._world, attempt + i) for i in range(asked.n)]
        tokens = max(c.tokens for c in choices)
        slowness = faults.SLOW if kind == "slow" else 1.0
        rate = pace(model, deployment, asked.prompt_tokens, tokens)
        name = hexadecimal(self._seed, lane, step, arm.name, number)
        head = Head(f"chatcmpl-{name}", asked.wire.model, self._thoughts, rate.seconds(tokens) * slowness)
        if played:
            await play.fault(str(kind), scope, receive, send, head, asked, choices)
            return
        entry.ran(attempt, asked.prompt_tokens, choices, head.seconds)
        if asked.wire.stream:
            work = play.stream(send, head, asked, choices, rate, self._speed / slowness)
        else:
            work = play.whole(send, head, asked, choices, head.seconds / self._speed)
        if not await asgi.unless_left(receive, work):
            entry.fault = "left"


def _rates(body: bytes) -> dict[str, float]:
    try:
        return faults.checked(msgspec.json.decode(body, type=dict[str, float]))
    except msgspec.DecodeError as error:
        raise Refused(400, f"The body must be an object of fault kinds and shares: {error}") from None
    except BadRequest as error:
        raise Refused(400, error.message) from None


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any that is free. Raises ConfigError where it cannot be had."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        sock.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{host}:{port}", None, f"cannot be bound: {reason}. Choose another with --port.") from None
    return sock


def url(sock: socket.socket) -> str:
    """The address up to `/v1` of a model that listens on `sock`."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


def application(catalog: Catalog, sockets: Mapping[str, socket.socket], options: Options) -> Simulator:
    """The models of `catalog` that have a socket in `sockets` (by name)."""
    scene = simulated(catalog, {name: url(sock) for name, sock in sockets.items()})
    return Simulator(scene, {sock.getsockname()[1]: name for name, sock in sockets.items()}, options)


def configuration(app: Simulator) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=asgi.Breakable,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )


def run(
    catalog: Catalog,
    *,
    host: str = "127.0.0.1",
    port: int = 8081,
    options: Options,
    announce: Callable[[Mapping[str, str]], None],
) -> None:
    """Serves every model of `catalog`, on `port` and those after it, until SIGINT or SIGTERM.

    `announce` gets the addresses by model once all are bound. Raises ConfigError before that where one is taken.
    """
    sockets = {name: listen(host, port + i if port else 0) for i, name in enumerate(catalog.models)}
    announce({name: url(sock) for name, sock in sockets.items()})
    uvicorn.Server(configuration(application(catalog, sockets, options))).run(sockets=list(sockets.values()))


class _Embedded(uvicorn.Server):
    """A server that leaves the signals to the program it runs in, and ends as soon as it is told to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told = asyncio.Event()

    async def main_loop(self) -> None:
        await self.told.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def running(catalog: Catalog, options: Options) -> AsyncIterator[dict[str, str]]:
    """Serves every model of `catalog` on free loopback ports inside this event loop; gives the addresses by model."""
    sockets = {name: listen("127.0.0.1", 0) for name in catalog.models}
    server = _Embedded(configuration(application(catalog, sockets, options)))
    serving = asyncio.ensure_future(server.serve(sockets=list(sockets.values())))
    try:
        yield {name: url(sock) for name, sock in sockets.items()}
    finally:
        server.told.set()
        await serving
