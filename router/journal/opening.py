"""The journal that the settings ask for, or none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import cast

from router.errors import ConfigError
from router.journal.files import Files, Limits, Sync
from router.journal.writer import Journal, Sink
from router.settings import PREFIX, Settings

LOG = logging.getLogger("turnout")


def opened(
    settings: Settings,
    *,
    written: Callable[[int], object],
    dropped: Callable[[int], object],
    degraded: Callable[[bool], object],
    stream: Callable[[Settings], Sink],
) -> Journal | None:
    """A journal that is not started yet; the callables are those of `Journal`, and what opens one in the shared store.

    None where it is off, or `auto` and there is no state folder or it cannot be written. Raises ConfigError where it is
    `on` and cannot be had.
    """
    if settings.journal == "off":
        return None
    if settings.journal == "store":
        return Journal(stream(settings), written=written, dropped=dropped, degraded=degraded)
    folder = settings.journal_dir
    if folder is None:
        if settings.journal == "on":
            raise ConfigError(f"{PREFIX}JOURNAL", None, f"is on, but there is no folder for it: set {PREFIX}STATE_DIR")
        return None
    limits = Limits(
        segment_bytes=settings.journal_segment_bytes,
        segment_age=settings.journal_segment_age,
        keep_bytes=settings.journal_keep_bytes,
        sync=cast(Sync, settings.journal_fsync),
        compress=settings.journal_gzip == "on",
    )
    try:
        files = Files(folder, limits)
    except OSError as error:
        reason = f"{folder} cannot be used: {error.strerror or error}"
        if settings.journal == "on":
            raise ConfigError(f"{PREFIX}JOURNAL", None, reason) from None
        LOG.warning("no journal is kept: %s. Set %sSTATE_DIR, or %sJOURNAL=off", reason, PREFIX, PREFIX)
        return None
    return Journal(files, written=written, dropped=dropped, degraded=degraded)
