"""Builds what a server knows beyond its files: the store, what survives a restart, what is shared with others."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from router import keeper as keepers
from router import loader
from router.archive import Archive
from router.beliefs import Beliefs
from router.beliefs.snapshot import Snapshot
from router.health import Health
from router.keeper import Keeper
from router.learner import Learner
from router.library import Library
from router.limits import Purse
from router.metrics import Metrics
from router.settings import MEMORY, Settings
from router.sharing import Sharing
from router.store.base import Store
from router.store.event import Taken, Turned
from router.store.memory import MemoryStore
from router.store.outbox import position, written
from router.trust import Trust
from router.verdicts import Change

if TYPE_CHECKING:
    from router.store.shared import SharedStore


Believe = Callable[[Beliefs], None]


class State:
    """The parts, and when each begins and ends."""

    def __init__(
        self, store: Store, learner: Learner | None, keeper: Keeper | None, shared: tuple[SharedStore, Sharing] | None
    ) -> None:
        self.store = store
        self.learner = learner
        """Of what this process alone sees; None where one of several learns for all."""
        self.keeper = keeper
        self.shared = shared

    def tell(self, told: Callable[[Iterable[Change]], None], health: Health, purse: Purse) -> None:
        """What a shared store makes of this process's events goes to `told`; another store says it at once. Breakers
        that open elsewhere go to `health`, and what keys spend there to `purse`."""
        if self.shared is None:
            return

        def elsewhere(event: Taken | Turned, age: float) -> None:
            if isinstance(event, Taken):
                purse.add(event.key_id, event.cost_usd)
            elif event.pause is None or event.pause > age:
                health.hear(event.key, None if event.pause is None else event.pause - age)

        self.shared[0].own, self.shared[0].elsewhere = told, elsewhere

    def turned(self, key: str, pause: float | None) -> None:
        """Tells others of a breaker that has opened for `pause` seconds or, where None, closed."""
        if self.shared is not None:
            self.shared[0].turned(key, pause)

    async def begin(self) -> None:
        if self.shared is not None:
            store, sharing = self.shared
            await sharing.begin()
            store.start()

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the requests."""
        found: list[Coroutine[Any, Any, None]] = []
        if self.learner is not None:
            found.append(self.learner.work())
        if self.keeper is not None:
            found.append(self.keeper.work())
        if self.shared is not None:
            store, sharing = self.shared
            found.append(sharing.work(lambda: store.log.current))
        return found

    async def end(self) -> None:
        if self.keeper is not None:
            await self.keeper.save()
        if self.shared is not None:
            await self.shared[1].end()
        await self.store.close()

    def measure(self, metrics: Metrics) -> None:
        """Brings the gauges up to date."""
        if self.shared is not None:
            store, sharing = self.shared
            metrics.store_waiting.set(len(store.log.outbox))
            metrics.beliefs_holder.set(sharing.holds)


def opened(
    settings: Settings,
    library: Library,
    metrics: Metrics,
    believe: Believe,
    given: Store | None,
    trusts: Callable[[str], bool],
) -> State:
    """With the store that the settings name, unless one is `given`. What was learned before serves already; `believe`
    is told what is learned from now on. `trusts`: whether a key's word counts without bound.

    Raises ConfigError.
    """
    archive = Archive(settings.beliefs_dir) if settings.beliefs_dir is not None else None
    found = keepers.restored(archive, library.current.catalog) if archive is not None else None
    if found is not None:
        library.believe(found.beliefs)
    if given is None and settings.store != MEMORY:
        return _shared(settings, library, metrics, believe, archive, found, trusts)
    store = given or MemoryStore(
        ttl=settings.step_ttl, kept_bytes=settings.response_bytes, kept_ttl=settings.response_ttl
    )
    learner = _learner(settings, metrics, trusts)(lambda: library.current.beliefs, believe)
    if archive is None:
        return State(store, learner, None, None)
    if isinstance(store, MemoryStore) and settings.journal_dir is not None and settings.journal in ("auto", "on"):
        since = found.at if found is not None else 0.0
        keepers.recover(settings.journal_dir, store, learner, since=since)
    return State(store, learner, Keeper(archive, lambda: (library.current.beliefs, ""), learner, _version(found)), None)


def _shared(
    settings: Settings,
    library: Library,
    metrics: Metrics,
    believe: Believe,
    archive: Archive | None,
    found: Snapshot | None,
    trusts: Callable[[str], bool],
) -> State:
    store, board = loader.shared_store(
        settings, metrics.store_errors.inc, metrics.store_degraded.set, metrics.store_lost.inc
    )
    sharing = Sharing(
        board,
        believe,
        library.believe,
        lambda: library.current.catalog,
        _learner(settings, metrics, trusts),
        metrics.lessons_dropped.inc,
        start=library.current.beliefs,
        position=position(found.position if found is not None else ""),
        success=settings.learn == "on",
    )
    store.lesson = sharing.lesson
    keeper = None
    if archive is not None:
        keeper = Keeper(archive, lambda: (library.current.beliefs, written(sharing.position)), None, _version(found))
    return State(store, None, keeper, (store, sharing))


def _learner(settings: Settings, metrics: Metrics, trusts: Callable[[str], bool]) -> Callable[..., Learner]:
    def build(current: Any, believe: Any) -> Learner:
        return Learner(
            current,
            believe,
            metrics.lessons_dropped.inc,
            metrics.observer_errors.labels("beliefs").inc,
            all_of_it=settings.learn == "on",
            counts=Trust(trusts, metrics.lessons_withheld.inc).counts,
        )

    return build


def _version(found: Snapshot | None) -> int:
    return found.beliefs.version if found is not None else 0
