"""Beliefs as bytes and back: what outlives a process, and what replicas share. Pure.

A snapshot is read by the types of the records it holds: nothing in it is ever run, and one that does not fit them, was
cut off or has a wrong digest is refused as a whole.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import numpy as np

from router.beliefs.ability import Ability
from router.beliefs.calibration import Calibration
from router.beliefs.correlation import Correlation
from router.beliefs.latent import Array
from router.beliefs.lengths import Lengths
from router.beliefs.linear import Linear
from router.beliefs.speed import Speeds
from router.beliefs.state import Beliefs
from router.beliefs.success import Successes
from router.beliefs.tokens import Counts
from router.beliefs.weights import Weights
from router.catalog import Catalog

FORMAT = b"turnout-beliefs 2\n"
"""Grows with every change of the records that an old reader would take for something else."""
DIGEST = 16
"""Bytes of BLAKE2b: against bits that fell over, not against people."""
LARGEST = 64_000_000
"""Bytes; beliefs on every class that a policy may have come to a tenth of it."""
KINDS = frozenset(("<f8", "<f4"))


class Snapshot(msgspec.Struct, frozen=True):
    """Beliefs, and what had been folded into them."""

    beliefs: Beliefs
    at: float
    """Unix time: all that was known by then is in them."""
    position: str = ""
    """Id of the last entry of the shared log that is in them; empty where there is no such log."""


class Unreadable(ValueError):
    """The bytes are no whole snapshot of this version."""


def encode(snapshot: Snapshot) -> bytes:
    body = _ENCODER.encode(snapshot)
    return FORMAT + _digest(body) + body


def decode(data: bytes) -> Snapshot:
    """Raises Unreadable."""
    head = len(FORMAT) + DIGEST
    if not data.startswith(FORMAT):
        raise Unreadable("it is of another version, or no snapshot")
    body = data[head:]
    if len(data) > LARGEST or _digest(body) != data[len(FORMAT) : head]:
        raise Unreadable("its digest does not fit: it was cut off or damaged")
    try:
        found = _DECODER.decode(body)
    except (msgspec.DecodeError, ValueError) as error:
        raise Unreadable(f"it does not fit the records of this version: {error}") from None
    if not _whole(found.beliefs):
        raise Unreadable("its numbers do not fit each other")
    return found


def carried(kept: Beliefs, catalog: Catalog) -> Beliefs:
    """What was learned, upon what `catalog` says: published scores, speeds and arms are always the catalog's."""
    new = Beliefs.prior(catalog)
    return Beliefs(
        kept.version,
        _success(kept.success, new.success),
        _length(kept.length, new.length),
        _speed(kept.speed, new.speed),
        Counts({name: c for name, c in kept.tokens.corrections.items() if name in catalog.models}),
        kept.checks,
        kept.costs.carried(frozenset(catalog.models)),
    )


def _success(kept: Successes, new: Successes) -> Successes:
    places = [kept.arms.index(arm) if arm in kept.arms else None for arm in new.arms]
    now = {old: i for i, old in enumerate(places) if old is not None}

    def moved(values: Array) -> Array:
        return np.array([0.0 if p is None else values[p] for p in places])

    old, spreads = kept.calibration, kept.correlation
    return msgspec.structs.replace(
        new,
        ability=kept.ability.carried(new.ability.models, places),
        facts=kept.facts if (kept.facts.width, kept.facts.scales) == (new.facts.width, new.facts.scales) else new.facts,
        words=kept.words,
        calibration=Calibration(*(moved(a) for a in (old.shift, old.surprise, old.information, old.seen))),
        correlation=Correlation(
            spreads.told, spreads.fresh, {(c, now[a]): n for (c, a), n in spreads.firsts.items() if a in now}
        ),
        seen=kept.seen,
        drift=kept.drift.carried(frozenset(new.models)),
    )


def _length(kept: Lengths, new: Lengths) -> Lengths:
    known = {*new.models, *new.models.values()}
    return msgspec.structs.replace(
        new,
        shapes=kept.shapes,
        habits={name: habit for name, habit in kept.habits.items() if name in known},
        cells={c: {arm: h for arm, h in cells.items() if arm in known} for c, cells in kept.cells.items()},
        common=kept.common,
        drift=kept.drift,
        changes=kept.changes.carried(frozenset(new.models.values())),
    )


def _speed(kept: Speeds, new: Speeds) -> Speeds:
    tracks = {key: track for key, track in kept.tracks.items() if key in new.paces}
    return Speeds({**new.paces, **{key: track.pace() for key, track in tracks.items()}}, tracks)


def _whole(beliefs: Beliefs) -> bool:
    """Whether arrays have the shapes that their indices promise, and every number is one."""
    success = beliefs.success
    arms = len(success.arms)
    calibration = success.calibration
    fits = [
        len(success.models) == arms,
        _fits(success.ability, arms),
        _weighed(success.facts),
        success.words is None or _rows(success.words),
        all(a.shape == (arms,) for a in (calibration.shift, calibration.surprise, calibration.information)),
    ]
    return all(fits)


def _fits(ability: Ability, arms: int) -> bool:
    rows = len(ability.rows)
    return (
        len(ability.models) == arms
        and sorted(ability.rows.values()) == list(range(rows))
        and ability.precision.shape == (rows, arms, arms)
        and ability.shift.shape == (rows, arms)
    )


def _weighed(facts: Weights) -> bool:
    one, square = (facts.width,), (facts.width, facts.width)
    whole = all(row.mean.shape == one and row.covariance.shape == square for row in facts.rows.values())
    return whole and all(centre.mean.shape == one for centre in facts.centres.values())


def _rows(words: Linear) -> bool:
    return all(row.mean.shape == row.variance.shape == (words.width,) for row in words.rows.values())


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=DIGEST).digest()


def _packed(value: Any) -> tuple[str, tuple[int, ...], bytes]:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    raise NotImplementedError(type(value))


def _unpacked(kind: Any, value: Any) -> Any:
    name, shape, data = value
    if name not in KINDS:
        raise ValueError(f"an array of {name!r}")
    found = np.frombuffer(data, name).reshape(shape).copy()  # a copy, since what bytes back cannot be written
    if not np.isfinite(found).all():
        raise ValueError("an array with a number that is none")
    return found


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_packed)
_DECODER = msgspec.msgpack.Decoder(Snapshot, dec_hook=_unpacked)
