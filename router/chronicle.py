"""The log's account of the upstreams: what failed and who is left alone, never an address, a key or a body."""

from __future__ import annotations

import logging
from collections.abc import Callable

from router.outcome import Attempt, Outcome

LOG = logging.getLogger("turnout")
EVERY_S = 10.0
"""Seconds between two lines on one deployment's faults: a dead one fails every step."""
NOT_ITS_FAULT = (None, "caller", "cancelled")


class Chronicle:
    """Told of every outcome and of every breaker that opens or closes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said: dict[str, tuple[float, int]] = {}
        """Deployment → when its last line was written, and the faults since."""

    def observe(self, outcome: Outcome) -> None:
        for attempt in outcome.attempts:
            if attempt.fault not in NOT_ITS_FAULT:
                self._fault(attempt, outcome)

    def _fault(self, attempt: Attempt, outcome: Outcome) -> None:
        key, now = f"{attempt.model}:{attempt.deployment}", self._clock()
        when, unsaid = self._said.get(key, (None, 0))
        if when is not None and now < when + EVERY_S:
            self._said[key] = (when, unsaid + 1)
            return
        self._said[key] = (now, 0)
        LOG.warning(
            "%s failed: %s%s after %.1f s (decision %s)%s",
            key,
            attempt.fault,
            f", status {attempt.status}" if attempt.status else "",
            attempt.seconds,
            outcome.decision_id,
            f"; {unsaid} more since its last line" if unsaid else "",
        )

    def changed(self, kind: str, model: str, step_class: str, direction: str) -> None:
        """What a model does at a class is no longer what was learned of it."""
        what = {"success": "succeeds", "length": "answers", "cost": "costs"}[kind]
        how = ("more", "less") if kind != "length" else ("longer", "shorter")
        LOG.warning(
            "drift: %s %s %s than it was believed to at %s; what was learned of that counts little from now on",
            model,
            what,
            how[direction == "down"],
            step_class,
        )

    def breaker(self, key: str, pause: float | None) -> None:
        """`key` is left alone for `pause` seconds after faults in a row, or, where None, works again."""
        if pause is None:
            LOG.info("%s works again", key)
        else:
            LOG.warning("%s fails again and again: left alone for %.0f s", key, pause)
