"""What state is made of: finished steps and verdicts, as small frozen records that one process can pass to another."""

from __future__ import annotations

import msgspec

from router.evidence import Decided, decided
from router.outcome import Outcome
from router.reports import Heard, heard
from router.verdicts import Said


class Use(msgspec.Struct, frozen=True, array_like=True):
    """An attempt that brought an answer, as far as its run is concerned."""

    arm: str
    model: str
    input_tokens: int
    visible: int
    """Output tokens of one choice without reasoning."""


class Taken(msgspec.Struct, frozen=True, array_like=True, tag="t"):
    """A finished step."""

    decision_id: str
    key_id: str
    step_id: str | None
    run_id: str | None
    policy: str
    """Empty where it was refused for what it said."""
    delivered: bool
    """Whether its answer went out whole."""
    seconds: float
    judged_before: tuple[str, ...]
    fresh: bool
    """Whether the caller starts its step afresh."""
    cost_usd: float
    retries_used: int
    uses: tuple[Use, ...]
    decided: Decided | None
    heard: Heard | None = None
    thread: str | None = None
    turn: int = 0
    """Assistant messages of its conversation so far."""


class Told(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """A verdict of a caller."""

    key_id: str
    said: Said


class Turned(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """A deployment is left alone for `pause` seconds from now on, or, where None, works again."""

    key: str
    """`model:deployment`."""
    pause: float | None


Event = Taken | Told | Turned


def taken(outcome: Outcome, *, reports: bool = False) -> Taken:
    """`reports`: with what its attempts say of tokens, lengths and times."""
    n = outcome.facts.n if outcome.facts else 1
    return Taken(
        decision_id=outcome.decision_id,
        key_id=outcome.key_id,
        step_id=outcome.step_id,
        run_id=outcome.run_id,
        policy=outcome.policy,
        delivered=outcome.delivered,
        seconds=outcome.seconds,
        judged_before=outcome.judged_before,
        fresh=outcome.hints is not None and outcome.hints.attempt == 1,
        cost_usd=outcome.cost_usd,
        retries_used=outcome.retries_used,
        uses=tuple(
            [
                Use(a.arm, a.model, a.input_tokens, (a.output_tokens - a.reasoning_tokens) // n)
                for a in outcome.attempts
                if a.answered
            ]
        ),
        decided=decided(outcome),
        heard=heard(outcome) if reports else None,
        thread=outcome.thread,
        turn=outcome.facts.turn if outcome.facts else 0,
    )
