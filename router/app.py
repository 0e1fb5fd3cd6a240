"""The composition root: builds every dependency once and passes it by argument."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fastapi import APIRouter, Depends, FastAPI, Header, Request

from router import __version__, loader
from router import journal as journals
from router import state as states
from router.api import (
    admin,
    completions,
    contract,
    embeddings,
    explain,
    failures,
    messages,
    models,
    outcomes,
    responses_contract,
    service,
    stored,
    ui,
)
from router.api.asgi import Receive, Scope, Send
from router.api.completions import Completions
from router.api.dialect import Chat, Dialect
from router.api.door import Door, granted
from router.api.embeddings import EMBEDDINGS, EmbeddingsRoute
from router.api.kept import Shelf
from router.api.messages import Messages
from router.api.responses import Responses
from router.api.route import Route, StepRoute
from router.attempts import Admission, FaultBudget, Tools
from router.beliefs import Beliefs
from router.census import Table
from router.chronicle import Chronicle
from router.config import Config
from router.embeddings import Embeddings
from router.feedback import Feedback
from router.health import Health
from router.journal import Journal
from router.keys import Grant
from router.library import Library
from router.limits import Guard, Quota
from router.lots import Lots
from router.metrics import Metrics
from router.outcome import Outcome
from router.pipeline import Pipeline
from router.recent import Recent
from router.scrape import Scrape, Siblings
from router.settings import Settings
from router.state import State
from router.store.base import Store
from router.upstream.base import Upstream
from router.verdicts import Judgement

if TYPE_CHECKING:
    from router.tracing.exporter import Tracer

LOG = logging.getLogger("turnout")


class Turnout:
    """The ASGI application: hot routes raw, the rest through FastAPI, behind a door."""

    def __init__(self, steps: Mapping[str, Route], door: Door, life: Life, parts: Parts) -> None:
        self._steps, self._door, self._life, self._parts = steps, door, life, parts
        self.ring = parts.guard.ring

    def leave(self) -> None:
        """Says on `/readyz` that the server is about to end; it goes on serving."""
        self._life.started = False

    def refresh(self) -> None:
        """Looks at the files now."""
        self._parts.library.refresh()
        self._parts.guard.ring.refresh()

    def census(self) -> tuple[Table, ...]:
        """What this process has counted."""
        return self._parts.scrape.census()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        step = self._steps.get(scope["path"]) if scope["type"] == "http" and not self._door.apart(scope) else None
        await (step or self._door)(scope, receive, send)


def create_app(
    settings: Settings,
    *,
    upstream: Upstream | None = None,
    store: Store | None = None,
    observers: Mapping[str, Callable[[Outcome], None]] | None = None,
    listeners: Mapping[str, Callable[[Judgement], None]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    siblings: Siblings | None = None,
) -> Turnout:
    """The whole proxy. Tests pass a scripted `upstream` or their own `store` and `clock`. Raises ConfigError.

    `observers` are told of every outcome, `listeners` of every verdict, beside those that are built in. `siblings`:
    tells what all workers have counted, where this is one of several.
    """
    metrics = Metrics()
    chronicle = Chronicle(clock)
    guard = Guard.of(settings, clock, metrics.config_errors.inc)
    recent = Recent()

    def loaded(config: Config) -> None:
        _loaded(config, metrics)
        recent.loaded(config.versions)

    library = Library(settings, loaded=loaded, refused=metrics.config_errors.inc)
    upstream = upstream or loader.upstreams(library.current.deployments(), settings)
    believe = partial(_believe, library=library, metrics=metrics, chronicle=chronicle)
    state = states.opened(settings, library, metrics, believe, store, guard.ring.trusts)

    def turned(key: str, pause: float | None) -> None:
        chronicle.breaker(key, pause)
        state.turned(key, pause)

    health = Health(clock, turned=turned)

    def failed(consumer: str) -> None:
        metrics.observer_errors.labels(consumer).inc()

    journal = journals.opened(
        settings,
        written=metrics.journal_records.inc,
        dropped=metrics.journal_dropped.inc,
        degraded=metrics.journal_degraded.set,
        stream=loader.journal_stream,
    )
    tracer = loader.tracer(settings, lambda result, number: metrics.traced_steps.labels(result).inc(number))
    told: dict[str, Callable[[Outcome], None]] = {
        **({"beliefs": state.learner.outcome} if state.learner else {}),
        "metrics": metrics.observe,
        "chronicle": chronicle.observe,
        "recent": recent.observe,
        "purse": guard.purse.observe,
        **({"journal": journal.observe} if journal else {}),
        **({"tracing": tracer.observe} if tracer else {}),
        **(observers or {}),
    }
    judged: dict[str, Callable[[Judgement], None]] = {
        "metrics": metrics.judged,
        "recent": recent.judged,
        **({"journal": lambda judgement: journal.verdict(judgement.verdict)} if journal else {}),
        **(listeners or {}),
    }
    feedback = Feedback(
        state.store,
        failed,
        observers=told,
        listeners=judged,
        learners={"beliefs": state.learner.change} if state.learner and settings.learn == "on" else {},
    )
    state.tell(feedback.tell, health, guard.purse)
    admission = Admission(clock, lambda key, event: metrics.queued.labels(key, event).inc())
    tools = Tools(upstream, health, admission, FaultBudget(clock, metrics.retries_denied.inc), settings, clock)
    lots = Lots(settings.exploration_secret, settings.state_dir)
    pipeline = Pipeline(config=library.get, store=state.store, tools=tools, feedback=feedback, lots=lots)
    scrape = Scrape(metrics, library, tools, state, siblings)
    parts = Parts(settings, metrics, library, tools, state, journal, feedback, pipeline, guard, recent, tracer, scrape)
    life = Life(parts)
    return Turnout(_hot(parts), Door(_rest(parts, life), guard.ring, settings.admin_port), life, parts)


def _hot(parts: Parts) -> dict[str, Route]:
    """What stands before FastAPI, by path."""
    settings, guard = parts.settings, parts.guard
    hot: dict[str, Route] = {d.path: StepRoute(d, parts.pipeline, guard, settings) for d in _dialects(parts).values()}
    vectors = Embeddings(config=parts.library.get, tools=parts.tools, feedback=parts.feedback)
    return {**hot, EMBEDDINGS: EmbeddingsRoute(vectors, guard, settings)}


def _dialects(parts: Parts) -> dict[str, Dialect]:
    """What a step may be asked in, by the names that `/v1/route` takes."""
    responses = Responses(Shelf(parts.state.store), parts.settings)
    return {"chat": Chat(), "messages": Messages(), "completions": Completions(), "responses": responses}


def _believe(beliefs: Beliefs, library: Library, metrics: Metrics, chronicle: Chronicle) -> None:
    """Serves from what one more lesson came to, and tells where it shows that something has changed."""
    for alarm in beliefs.changes(library.current.beliefs):
        for tell in (metrics.changed, chronicle.changed):
            tell(alarm.kind, alarm.model, alarm.step_class, alarm.direction)
    library.believe(beliefs)


def _loaded(config: Config, metrics: Metrics) -> None:
    """Says what a configuration brought, once it serves."""
    classes = {p.name: [c.name for c in p.classes] for p in config.policies.values()}
    metrics.declare(config.catalog.models, classes, config.default)
    for name in config.policies:
        metrics.policy_loaded.labels(name).set_to_current_time()
    metrics.policy_info.only(*config.versions.items())
    metrics.build_info.only((__version__,))
    for deployment, variable in config.missing.items():
        LOG.warning("%s is left out: %s is not set", deployment, variable)


class Parts(NamedTuple):
    """What the server is made of, built once."""

    settings: Settings
    metrics: Metrics
    library: Library
    tools: Tools
    state: State
    journal: Journal | None
    feedback: Feedback
    pipeline: Pipeline
    guard: Guard
    recent: Recent
    tracer: Tracer | None
    scrape: Scrape


class Life:
    """Starts and ends what runs beside the requests."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.started = False

    @contextlib.asynccontextmanager
    async def __call__(self, _: FastAPI) -> AsyncIterator[None]:
        parts = self._parts
        await parts.state.begin()
        work = [parts.library.watch(), parts.guard.watch(parts.settings.reload_interval), *parts.state.work()]
        beside = [asyncio.create_task(each) for each in work]
        if parts.journal is not None:
            parts.journal.start()
            where = "the store" if parts.settings.journal == "store" else parts.settings.journal_dir
            LOG.info("journal: outcomes are logged in %s", where)
        if parts.tracer is not None:
            parts.tracer.start()
        self.started = True
        try:
            yield
        finally:
            self.started = False
            for task in beside:
                task.cancel()
            await parts.tools.upstream.close()
            await parts.state.end()
            await asyncio.to_thread(parts.guard.purse.save)
            if parts.journal is not None:
                await asyncio.to_thread(parts.journal.close)  # late: whatever ended before it is written
            if parts.tracer is not None:
                await asyncio.to_thread(parts.tracer.close)


