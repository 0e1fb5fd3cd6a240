"""What one key's word counts for where there are others."""

from __future__ import annotations

import pytest

from router.trust import DAILY, DAY_S, SHARE, Trust
from router.verdicts import Change
from tests.decided import N, decided


def step(name: str, key: str, *answers: str, step_class: str = "task") -> Change:
    """What became known of one step."""
    return Change((decided(name, *(answers or (N,)), key_id=key, step_class=step_class),))


class Court:
    """Counts what counts."""

    def __init__(self, *trusted: str) -> None:
        self.now, self.withheld, self.steps = 0.0, 0, 0
        self.trust = Trust(lambda key: key in trusted, self._held, lambda: self.now)

    def _held(self) -> None:
        self.withheld += 1

    def hear(self, key: str, times: int, step_class: str = "task") -> int:
        """How many of so many new steps count."""
        found = 0
        for _ in range(times):
            self.steps += 1
            found += self.trust.counts(step(f"d{self.steps}", key, step_class=step_class))
        return found


def test_one_key_alone_at_a_class_has_its_days_worth() -> None:
    """However much it says; a day later as much again, and at another class its own."""
    court = Court()
    assert court.hear("mallory", 1000) == DAILY and court.withheld == 1000 - DAILY
    assert court.hear("mallory", 100, "another") == DAILY
    court.now = DAY_S / 3
    assert court.hear("mallory", 100) == DAILY / 3
    court.now = 10 * DAY_S
    assert court.hear("mallory", 100) == DAILY


@pytest.mark.parametrize("honest", [60, 300, 2000])
def test_beside_others_it_has_its_share(honest: int) -> None:
    """A fifth of all that counts, forgotten as beliefs forget, and its day's worth."""
    court = Court("alice")
    assert court.hear("alice", honest) == honest
    kept = (1 - 0.5 ** (honest / 2000)) / (1 - 0.5 ** (1 / 2000))
    found = court.hear("mallory", 5000)
    assert found <= DAILY + SHARE / (1 - SHARE) * kept + 1
    assert found >= 0.8 * (DAILY + SHARE / (1 - SHARE) * kept * 0.5 ** (found / 2000))


def test_five_honest_keys_learn_on() -> None:
    """Where none says more than a fifth, all counts."""
    court = Court()
    assert sum(court.hear(f"k{i % 6}", 1) for i in range(6000)) == 6000


def test_a_trusted_key_counts_whole() -> None:
    """Its owner said so."""
    assert Court("own").hear("own", 10_000) == 10_000


def test_what_is_held_back_stays_so() -> None:
    """A later verdict is told as a difference to what was never learned: it must not be learned by itself."""
    court = Court()
    court.hear("mallory", int(DAILY))
    change = step("late", "mallory")
    assert not court.trust.counts(change)
    court.now = 5 * DAY_S
    assert not court.trust.counts(Change(change.after, change.after))
    assert court.trust.counts(step("new", "mallory"))


def test_a_step_is_counted_by_its_attempts() -> None:
    """Those that are new; more verdicts on the same cost nothing more."""
    court = Court()
    first = step("s", "mallory", N, N, N)
    for _ in range(10):
        assert court.trust.counts(first)
    longer = Change((*first.after, decided("t", N, key_id="mallory")), first.after)
    assert court.trust.counts(longer)
    assert court.hear("mallory", 100) == DAILY - 4
    assert not court.trust.counts(step("big", "eve", *[N] * 16))


def test_steps_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten."""
    monkeypatch.setattr("router.trust.STEPS", 10)
    court = Court("own")
    court.hear("own", 100)
    assert len(court.trust._steps) == 10


def test_weights_do_not_overflow() -> None:
    """They grow in units of their own, which are started anew in time."""
    court = Court("own")
    weights = court.trust
    for i in range(80):
        weights.counts(step(f"big{i}", "own", *[N] * 10_000))
    (found,) = weights._classes.values()
    assert found._unit < 1e120 and 2_000 < found._total / found._unit < 30_000
