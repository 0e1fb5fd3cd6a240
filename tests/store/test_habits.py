"""How often answers were seen to be rejected, or to show a sign."""

from __future__ import annotations

from typing import Any

import pytest

from router import verdicts
from router.evidence import Often
from router.store.habits import CAUTION, MEMORY, Habits
from tests.decided import N, answer, decided, verdict


def learn(habits: Habits, times: int = 1, *, resent: bool | None = None, **changes: Any) -> None:
    """So many decisions; `resent`: whether each was asked for again, None where that is not known."""
    for _ in range(times):
        new = decided("d1", *changes.get("answers", ()), **{k: v for k, v in changes.items() if k != "answers"})
        case, change = verdicts.begun((), new)
        found = [change]
        if resent:
            found.append(verdicts.begun(case, decided("d2"), ("d1",))[1])
        elif resent is False:
            habits.silent(new)
        habits.learn(new, found)


def often(habits: Habits, **changes: Any) -> Often:
    return habits.known(decided("new", **changes)).often


def test_at_first_everything_is_taken_to_be_rare() -> None:
    """And after answers that show nothing, too."""
    habits = Habits()
    assert often(habits) == Often()
    learn(habits, 5, answers=(answer(N, True, truncated=False, garbled=False),), resent=False)
    assert often(habits) == Often()


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("checks", {"answers": (answer(N, False),)}),
        ("truncation", {"answers": (answer(truncated=True),)}),
        ("tool_parse", {"answers": (answer(garbled=True),)}),
    ],
)
def test_what_is_seen_is_counted(field: str, shown: dict[str, Any]) -> None:
    """Each by itself, against a start that says rare."""
    habits = Habits()
    learn(habits, 10, **shown)
    assert often(habits)._asdict() == {**Often()._asdict(), field: 10 / (10 + CAUTION)}


def test_checks_are_of_their_class() -> None:
    """And of their policy."""
    habits = Habits()
    learn(habits, 10, answers=(answer(N, False),))
    assert often(habits).checks > 0
    assert often(habits, step_class="other").checks == often(habits, checks=("tools",)).checks == 0
    assert often(habits, policy="other").checks == 0


ASKS = {"verify": "caller", "t": 1.0, "f": 0.0, "left": 1}


def test_silence_says_as_much_as_the_caller_complains() -> None:
    """Each caller by itself, class by class; who has no try left, or names no step, cannot ask again."""
    habits = Habits()
    learn(habits, 10, resent=True, **ASKS)
    assert habits.says(decided(**ASKS)) > 0.9
    assert habits.says(decided(**ASKS | {"left": 0})) == habits.says(decided(**ASKS, step_id=None)) == 0.0
    assert habits.says(decided(**ASKS, key_id="other")) == habits.says(decided(**ASKS, step_class="other"))
    assert habits.says(decided(**ASKS, key_id="other")) == pytest.approx(0.5 * 0.99)
    learn(habits, 200, resent=False, **ASKS, key_id="mute")
    assert habits.says(decided(**ASKS, key_id="mute")) == 0.0


def told(habits: Habits, times: int, success: float, source: str = "caller", **changes: Any) -> None:
    for _ in range(times):
        habits.told(decided(**changes), verdict(success, source))


def test_who_tells_of_wrong_answers_alone_says_something_by_silence() -> None:
    """Even of steps without a name. Who tells of right ones too does not, and a run's verdict is about no answer."""
    habits = Habits()
    nameless = decided("d1", answer(p=0.8), step_id=None)
    assert not habits.listens(nameless) and habits.says(nameless) == 0.0
    for _ in range(10):
        told(habits, 1, 0.0)
        for _ in range(4):
            habits.silent(nameless)
    assert habits.listens(nameless) and habits.says(nameless) > 0.8
    told(habits, 4, 1.0)
    assert habits.says(nameless) < 0.05
    told(habits, 3, 0.0, "run:caller", key_id="other")
    told(habits, 3, 0.0, key_id="other", answers=())
    assert habits.says(decided(step_id=None, key_id="other")) == 0.0


def test_what_is_not_in_use_is_not_waited_for() -> None:
    """Nobody complains of what never arrived."""
    habits = Habits()
    assert habits.listens(decided()) and not habits.listens(decided(delivered=False))


def test_a_wrong_answer_that_was_told_of_and_not_asked_for_again() -> None:
    """Then it is known that wrong answers are kept; it is no silence of the other kind."""
    habits = Habits()
    learn(habits, 30, resent=True, **ASKS)
    before = habits.says(decided(**ASKS))
    for _ in range(30):
        habits.silent(decided(**ASKS, verdicts=(verdict(0.0),)))
    assert habits.says(decided(**ASKS)) < 0.9 * before


def test_habits_change() -> None:
    """What was seen long ago counts less and less."""
    habits = Habits()
    learn(habits, int(MEMORY), answers=(answer(truncated=True),))
    high = often(habits).truncation
    learn(habits, int(2 * MEMORY), answers=(answer(truncated=False),))
    assert high > 0.98 and often(habits).truncation < 0.2
