"""How fast each deployment answers: time to first token, tokens per second by output length, the effect of load.

What is learned of a deployment is eight numbers with a normal law: log seconds to the first token of an empty input,
seconds for each input token, log tokens per second at five output lengths, and what load costs. Each answer measures
the log of a time, taken in by an extended Kalman filter with clipped innovations. One that was not streamed measures
the whole time only, and the same filter divides it up.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from router.beliefs.length import Z90, Length, LogNormal
from router.beliefs.sample import Average
from router.catalog import Catalog, Deployment, Model

ANCHORS = (512, 2_048, 8_192, 20_480, 65_536)
"""Output tokens at which each band is centred: short, 2k, 8k, 20k, 64k."""
_LOGS = tuple(math.log(a) for a in ANCHORS)
ORDINARY = 2_048
"""Up to here the catalog's plain speed holds; beyond it, speed moves towards that of the 64k band."""
JITTER = 0.2
"""Log-sd of the time that one and the same length takes, before anything is learned."""
FIRST_SD, BAND_SD, NEIGHBOUR = 0.5, 0.4, 0.9
"""How sure the catalog is of log first token and log speed, and the correlation of neighbouring bands."""
READ_UNIT, READ_SD = 1e-4, 1.0
"""Seconds per input token are counted in units of 0.1 ms. The catalog says nothing of them: 0, as far as is known."""
DRAG_SD = 0.3
"""Of the log of the factor on all times at full load, beyond the sharing that `stretch` reckons with."""
OUTLIER = 2.5
"""Standard deviations at which an innovation is clipped."""
STREAK, REOPENED = 3, 4.0
"""So many outliers on one side are none: the variance grows by this factor, and the next ones count."""
FORGETTING = 1.0 / 400
"""Share of the prior variance that returns with each measurement."""
NOISE_MEMORY, NOISE_PRIOR = 200.0, 20.0
IN_ONE_PIECE = 0.95
"""Where the first token takes more than this share of the whole time, the answer was as good as not streamed."""
SHORTEST = 8
"""Fewer output tokens than this tell nothing of speed."""

Vector = NDArray[np.float64]
_FIRST, _READ, _BANDS, _DRAG = 0, 1, 2, 7


def _prior_covariance() -> Vector:
    out: Vector = np.diag([FIRST_SD**2, READ_SD**2, *[0.0] * 5, DRAG_SD**2])
    steps = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    out[_BANDS:_DRAG, _BANDS:_DRAG] = BAND_SD**2 * NEIGHBOUR**steps
    return out


PRIOR = _prior_covariance()


class Pace(msgspec.Struct, frozen=True):
    """Speed of one deployment."""

    first_token_s: float
    bands: tuple[float, ...]
    """Tokens per second at each of ANCHORS."""
    read_s: float = 0.0
    """Seconds for each input token that no cache holds."""
    drag: float = 0.0
    """Log of the factor on all times at full load."""
    jitter: float = JITTER

    def tokens_per_s(self, tokens: float) -> float:
        """At an output of `tokens`: linear between the anchors, both axes logarithmic."""
        i, share = place(tokens)
        if not share:
            return self.bands[i]
        return self.bands[i] * math.exp(share * math.log(self.bands[i + 1] / self.bands[i]))

    def seconds(self, tokens: float, input_tokens: float = 0.0) -> float:
        """From the request to the last of `tokens`, without load."""
        return self.first_token_s + self.read_s * input_tokens + tokens / self.tokens_per_s(tokens)

    def finish(self, length: Length, input_tokens: float = 0.0) -> LogNormal:
        """Seconds of a whole answer without load."""
        return self.answer(length, input_tokens, 0, 1)[2]

    def answer(self, length: Length, input_tokens: float, busy: int, room: int) -> tuple[float, float, LogNormal]:
        """Seconds to the first token, tokens per second at the median, and seconds of the whole answer.

        The last is log-normal through the times of the length's median and q90, with the jitter of serving on top.
        `input_tokens`: those that no cache holds; `busy` requests are being served, and `room` are at full speed.
        """
        first, speed = self.first_token_s + self.read_s * input_tokens, self.tokens_per_s(length.q50)
        median, high = first + length.q50 / speed, first + length.q90 / self.tokens_per_s(length.q90)
        time = LogNormal(math.log(median), math.hypot(math.log(high / median) / Z90, self.jitter))
        slower = stretch(busy, room)
        if self.drag and busy:
            slower *= math.exp(self.drag * min(1.0, busy / room))
        if slower != 1.0:
            return first * slower, speed / slower, time.scaled(slower)
        return first, speed, time


