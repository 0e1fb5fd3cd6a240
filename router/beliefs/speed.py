"""How fast each deployment answers: time to first token, tokens per second by output length, and the effect of load."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping

import msgspec

from router.beliefs.length import Z90, Length, LogNormal
from router.catalog import Catalog, Deployment, Model

ANCHORS = (512, 2_048, 8_192, 20_480, 65_536)
"""Output tokens at which each band is centred: short, 2k, 8k, 20k, 64k."""
_LOGS = tuple(math.log(a) for a in ANCHORS)
ORDINARY = 2_048
"""Up to here the catalog's plain speed holds; beyond it, speed moves towards that of the 64k band."""
JITTER = 0.2
"""Log-sd of the time that one and the same length takes."""


class Pace(msgspec.Struct, frozen=True):
    """Speed of one deployment without load."""

    first_token_s: float
    bands: tuple[float, ...]
    """Tokens per second at each of ANCHORS."""

    def tokens_per_s(self, tokens: float) -> float:
        """At an output of `tokens`: linear between the anchors, both axes logarithmic."""
        at = math.log(max(tokens, 1.0))
        i = bisect_left(_LOGS, at)
        if i == 0:
            return self.bands[0]
        if i == len(_LOGS):
            return self.bands[-1]
        share = (at - _LOGS[i - 1]) / (_LOGS[i] - _LOGS[i - 1])
        return self.bands[i - 1] * math.exp(share * math.log(self.bands[i] / self.bands[i - 1]))

    def seconds(self, tokens: float) -> float:
        """From the request to the last of `tokens`."""
        return self.first_token_s + tokens / self.tokens_per_s(tokens)

    def finish(self, length: Length) -> LogNormal:
        """Seconds of a whole answer: through the times of the length's median and q90, and the jitter of serving."""
        median, high = self.seconds(length.q50), self.seconds(length.q90)
        return LogNormal(math.log(median), math.hypot(math.log(high / median) / Z90, JITTER))


def stretch(inflight: int, concurrency: int) -> float:
    """Factor on all times: requests beyond `concurrency` share it equally, max(1, (inflight + 1) / concurrency)."""
    return max(1.0, (inflight + 1) / concurrency)


class Speeds(msgspec.Struct, frozen=True, eq=False):
    """Beliefs on speed of all deployments. Compared and hashed by identity, so that look-ups can be cached on it."""

    paces: Mapping[str, Pace]
    """`model:deployment` → its pace."""


def prior(catalog: Catalog) -> Speeds:
    """Paces from the catalog's speeds and the factor of each deployment's runtime."""
    return Speeds({f"{m.name}:{d.name}": _pace(m, d) for m in catalog.models.values() for d in m.deployments})


def _pace(model: Model, deployment: Deployment) -> Pace:
    ordinary, last = model.tokens_per_s(deployment)
    span = math.log(ANCHORS[-1] / ORDINARY)
    shares = (max(0.0, math.log(a / ORDINARY) / span) for a in ANCHORS)
    bands = tuple(ordinary * (last / ordinary) ** share for share in shares)
    return Pace(model.speed.first_token_s / model.runtimes[deployment.runtime], bands)
