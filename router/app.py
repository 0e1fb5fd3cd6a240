"""The composition root: builds every dependency once and passes it by argument."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from router import __version__, loader
from router import journal as journals
from router.api import contract, explain, models, outcomes, service
from router.api.asgi import UNFORESEEN, Gone, Receive, Scope, Send, error_headers, method_not_allowed, request_id
from router.api.chat import ChatRoute
from router.api.contract import CHAT
from router.api.paths import nowhere
from router.attempts import Tools
from router.chronicle import Chronicle
from router.config import Config
from router.errors import BadRequest, TurnoutError
from router.feedback import Feedback
from router.health import Health
from router.journal import Journal
from router.learner import Learner
from router.library import Library
from router.limits import Keys, Quota
from router.metrics import Metrics
from router.outcome import Outcome
from router.pipeline import Pipeline
from router.settings import Settings
from router.store.base import Store
from router.store.memory import MemoryStore
from router.upstream.base import Upstream
from router.verdicts import Judgement

LOG = logging.getLogger("turnout")


class Turnout:
    """The ASGI application: hot routes raw, the rest through FastAPI."""

    def __init__(self, chat: ChatRoute, rest: FastAPI, library: Library) -> None:
        self._chat, self._rest = chat, rest
        self.library = library

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == CHAT:
            await self._chat(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


def create_app(
    settings: Settings,
    *,
    upstream: Upstream | None = None,
    store: Store | None = None,
    observers: Mapping[str, Callable[[Outcome], None]] | None = None,
    listeners: Mapping[str, Callable[[Judgement], None]] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Turnout:
    """The whole proxy. Tests pass a scripted `upstream` or their own `store` and `clock`. Raises ConfigError.

    `observers` are told of every outcome, `listeners` of every verdict, beside those that are built in.
    """
    metrics = Metrics()
    chronicle = Chronicle(clock)
    health = Health(clock, turned=chronicle.breaker)
    inflight: Counter[str] = Counter()

    def loaded(config: Config) -> None:
        classes = {p.name: [c.name for c in p.classes] for p in config.policies.values()}
        metrics.declare(config.catalog.models, classes, config.default)
        for name in config.policies:
            metrics.policy_loaded.labels(name).set_to_current_time()
        for deployment, variable in config.missing.items():
            LOG.warning("%s is left out: %s is not set", deployment, variable)

    library = Library(settings, loaded=loaded, refused=metrics.config_errors.inc)
    upstream = upstream or loader.upstreams(library.current.deployments(), settings)
    store = store or MemoryStore(ttl=settings.step_ttl)

    def failed(consumer: str) -> None:
        metrics.observer_errors.labels(consumer).inc()

    learner = Learner(
        lambda: library.current.beliefs,
        library.believe,
        metrics.lessons_dropped.inc,
        lambda: failed("beliefs"),
        all_of_it=settings.learn == "on",
    )
    journal = journals.opened(
        settings,
        written=metrics.journal_records.inc,
        dropped=metrics.journal_dropped.inc,
        degraded=metrics.journal_degraded.set,
    )

    told: dict[str, Callable[[Outcome], None]] = {
        "beliefs": learner.outcome,
        "metrics": metrics.observe,
        "chronicle": chronicle.observe,
    }
    judged: dict[str, Callable[[Judgement], None]] = {"metrics": metrics.judged}
    if journal is not None:
        told["journal"] = journal.observe
        keep = journal.verdict
        judged["journal"] = lambda judgement: keep(judgement.verdict)
    feedback = Feedback(
        store,
        failed,
        observers={**told, **(observers or {})},
        listeners={**judged, **(listeners or {})},
        learners={"beliefs": learner.change} if settings.learn == "on" else {},
    )
    pipeline = Pipeline(
        config=library.get,
        store=store,
        tools=Tools(upstream, health, inflight, settings, clock),
        feedback=feedback,
    )
    keys = Keys(settings.api_keys)
    rest = _rest(
        pipeline,
        library,
        keys,
        settings,
        lambda: _exposition(metrics, library, health, inflight),
        upstream,
        store,
        feedback,
        learner,
        journal,
    )
    return Turnout(ChatRoute(pipeline, keys, settings), rest, library)


def _exposition(metrics: Metrics, library: Library, health: Health, inflight: Counter[str]) -> bytes:
    """The metrics, with the gauges that only a scrape needs brought up to date first."""
    codes = {"closed": 0, "half_open": 1, "open": 2}
    for model in library.current.catalog.models.values():
        for d in model.deployments:
            key = f"{model.name}:{d.name}"
            metrics.breaker.labels(key).set(codes[health.state(key)])
            metrics.inflight.labels(key).set(inflight[key])
    return metrics.render()


def _rest(
    pipeline: Pipeline,
    library: Library,
    keys: Keys,
    settings: Settings,
    exposition: Callable[[], bytes],
    upstream: Upstream,
    store: Store,
    feedback: Feedback,
    learner: Learner,
    journal: Journal | None,
) -> FastAPI:
    started = False

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal started
        beside = [asyncio.create_task(library.watch()), asyncio.create_task(learner.work())]
        if journal is not None:
            journal.start()
            LOG.info("journal: outcomes are logged in %s", settings.journal_dir)
        started = True
        try:
            yield
        finally:
            started = False
            for task in beside:
                task.cancel()
            await upstream.close()
            await store.close()
            if journal is not None:
                await asyncio.to_thread(journal.close)  # last: whatever ended before it is written

    def authorised(
        request: Request,
        authorization: Annotated[str | None, Header(description="`Bearer KEY`, where the server has keys")] = None,
    ) -> str:
        return keys.identify(request.headers)

    app = FastAPI(
        title="Turnout",
        version=__version__,
        summary="Sends each agent step to the model that finishes it at the lowest cost per success.",
        lifespan=lifespan,
        redirect_slashes=False,  # a redirected POST loses its key or its body in many a client
    )
    app.include_router(service.health(lambda: started, library.get, __version__))
    private = APIRouter(dependencies=[Depends(authorised)])
    private.include_router(contract.chat())
    private.include_router(models.routes(library.get))
    private.include_router(explain.routes(pipeline, settings, authorised))
    quota = Quota(settings.outcomes_per_minute, pipeline.clock)
    private.include_router(outcomes.routes(store, feedback, quota, settings, authorised))
    private.include_router(service.metrics(exposition))
    app.include_router(private)
    _errors(app)
    return app


def _errors(app: FastAPI) -> None:
    """Everything that goes wrong outside the hot route, in OpenAI's shape."""

    def shaped(request: Request, error: TurnoutError, more: Mapping[str, str] | None = None) -> Response:
        headers = error_headers(error, request_id(request.headers)) | dict(more or {})
        return Response(msgspec.json.encode(error.body()), error.status, headers)

    @app.exception_handler(TurnoutError)
    def told(request: Request, error: TurnoutError) -> Response:
        return shaped(request, error)

    @app.exception_handler(Gone)
    def gone(request: Request, error: Gone) -> Response:
        return Response(status_code=499)  # nobody reads it

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        first: dict[str, Any] = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return shaped(request, BadRequest(f"{where}: {first['msg']}", param=where))

    @app.exception_handler(HTTPException)
    def other(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            return shaped(request, method_not_allowed(request.url.path, request.method), error.headers)
        return shaped(request, nowhere(request.url.path, error.status_code))

    @app.exception_handler(Exception)
    def unforeseen(request: Request, error: Exception) -> Response:
        LOG.error("unforeseen failure", exc_info=error)
        return shaped(request, TurnoutError(UNFORESEEN))