def place(tokens: float) -> tuple[int, float]:
    """The band at or below an output of `tokens`, and the share of the way to the next, by the logarithm."""
    at = math.log(max(tokens, 1.0))
    i = bisect_left(_LOGS, at)
    if i == 0:
        return 0, 0.0
    if i == len(_LOGS):
        return i - 1, 0.0
    return i - 1, (at - _LOGS[i - 1]) / (_LOGS[i] - _LOGS[i - 1])


def stretch(inflight: int, concurrency: int) -> float:
    """Factor on all times: requests beyond `concurrency` share it equally, max(1, (inflight + 1) / concurrency)."""
    return max(1.0, (inflight + 1) / concurrency)


class Timing(msgspec.Struct, frozen=True):
    """How long one answer took."""

    seconds: float
    output_tokens: float
    """Of one choice, reasoning included."""
    input_tokens: float = 0.0
    """That no cache held."""
    first_token_s: float | None = None
    """None where it was not streamed."""
    busy: int = 0
    """Requests that the deployment was serving for us when it began, this one not counted."""
    room: int = 1
    """Requests that it serves at full speed."""


class Track(msgspec.Struct, frozen=True):
    """The filter's state for one deployment."""

    mean: tuple[float, ...]
    """Of the eight numbers."""
    covariance: tuple[float, ...]
    """8 x 8, row by row."""
    noise: Average = Average()
    """Squared residuals."""
    streak: int = 0
    """Outliers in a row, negative where they were too short."""
    seen: int = 0

    @classmethod
    def prior(cls, pace: Pace) -> Track:
        mean = (math.log(pace.first_token_s), 0.0, *(math.log(b) for b in pace.bands), 0.0)
        return cls(mean, tuple(PRIOR.ravel().tolist()))

    def pace(self) -> Pace:
        bands = tuple(math.exp(m) for m in self.mean[_BANDS:_DRAG])
        read, drag = READ_UNIT * max(0.0, self.mean[_READ]), max(0.0, self.mean[_DRAG])
        return Pace(math.exp(self.mean[_FIRST]), bands, read, drag, math.sqrt(self.variance))

    @property
    def variance(self) -> float:
        """Of one log time around what is expected."""
        return self.noise.towards(JITTER**2, NOISE_PRIOR)

    def observe(self, timing: Timing) -> Track:
        """After one answer; times and tokens that are not positive teach nothing."""
        track, first = self, timing.first_token_s
        if first is None or first > IN_ONE_PIECE * timing.seconds:
            return track._measure(timing, timing.seconds, True, True)
        track = track._measure(timing, first, True, False)
        if timing.output_tokens >= SHORTEST:
            track = track._measure(timing, timing.seconds - first, False, True)
        return track

    def _measure(self, timing: Timing, seconds: float, reading: bool, writing: bool) -> Track:
        """Takes in a time that consists of reading the input, of writing the output, or of both."""
        if seconds <= 0 or (writing and timing.output_tokens <= 0):
            return self
        expected, slope = self._expected(timing, reading, writing)
        gap = math.log(seconds) - expected
        covariance = np.array(self.covariance).reshape(8, 8) + FORGETTING * PRIOR
        if abs(self.streak) >= STREAK:
            covariance = covariance * REOPENED
        covariance = _bounded(covariance)
        along = covariance @ slope
        spread = float(slope @ along) + self.variance
        limit = OUTLIER * math.sqrt(spread)
        clipped = max(-limit, min(limit, gap))
        mean = np.array(self.mean) + along * (clipped / spread)
        mean[_READ], mean[_DRAG] = max(mean[_READ], 0.0), max(mean[_DRAG], 0.0)
        side = 0 if clipped == gap else 1 if gap > 0 else -1
        return Track(
            mean=tuple(mean.tolist()),
            covariance=tuple((covariance - np.outer(along, along) / spread).ravel().tolist()),
            # What the filter itself was unsure of is no noise.
            noise=self.noise.add(clipped * clipped * self.variance / spread, NOISE_MEMORY),
            streak=self.streak + side if side * self.streak > 0 else side,
            seen=self.seen + 1,
        )

    def _expected(self, timing: Timing, reading: bool, writing: bool) -> tuple[float, Vector]:
        """Log of the time, and its derivative by the eight numbers."""
        mean, slope = self.mean, np.zeros(8)
        first, inputs = math.exp(mean[_FIRST]), READ_UNIT * timing.input_tokens
        i, share = place(timing.output_tokens)
        j = min(i + 1, 4)
        rate = math.exp((1.0 - share) * mean[_BANDS + i] + share * mean[_BANDS + j])
        read, write = (first + inputs * mean[_READ]) * reading, timing.output_tokens / rate * writing
        whole = read + write
        if reading:
            slope[_FIRST], slope[_READ] = first / whole, inputs / whole
        if writing:
            slope[_BANDS + i] -= (1.0 - share) * write / whole
            slope[_BANDS + j] -= share * write / whole
        load = min(1.0, timing.busy / timing.room)
        slope[_DRAG] = load
        return math.log(whole) + math.log(stretch(timing.busy, timing.room)) + load * mean[_DRAG], slope

    def reopened(self) -> Track:
        """As unsure as the catalog alone, around what was learned: for when the deployment is found to have changed."""
        return msgspec.structs.replace(self, covariance=tuple(PRIOR.ravel().tolist()), streak=0)


