"""What a key may do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from router.errors import Forbidden
from router.hints import Hints
from router.policy import Policy

Right = Literal["call", "outcomes", "metrics", "admin"]
SCOPES: tuple[Right, ...] = get_args(Right)
ANONYMOUS = "local"
"""The id of every caller where no keys are set (then only loopback is bound)."""


class Grant(msgspec.Struct, frozen=True):
    """One key's rights and limits. None and empty sets mean: no limit."""

    key_id: str
    """The first 16 hexadecimal digits of the key's SHA-256; what records and metrics of limits know it by."""
    name: str = ""
    digest: bytes = bytes(32)
    scopes: frozenset[Right] = frozenset(SCOPES)
    expires: float = math.inf
    """Unix time."""
    per_minute: int | None = None
    concurrency: int | None = None
    """Steps under way at once."""
    usd_per_day: float | None = None
    usd_per_month: float | None = None
    """Of the calendar in UTC."""
    policies: frozenset[str] = frozenset()
    """Policies that may be named; the first by name is what `auto` means, unless the server's default is among them."""
    models: frozenset[str] | None = None
    """Models or arms that may be used."""
    license: frozenset[str] | None = None
    """As the hint: one of its SPDX ids, and all of its needs."""
    max_cost: float | None = None
    """USD that one step may cost."""
    trusted: bool = False
    """Whether its verdicts count without bound in what is believed."""

    @property
    def limited(self) -> bool:
        """Whether there is anything to count or to look at before a step of its begins."""
        return not (
            self.per_minute is None
            and self.concurrency is None
            and self.usd_per_day is None
            and self.usd_per_month is None
        )

    def allowed(self, policies: Mapping[str, Policy], default: str) -> tuple[Mapping[str, Policy], str]:
        """The policies that it may name, and what `auto` means among them. Raises Forbidden where none is there."""
        if not self.policies:
            return policies, default
        found = {name: policy for name, policy in policies.items() if name in self.policies}
        if not found:
            raise Forbidden("None of the policies that the API key may use exists.", code="no_policy_allowed")
        return found, default if default in found else min(found)

    def narrowed(self, hints: Hints, left: float | None = None) -> Hints:
        """The hints with the key's own constraints beside them; `left`: USD that it may still spend."""
        caps = [c for c in (hints.max_cost, self.max_cost, left) if c is not None]
        cap = min(caps, default=None)
        if self.models is None and self.license is None and cap == hints.max_cost:
            return hints
        return msgspec.structs.replace(
            hints,
            models=hints.models if self.models is None else (*hints.models, self.models),
            license=hints.license if self.license is None else (*hints.license, self.license),
            max_cost=cap,
        )


LOCAL = Grant(ANONYMOUS)
"""What everybody on this machine may do where no keys are set."""
