"""What is remembered for people who look: the last steps, what was said of them, how predictions came out."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from router.recent import BINS, KEPT, LOADS, Bin, Recent
from router.verdicts import Judgement
from tests.decided import N, Q, decided, verdict
from tests.test_metrics import outcome


def recent(steps: int = 1) -> Recent:
    found = Recent(clock=lambda: 7.0)
    for i in range(steps):
        found.observe(replace(outcome(), decision_id=f"dec_{i + 1}"))
    return found


def numbers(found: Recent, most: int = KEPT, after: int = 0) -> list[int]:
    return [seen.number for seen in found.last(most, after)]


def test_the_last_steps_are_there_the_latest_first() -> None:
    """So many at most, and none that the viewer has seen already."""
    found = recent(5)
    assert numbers(found) == [5, 4, 3, 2, 1]
    assert numbers(found, most=2) == [5, 4]
    assert numbers(found, after=3) == [5, 4]


def test_the_oldest_are_forgotten() -> None:
    """A server that runs for a year holds no more than one that runs for an hour."""
    found = recent(KEPT + 10)
    assert numbers(found)[-1] == 11 and len(numbers(found)) == KEPT
    assert found.find("dec_10") is None
    step = found.find("dec_11")
    assert step is not None and step.number == 11


def test_what_was_said_of_a_step_is_kept_with_it() -> None:
    """A source that says something else counts by what it says last; of a forgotten step nothing is kept."""
    found = recent(1)
    about = decided("dec_1")
    for success in (0.0, 1.0):
        found.judged(Judgement(about, replace(verdict(success), decision_id="dec_1", source="resend")))
    found.judged(Judgement(about, replace(verdict(1.0), decision_id="dec_1", source="tests")))
    found.judged(Judgement(replace(about, decision_id="dec_0"), verdict(1.0)))
    step = found.find("dec_1")
    assert step is not None
    assert [(v.source, v.success) for v in step.verdicts] == [("resend", 1.0), ("tests", 1.0)]
    assert found.find("dec_0") is None


def test_predictions_are_held_against_what_callers_say() -> None:
    """The first opinion on a first answer counts, in the tenth that it was predicted in; signals do not."""
    found = recent(0)
    for p, success in ((0.61, 1.0), (0.69, 0.0), (1.0, 1.0)):
        said = verdict(success)
        found.judged(Judgement(replace(decided("d1"), p=p, verdicts=(said,)), said))
    said = verdict(1.0)
    twice = replace(decided("d1", N, Q), p=0.65, verdicts=(said,))
    found.judged(Judgement(twice, said))
    signal = replace(verdict(0.0), source="resend")
    found.judged(Judgement(replace(decided("d1"), p=0.65, verdicts=(signal,)), signal))
    assert [(b.low, b.count) for b in found.bins if b.count] == [(0.6, 2), (0.9, 1)]
    assert found.bins[6].predicted == pytest.approx(1.3) and found.bins[6].right == 1.0
    assert len(found.bins) == BINS


@pytest.mark.parametrize(
    ("count", "right", "low", "high"), [(10, 5, 0.2366, 0.7634), (10, 0, 0.0, 0.2775), (20, 19, 0.7639, 0.9911)]
)
def test_the_interval_is_wilson_s(count: int, right: int, low: float, high: float) -> None:
    """Values of Wilson's score interval at 95%, which stays within 0 and 1."""
    assert Bin(0.5, count, 0.0, right).interval() == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_policies_read_are_remembered() -> None:
    """When, and which versions; the last few."""
    found = recent(0)
    for i in range(LOADS + 1):
        found.loaded({"default": str(i)})
    assert len(found.loads) == LOADS
    assert (found.loads[-1].at, found.loads[-1].versions) == (7.0, {"default": str(LOADS)})
