"""How one caller complains."""

from __future__ import annotations

from random import Random

import pytest

from router.store import custom
from router.store.custom import AGAIN, AGAIN_OWN, BLAME, LEAST, MEMORY, Custom, Way, unknown

P = 0.7


def lived(way: Way, answers: int, wrong: float = 0.0, right: float = 0.0, p: float = P, seed: int = 1) -> Custom:
    """After so many answers, right with probability `p`, to one that tells of these shares of wrong and right ones."""
    rng, known = Random(seed), unknown(way)
    for _ in range(answers):
        good = rng.random() < p
        if rng.random() >= (right if good else wrong):
            known = known.silent(p)
        else:
            known = known.praised(p) if good else known.complained(p)
    return known


@pytest.mark.parametrize(("way", "least"), [(AGAIN_OWN, 0.85), (AGAIN, 0.7), (BLAME, 0.85)])
def test_silence_of_one_who_complains_says_that_all_is_well(way: Way, least: float) -> None:
    """Almost as much as a verdict would, of one that means to judge."""
    assert lived(way, 200, wrong=1.0).says > least


@pytest.mark.parametrize("way", [AGAIN_OWN, AGAIN, BLAME])
def test_silence_of_one_who_never_says_anything_says_nothing(way: Way) -> None:
    """All of it together is worth less than one wrong answer."""
    known, total = unknown(way), 0.0
    for _ in range(2_000):
        total += (1.0 - P) * known.says
        known = known.silent(P)
    assert known.says == 0.0 and total < 1.0


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_who_tells_of_right_and_wrong_alike_says_nothing_by_silence(share: float) -> None:
    """Be it of every answer or of a sample."""
    assert lived(BLAME, 300, wrong=share, right=share).says < 0.1


def test_a_caller_that_falls_silent_is_noticed() -> None:
    """After some thirty answers, of which ten were wrong; a few complaints undo that."""
    known = lived(AGAIN_OWN, 200, wrong=1.0)
    for _ in range(60):
        known = known.silent(P)
    assert known.says < 0.05
    assert known.complained(P).says > 0.05
    assert known.complained(P).complained(P).complained(P).says > 0.85


def test_how_many_wrong_answers_are_told_is_learned_where_it_is_known_that_they_are_wrong() -> None:
    """From silence alone it cannot be told: fewer complaints may as well mean better answers."""
    known = lived(AGAIN_OWN, 100, wrong=1.0)
    for _ in range(100):
        known = known.silent(0.0)
        known = known.complained(0.0)
    assert known.share == pytest.approx((99 + known.told) / (100 + known.told + known.untold))
    assert 0.6 < known.share < 0.8


def test_a_complaint_may_be_of_a_right_answer() -> None:
    """Then it is less of a wrong one that was told of."""
    known = unknown(AGAIN)
    assert known.complained(P, 0.5).told == pytest.approx(0.3 / (0.3 + 0.35))
    assert known.silent(P, 0.5).speaks < known.silent(P).speaks  # there would have been more of them


def test_what_was_long_ago_counts_less() -> None:
    """And counts stay bounded."""
    known = unknown(AGAIN_OWN)
    for _ in range(int(3 * MEMORY)):
        known = known.complained(P)
    assert known.told <= MEMORY + 1


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_certainty_does_no_harm(p: float) -> None:
    """What is believed may be as good as certain, and wrong."""
    for known in (unknown(BLAME).complained(p), unknown(BLAME).praised(p), unknown(BLAME).silent(p)):
        assert 0.0 <= known.speaks <= 1.0


def test_what_hardly_says_anything_is_not_counted() -> None:
    """Learning of it would cost more than it tells."""
    assert 0.0 < unknown(BLAME).speaks < LEAST and unknown(BLAME).says == 0.0
    assert custom.unknown(AGAIN).says > LEAST