def _rest(parts: Parts, life: Life) -> FastAPI:
    """Everything but the hot routes."""
    library, settings, pipeline = parts.library, parts.settings, parts.pipeline

    def authorised(
        request: Request,
        authorization: Annotated[str | None, Header(description="`Bearer KEY`, where the server has keys")] = None,
    ) -> Grant:
        return granted(request.scope)

    app = FastAPI(
        title="Turnout",
        version=__version__,
        summary="Sends each agent step to the model that finishes it at the lowest cost per success.",
        lifespan=life,
        redirect_slashes=False,  # a redirected POST loses its key or its body in many a client
    )
    app.include_router(service.health(lambda: life.started, library.get, __version__))
    private = APIRouter(dependencies=[Depends(authorised)])
    private.include_router(contract.chat())
    private.include_router(completions.routes())
    private.include_router(embeddings.routes())
    private.include_router(messages.routes(library.get, parts.guard.admission, settings, authorised))
    private.include_router(responses_contract.responses())
    shelf = Shelf(parts.state.store)
    private.include_router(stored.routes(shelf, Responses(shelf, settings), library.get, settings, authorised))
    private.include_router(models.routes(library.get))
    private.include_router(explain.routes(pipeline, _dialects(parts), parts.guard.admission, settings, authorised))
    quota = Quota(pipeline.clock)
    private.include_router(outcomes.routes(parts.state.store, parts.feedback, quota, settings, authorised))
    private.include_router(service.metrics(parts.scrape.text))
    private.include_router(admin.routes(library.get, parts.recent))
    app.include_router(private)
    app.include_router(ui.routes())
    failures.answer_in_shape(app)
    contract.truthfully(app)
    return app
