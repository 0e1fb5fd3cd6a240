"""The composition root: builds every dependency once and passes it by argument."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, Request

from router import __version__
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
from router.api.door import Door, granted
from router.api.embeddings import EMBEDDINGS, EmbeddingsRoute
from router.api.route import Route, StepRoute
from router.census import Table
from router.embeddings import Embeddings
from router.keys import Grant
from router.limits import Quota
from router.outcome import Outcome
from router.parts import Given, Parts, build
from router.scrape import Siblings
from router.settings import Settings
from router.store.base import Store
from router.upstream.base import Upstream
from router.verdicts import Judgement

if TYPE_CHECKING:
    pass

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

    The arguments are those of `parts.Given`.
    """
    parts = build(settings, Given(upstream, store, observers or {}, listeners or {}, clock, siblings))
    life = Life(parts)
    door = Door(_rest(parts, life), parts.guard.ring, settings.admin_port)
    return Turnout(_hot(parts), door, life, parts)


def _hot(parts: Parts) -> dict[str, Route]:
    """What stands before FastAPI, by path."""
    settings, guard = parts.settings, parts.guard
    hot: dict[str, Route] = {d.path: StepRoute(d, parts.pipeline, guard, settings) for d in parts.dialects.values()}
    vectors = Embeddings(config=parts.library.get, tools=parts.tools, feedback=parts.feedback)
    return {**hot, EMBEDDINGS: EmbeddingsRoute(vectors, guard, settings)}


class Life:
    """Starts and ends what runs beside the requests."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.started = False

    @contextlib.asynccontextmanager
    async def __call__(self, _: FastAPI) -> AsyncIterator[None]:
        parts, journal, tracer = self._parts, self._parts.watchers.journal, self._parts.watchers.tracer
        await parts.state.begin()
        work = [parts.library.watch(), parts.guard.watch(parts.settings.reload_interval), *parts.state.work()]
        beside = [asyncio.create_task(each) for each in work]
        if journal is not None:
            journal.start()
            where = "the store" if parts.settings.journal == "store" else parts.settings.journal_dir
            LOG.info("journal: outcomes are logged in %s", where)
        if tracer is not None:
            tracer.start()
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
            if journal is not None:
                await asyncio.to_thread(journal.close)  # late: whatever ended before it is written
            if tracer is not None:
                await asyncio.to_thread(tracer.close)


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
    private.include_router(stored.routes(parts.shelf, authorised))
    private.include_router(stored.counting(parts.responses, library.get, parts.guard.admission, settings, authorised))
    private.include_router(models.routes(library.get))
    private.include_router(explain.routes(pipeline, parts.dialects, parts.guard.admission, settings, authorised))
    quota = Quota(pipeline.clock)
    private.include_router(outcomes.routes(parts.state.store, parts.feedback, quota, settings, authorised))
    private.include_router(service.metrics(parts.scrape.text))
    private.include_router(admin.routes(library.get, parts.watchers.recent))
    app.include_router(private)
    app.include_router(ui.routes())
    failures.answer_in_shape(app)
    contract.truthfully(app)
    return app
