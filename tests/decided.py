"""Decisions as they are kept, written down briefly."""

from __future__ import annotations

from typing import Any

from router.evidence import Answer, Decided
from router.outcome import Verdict

N, Q = "n/off", "q/off"


def answer(arm: str = N, accepted: bool | None = None, **changes: Any) -> Answer:
    return Answer(arm, arm.split("/")[0], accepted, **changes)


def decided(name: str = "d1", *answers: Answer | str, verdicts: tuple[Verdict, ...] = (), **changes: Any) -> Decided:
    """A decision of one unchecked answer, unless told otherwise; the step is `s` of the caller `key`."""
    made = tuple(answer(a) if isinstance(a, str) else a for a in answers or (N,))
    base: dict[str, Any] = {
        "decision_id": name,
        "key_id": "key",
        "policy": "p",
        "step_class": "task",
        "at": 100.0,
        "answers": made,
        "verify": "checks" if any(a.accepted is not None for a in made) else "none",
        "t": 0.98,
        "f": 0.7,
        "checks": ("schema",),
        "delivered": bool(made),
        "first": len(made) == 1,
        "step_id": "s",
        "verdicts": verdicts,
    }
    return Decided(**base | changes)


def verdict(success: float, source: str = "caller", name: str = "d1", **changes: Any) -> Verdict:
    return Verdict(name, success, source, 200.0, **changes)