def _bounded(covariance: Vector) -> Vector:
    """Not wider than the prior in any of the eight numbers, correlations kept."""
    scale = np.sqrt(np.minimum(1.0, np.diag(PRIOR) / np.diag(covariance)))
    out: Vector = covariance * np.outer(scale, scale)
    return out


class Speeds(msgspec.Struct, frozen=True, eq=False):
    """Beliefs on speed of all deployments. Compared and hashed by identity, so that look-ups can be cached on it."""

    paces: Mapping[str, Pace]
    """`model:deployment` → its pace."""
    tracks: Mapping[str, Track] = {}
    """The same → what its pace is read from; of those that answered."""

    def observe(self, key: str, timing: Timing) -> Speeds:
        """After one answer of the deployment `key`, `model:deployment`; one that the catalog lacks teaches nothing."""
        if key not in self.paces:
            return self
        return self._with(key, self.track(key).observe(timing))

    def track(self, key: str) -> Track:
        return self.tracks.get(key) or Track.prior(self.paces[key])

    def reopened(self, key: str) -> Speeds:
        """For when a deployment is found to have changed: what comes next counts as if it were the first."""
        return self._with(key, self.track(key).reopened()) if key in self.tracks else self

    def _with(self, key: str, track: Track) -> Speeds:
        return Speeds({**self.paces, key: track.pace()}, {**self.tracks, key: track})


def prior(catalog: Catalog) -> Speeds:
    """Paces from the catalog's speeds and the factor of each deployment's runtime."""
    return Speeds({f"{m.name}:{d.name}": _pace(m, d) for m in catalog.models.values() for d in m.deployments})


def _pace(model: Model, deployment: Deployment) -> Pace:
    ordinary, last = model.tokens_per_s(deployment)
    span = math.log(ANCHORS[-1] / ORDINARY)
    shares = (max(0.0, math.log(a / ORDINARY) / span) for a in ANCHORS)
    bands = tuple(ordinary * (last / ordinary) ** share for share in shares)
    return Pace(model.speed.first_token_s / model.runtimes[deployment.runtime], bands)
