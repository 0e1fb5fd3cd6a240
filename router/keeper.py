"""Beliefs that survive a restart: a snapshot every few seconds, and the journal's tail folded in at the start."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from router import journal
from router.archive import Archive
from router.beliefs import Beliefs
from router.beliefs.snapshot import Snapshot, Unreadable, carried, decode, encode
from router.catalog import Catalog
from router.errors import Conflict, NotFound
from router.evidence import SIGNALS
from router.journal import OutcomeRecord, VerdictRecord, revived
from router.learner import Learner
from router.store.memory import MemoryStore
from router.verdicts import Change, Said

LOG = logging.getLogger("turnout")
SAVE_S = 10.0
"""Seconds between snapshots, where anything was learned: about what the journal's tail holds after a crash."""
TAIL = 2_000
"""Steps, the last, that are read back: they can be judged, and gone on with, as before."""
FEW = 200
"""Lessons that may be folded in at once before a snapshot, 0.05 s of work; with more waiting it comes later."""


def restored(archive: Archive, catalog: Catalog) -> Snapshot | None:
    """The newest snapshot that is whole, upon what `catalog` says; others are told of in the log."""
    for path, data in archive.read():
        try:
            found = decode(data)
            beliefs = carried(found.beliefs, catalog)
        except Unreadable as error:
            LOG.warning("beliefs: %s is passed over: %s", path, error)
            continue
        LOG.info("beliefs: version %d, from %s", beliefs.version, path)
        return Snapshot(beliefs, found.at, found.position)
    return None


class Keeper:
    """Saves what `current` gives: beliefs, and the position in the shared log that they have reached, if any."""

    def __init__(
        self,
        archive: Archive,
        current: Callable[[], tuple[Beliefs, str]],
        learner: Learner | None,
        saved: int,
    ) -> None:
        """`learner`: whose waiting lessons go in too. `saved`: the version that is on the disk already."""
        self._archive, self._current, self._learner = archive, current, learner
        self._saved, self._failing = saved, False

    async def work(self) -> None:
        """Saves for ever."""
        while True:
            await asyncio.sleep(SAVE_S)
            if self._learner is None or self._learner.waiting <= FEW:
                await self.save()

    async def save(self) -> None:
        """Folds in what waits, and writes a snapshot where there is anything new; a full disk is told of once."""
        if self._learner is not None:
            self._learner.catch_up()
        beliefs, position = self._current()
        if beliefs.version == self._saved:
            return
        data = encode(Snapshot(beliefs, time.time(), position))
        try:
            await asyncio.to_thread(self._archive.save, data)
        except OSError as error:
            if not self._failing:
                LOG.error("beliefs: no snapshot can be written: %s. What is learned lives in memory", error)
            self._failing = True
            return
        self._saved, self._failing = beliefs.version, False


def recover(folder: Path, store: MemoryStore, learner: Learner, *, since: float) -> int:
    """Reads the journal's last steps back into `store`, and folds those after `since` (Unix time) into the beliefs.

    Returns how many were folded.
    """
    known: dict[str, OutcomeRecord] = {}
    told: set[tuple[str, str]] = set()
    folded, now = 0, time.time()
    for record in journal.last(folder, TAIL):
        new = record.at > since
        if isinstance(record, OutcomeRecord):
            known[record.decision_id] = record
            outcome = revived(record)
            changes = store.remember(outcome, max(0.0, now - record.at))
            if new:
                learner.outcome(outcome)
        elif record.decision_id in known:
            changes = _judged(store, known[record.decision_id], record, told)
        else:
            continue
        folded += new
        for change in changes:
            if new and change.moves:
                learner.change(change)
        learner.catch_up()  # nothing is served yet, and nothing must be dropped
    return folded


def _judged(
    store: MemoryStore, about: OutcomeRecord, verdict: VerdictRecord, told: set[tuple[str, str]]
) -> tuple[Change, ...]:
    """Files a caller's verdict again. Free signals come of the outcomes themselves."""
    kind, _, source = verdict.source.rpartition(":")
    if kind == "run" and about.run_id is not None:
        if (about.run_id, source) in told:
            return ()  # a run's verdict has a record for each of its steps
        told.add((about.run_id, source))
        said = Said("run", about.run_id, verdict.success, source, verdict.at, verdict.reason)
    elif kind or source in SIGNALS:
        return ()
    else:
        said = Said("decision", about.decision_id, verdict.success, source, verdict.at, verdict.reason)
    try:
        return store.rejudge(about.key_id, said).changes
    except (Conflict, NotFound):
        return ()
