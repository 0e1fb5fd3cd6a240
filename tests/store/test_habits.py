"""How often answers were seen to be rejected, or to show a sign."""

from __future__ import annotations

from typing import Any

import pytest

from router import verdicts
from router.evidence import Often
from router.store.habits import CAUTION, MEMORY, Habits
from tests.decided import N, answer, decided


def learn(habits: Habits, times: int = 1, *, resent: bool | None = None, **changes: Any) -> None:
    """So many decisions; `resent`: whether each was asked for again, None where that is not known."""
    for _ in range(times):
        new = decided("d1", *changes.get("answers", ()), **{k: v for k, v in changes.items() if k != "answers"})
        case, change = verdicts.begun((), new)
        found = [change]
        if resent:
            found.append(verdicts.begun(case, decided("d2"), ("d1",))[1])
        elif resent is False and (closed := verdicts.closed(case, "d1", 1.0)) is not None:
            found.append(closed[1])
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
        ("resend", {"resent": True}),
    ],
)
def test_what_is_seen_is_counted(field: str, shown: dict[str, Any]) -> None:
    """Each by itself, against a start that says rare."""
    habits = Habits()
    learn(habits, 10, **shown)
    assert often(habits)._asdict() == {**Often()._asdict(), field: 10 / (10 + CAUTION)}


def test_silence_is_counted_too() -> None:
    """Of the answers that could have shown it."""
    habits = Habits()
    learn(habits, 10, resent=True)
    learn(habits, 30, resent=False)
    learn(habits, 99)
    assert often(habits).resend == pytest.approx(10 / (40 + CAUTION))


def test_callers_and_classes_differ() -> None:
    """A caller that never asks again says nothing by it, whatever others do; checks are of their class."""
    habits = Habits()
    learn(habits, 10, resent=True, answers=(answer(N, True),))
    assert often(habits).resend > 0 == often(habits, key_id="other").resend
    learn(habits, 10, answers=(answer(N, False),))
    assert often(habits).checks > 0
    assert often(habits, step_class="other").checks == often(habits, checks=("tools",)).checks == 0
    assert often(habits, policy="other").checks == 0


def test_habits_change() -> None:
    """What was seen long ago counts less and less."""
    habits = Habits()
    learn(habits, int(MEMORY), answers=(answer(truncated=True),))
    high = often(habits).truncation
    learn(habits, int(2 * MEMORY), answers=(answer(truncated=False),))
    assert high > 0.98 and often(habits).truncation < 0.2
