"""What the server is made of, each part built once and given to those who need it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from router import __version__, loader
from router import journal as journals
from router import state as states
from router.api.completions import Completions
from router.api.dialect import Chat, Dialect
from router.api.kept import Shelf
from router.api.messages import Messages
from router.api.responses import Responses
from router.attempts import Admission, FaultBudget, Tools
from router.beliefs import Beliefs
from router.chronicle import Chronicle
from router.config import Config
from router.feedback import Feedback
from router.health import Health
from router.journal import Journal
from router.library import Library
from router.limits import Guard
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


class Given(NamedTuple):
    """What whoever builds a server may bring along."""

    upstream: Upstream | None = None
    store: Store | None = None
    observers: Mapping[str, Callable[[Outcome], None]] = {}
    """Told of every outcome, beside those that are built in."""
    listeners: Mapping[str, Callable[[Judgement], None]] = {}
    """Told of every verdict, likewise."""
    clock: Callable[[], float] = time.monotonic
    siblings: Siblings | None = None
    """Tells what all workers have counted, where this is one of several."""


class Parts(NamedTuple):
    settings: Settings
    metrics: Metrics
    library: Library
    tools: Tools
    state: State
    feedback: Feedback
    pipeline: Pipeline
    guard: Guard
    watchers: Watchers
    scrape: Scrape
    shelf: Shelf
    responses: Responses
    dialects: Mapping[str, Dialect]
    """What a step may be asked in, by the names that `/v1/route` takes."""


class Watchers(NamedTuple):
    """Those who look on and write down."""

    metrics: Metrics
    chronicle: Chronicle
    recent: Recent
    journal: Journal | None
    tracer: Tracer | None

    def observers(self) -> dict[str, Callable[[Outcome], None]]:
        return {
            "metrics": self.metrics.observe,
            "chronicle": self.chronicle.observe,
            "recent": self.recent.observe,
            **({"journal": self.journal.observe} if self.journal else {}),
            **({"tracing": self.tracer.observe} if self.tracer else {}),
        }

    def listeners(self) -> dict[str, Callable[[Judgement], None]]:
        found: dict[str, Callable[[Judgement], None]] = {"metrics": self.metrics.judged, "recent": self.recent.judged}
        if (journal := self.journal) is not None:
            found["journal"] = lambda judgement: journal.verdict(judgement.verdict)
        return found


def build(settings: Settings, given: Given) -> Parts:
    """Reads the files and builds everything; nothing runs yet. Raises ConfigError."""
    metrics, chronicle, recent = Metrics(), Chronicle(given.clock), Recent()
    guard = Guard.of(settings, given.clock, metrics.config_errors.inc)
    loaded = partial(_loaded, metrics=metrics, recent=recent)
    library = Library(settings, loaded=loaded, refused=metrics.config_errors.inc)
    believe = partial(_believe, library=library, metrics=metrics, chronicle=chronicle)
    state = states.opened(settings, library, metrics, believe, given.store, guard.ring.trusts)
    watchers = Watchers(metrics, chronicle, recent, _journal(settings, metrics), _tracer(settings, metrics))
    feedback = _feedback(settings, state, guard, watchers, given)
    health = Health(given.clock, turned=partial(_turned, chronicle=chronicle, state=state))
    state.tell(feedback.tell, health, guard.purse)
    tools = Tools(
        given.upstream or loader.upstreams(library.current.deployments(), settings),
        health,
        Admission(given.clock, lambda key, event: metrics.queued.labels(key, event).inc()),
        FaultBudget(given.clock, metrics.retries_denied.inc),
        settings,
        given.clock,
    )
    lots, shelf = Lots(settings.exploration_secret, settings.state_dir), Shelf(state.store)
    responses = Responses(shelf, settings)
    return Parts(
        settings=settings,
        metrics=metrics,
        library=library,
        tools=tools,
        state=state,
        feedback=feedback,
        pipeline=Pipeline(config=library.get, store=state.store, tools=tools, feedback=feedback, lots=lots),
        guard=guard,
        watchers=watchers,
        scrape=Scrape(metrics, library, tools, state, given.siblings),
        shelf=shelf,
        responses=responses,
        dialects={"chat": Chat(), "messages": Messages(), "completions": Completions(), "responses": responses},
    )


def _feedback(settings: Settings, state: State, guard: Guard, watchers: Watchers, given: Given) -> Feedback:
    def failed(consumer: str) -> None:
        watchers.metrics.observer_errors.labels(consumer).inc()

    learner = state.learner
    learns: dict[str, Callable[[Outcome], None]] = {"beliefs": learner.outcome} if learner else {}
    return Feedback(
        state.store,
        failed,
        observers={**learns, **watchers.observers(), "purse": guard.purse.observe, **given.observers},
        listeners={**watchers.listeners(), **given.listeners},
        learners={"beliefs": learner.change} if learner and settings.learn == "on" else {},
    )


def _journal(settings: Settings, metrics: Metrics) -> Journal | None:
    return journals.opened(
        settings,
        written=metrics.journal_records.inc,
        dropped=metrics.journal_dropped.inc,
        degraded=metrics.journal_degraded.set,
        stream=loader.journal_stream,
    )


def _tracer(settings: Settings, metrics: Metrics) -> Tracer | None:
    return loader.tracer(settings, lambda result, number: metrics.traced_steps.labels(result).inc(number))


def _turned(key: str, pause: float | None, chronicle: Chronicle, state: State) -> None:
    """A breaker opened for `pause` seconds or, where None, closed."""
    chronicle.breaker(key, pause)
    state.turned(key, pause)


def _believe(beliefs: Beliefs, library: Library, metrics: Metrics, chronicle: Chronicle) -> None:
    """Serves from what one more lesson came to, and tells where it shows that something has changed."""
    for alarm in beliefs.changes(library.current.beliefs):
        for tell in (metrics.changed, chronicle.changed):
            tell(alarm.kind, alarm.model, alarm.step_class, alarm.direction)
    library.believe(beliefs)


def _loaded(config: Config, metrics: Metrics, recent: Recent) -> None:
    """Says what a configuration brought, once it serves."""
    classes = {p.name: [c.name for c in p.classes] for p in config.policies.values()}
    metrics.declare(config.catalog.models, classes, config.default)
    for name in config.policies:
        metrics.policy_loaded.labels(name).set_to_current_time()
    metrics.policy_info.only(*config.versions.items())
    metrics.build_info.only((__version__,))
    recent.loaded(config.versions)
    for deployment, variable in config.missing.items():
        LOG.warning("%s is left out: %s is not set", deployment, variable)
