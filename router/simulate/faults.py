"""Faults that simulated servers play, drawn by key like everything else."""

from __future__ import annotations

import re
from collections.abc import Mapping

from router.errors import BadRequest
from router.simulate.draws import uniform

KINDS: dict[str, str] = {
    "hang": "takes the request and never answers",
    "stall": "starts the answer and falls silent",
    "reset": "resets the connection before any byte",
    "cut": "closes the connection in the middle of the answer",
    "garbage": "answers 200 with a body that is no JSON",
    "html": "answers 200 with a web page",
    "error": "answers 200 with an error object, in a stream as its first event",
    "empty": "answers 200 with nothing in it",
    "slow": "answers rightly in ten times the time",
}
"""Beside these, any status from 400 to 599: `429` comes with a retry-after of one second."""
STATUS = re.compile(r"^[45][0-9][0-9]$")
SLOW = 10.0

Rates = Mapping[str, float]


def parse(specs: list[str]) -> dict[str, float]:
    """`["429:0.05", "hang:0.01"]` → rates. Raises BadRequest saying what would be right."""
    rates: dict[str, float] = {}
    for spec in specs:
        kind, _, share = spec.partition(":")
        try:
            rates[kind] = float(share or "1")
        except ValueError:
            raise BadRequest(f"fault {spec!r} is not KIND:SHARE, such as 429:0.05.", param="fault") from None
    return checked(rates)


def checked(rates: Mapping[str, object]) -> dict[str, float]:
    """The rates. Raises BadRequest for an unknown kind, a share outside 0 to 1, or shares that sum to more than 1."""
    for kind, share in rates.items():
        if kind not in KINDS and not STATUS.match(kind):
            raise BadRequest(
                f"fault {kind!r} is unknown: a status from 400 to 599, or one of {', '.join(KINDS)}.", param="fault"
            )
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise BadRequest(f"fault {kind}: the share must be from 0 to 1.", param="fault")
    found = {kind: float(share) for kind, share in rates.items()}  # type: ignore[arg-type]
    if sum(found.values()) > 1 + 1e-9:
        raise BadRequest("faults: the shares sum to more than 1.", param="fault")
    return found


def draw(rates: Rates, seed: int, *key: object) -> str | None:
    """The fault that befalls the request called `key`, or None."""
    if not rates:
        return None
    u = uniform(seed, "fault", *key)
    for kind in sorted(rates):
        u -= rates[kind]
        if u < 0:
            return kind
    return None
