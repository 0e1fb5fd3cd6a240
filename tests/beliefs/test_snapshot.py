"""Beliefs as bytes and back, upon the same catalog and upon a changed one; and bytes that are none."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from router.beliefs import Beliefs, snapshot, success
from router.beliefs.snapshot import FORMAT, Snapshot, Unreadable, carried, decode, encode
from router.outcome import Attempt, Evidence, Trial
from router.reports import Asked
from tests.plan.small import NEMOTRON, Q122, Q397, QWEN122, THREE, N, catalog, model

CATALOG = catalog()
CLASSES = ("task", "chat")


def taught(start: Beliefs | None = None, steps: int = 60, arms: tuple[str, ...] = (N, Q122, Q397)) -> Beliefs:
    """After steps of every kind: one attempt and several, with facts, checks, lengths, times, in two classes."""
    rng, beliefs = np.random.default_rng(0), start or Beliefs.prior(CATALOG)
    for i in range(steps):
        first, second = arms[i % len(arms)], arms[(i + 1) % len(arms)]
        right = float(rng.uniform() < 0.4)
        trials = [Trial(first, right, right > 0.5, 0.98, 0.7, ("schema",))]
        if not right:
            trials += [Trial(first, 0.0), Trial(second, 1.0)]
        step_class = CLASSES[i % 2]
        beliefs = beliefs.learn(Evidence(step_class, tuple(trials), tuple(rng.uniform(size=20)), at=float(i)))
        attempt = Attempt(first, first.split("/")[0], "main", 0, 0.0, 3.0, 0.2, output_tokens=200 + i)
        beliefs = beliefs.answered(attempt, Asked(step_class, 400.0, 1600.0, input_tokens=100.0 * i, kind=str(i % 3)))
        beliefs = beliefs.observe(first.split("/")[0], 1000, 1100)
    return beliefs


TAUGHT = taught()


def p(beliefs: Beliefs, arm: str, step_class: str = "task") -> tuple[float, float]:
    found = beliefs.success.of(arm, step_class, 1.5, 1.0)
    return found.mu, found.sd


def test_what_was_learned_comes_back() -> None:
    """Bytes and back give beliefs that serve the same and go on learning the same."""
    found = decode(encode(Snapshot(TAUGHT, 12.5, "7-0")))
    assert (found.at, found.position, found.beliefs.version) == (12.5, "7-0", TAUGHT.version)
    back = carried(found.beliefs, CATALOG)
    assert encode(Snapshot(back, 0.0)) == encode(Snapshot(TAUGHT, 0.0))
    assert encode(Snapshot(taught(back, 9), 0.0)) == encode(Snapshot(taught(TAUGHT, 9), 0.0))


def test_words_come_back() -> None:
    """So do the weights of words, where they are learned from, in half the bytes."""
    beliefs = Beliefs.prior(CATALOG)
    beliefs = replace(beliefs, success=success.prior(CATALOG, words=True))
    sketch = np.array([3, 5], "<u2").tobytes()
    beliefs = beliefs.learn(Evidence("task", (Trial(N, 1.0),), (), sketch))
    back = decode(encode(Snapshot(beliefs, 0.0))).beliefs.success.words
    assert (
        back is not None and beliefs.success.words is not None and back.rows.keys() == beliefs.success.words.rows.keys()
    )
    for key, row in beliefs.success.words.rows.items():
        assert row.mean.dtype == back.rows[key].variance.dtype == np.float32 and row.mean.any()
        assert np.array_equal(back.rows[key].mean, row.mean)


def test_prices_and_scores_are_the_catalogs() -> None:
    """A published score that has changed moves the belief; what outcomes said of the arm stays on top of it."""
    higher = catalog({**THREE, "n": model(70.0, (0.085, 0.40))})
    moved = carried(TAUGHT, higher)
    assert p(moved, N)[0] > p(TAUGHT, N)[0] and p(moved, Q122) == pytest.approx(p(TAUGHT, Q122))
    assert moved.success.scores.known[N, "bench"].p == 0.7


def test_a_new_model_changes_nothing_for_the_others() -> None:
    """It begins where its score and what all arms have in common put it, wherever in the catalog it stands."""
    more = catalog({"extra": model(65.0, (0.2, 1.0)), **THREE})
    moved = carried(TAUGHT, more)
    for arm in (N, Q122, Q397):
        assert p(moved, arm) == pytest.approx(p(TAUGHT, arm))
    assert p(moved, "extra/off")[1] > 1.2 * p(moved, N)[1]
    assert moved.speed.tracks.keys() == TAUGHT.speed.tracks.keys()


def test_a_model_that_is_gone_leaves_the_rest_as_believed() -> None:
    """Integrated out: the others are believed as before, in mean and spread, and nothing of it is kept."""
    two = catalog({"q122": QWEN122, "n": NEMOTRON})
    moved = carried(TAUGHT, two)
    for arm in (N, Q122):
        assert p(moved, arm) == pytest.approx(p(TAUGHT, arm), abs=0.12)
    assert "q397" not in moved.tokens.corrections and Q397 not in moved.length.habits
    assert not any(Q397 in cells for cells in moved.length.cells.values())
    assert {key.split(":")[0] for key in moved.speed.tracks} == {"n", "q122"}
    assert moved.success.correlation.firsts.keys() <= {(c, a) for c in CLASSES for a in (0, 1)}


def test_facts_of_another_make_begin_anew() -> None:
    """Weights whose prior has changed are no longer comparable."""
    other = replace(TAUGHT.success.facts, scales={"all": 9.0})
    moved = carried(replace(TAUGHT, success=replace(TAUGHT.success, facts=other)), CATALOG)
    assert not moved.success.facts.rows and TAUGHT.success.facts.rows


WHOLE = encode(Snapshot(TAUGHT, 1.0))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        WHOLE[:-1],
        WHOLE + b"x",
        WHOLE[:200] + bytes([WHOLE[200] ^ 1]) + WHOLE[201:],
        WHOLE.replace(FORMAT, b"turnout-beliefs 0\n"),
    ],
)
def test_damage_is_seen(data: bytes) -> None:
    """Cut off, grown, another version, one bit that fell over: refused as a whole."""
    with pytest.raises(Unreadable):
        decode(data)


def forged(value: Any) -> bytes:
    body = msgspec.msgpack.encode(value, enc_hook=snapshot._packed)
    return FORMAT + hashlib.blake2b(body, digest_size=16).digest() + body


@pytest.mark.parametrize(
    "array",
    [
        ("|O", (1,), b"12345678"),
        ("<f8", (9, 9), b"12345678"),
        ("<f8", (1,), np.array([np.nan]).tobytes()),
        ("<f8", (1,), np.array([1.0]).tobytes()),
        7,
    ],
)
def test_arrays_that_fit_nothing_are_refused(array: Any) -> None:
    """With a right digest too: objects, wrong sizes and shapes, numbers that are none."""
    whole = msgspec.msgpack.decode(encode(Snapshot(TAUGHT, 1.0))[len(FORMAT) + 16 :])
    whole["beliefs"]["success"]["calibration"]["shift"] = array
    with pytest.raises(Unreadable):
        decode(forged(whole))


def test_only_arrays_are_packed_by_hand() -> None:
    """Anything else that is no record is a mistake in the code."""
    with pytest.raises(NotImplementedError):
        msgspec.msgpack.encode({"x": object()}, enc_hook=snapshot._packed)


def test_every_learned_part_is_carried() -> None:
    """A part that somebody adds to the beliefs is not lost at a restart: all but the catalog's own comes back."""

    def fields(of: Any) -> set[str]:
        return set(of.__struct_fields__)

    assert fields(Beliefs) == {"version", "success", "length", "speed", "tokens", "checks", "costs"}
    assert fields(TAUGHT.success) - {"scores", "arms", "models", "memory"} == {
        *("ability", "facts", "words", "calibration", "correlation", "seen", "drift")
    }
    assert fields(TAUGHT.length) - {"reasoning", "models"} == {
        *("shapes", "habits", "cells", "common", "drift", "changes")
    }
