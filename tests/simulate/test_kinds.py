"""Each kind of task: its answer follows from the question."""

from __future__ import annotations

import json

import pytest

from router.simulate import tasks
from router.simulate.kinds import KEY, Seen, depot_log, stock


@pytest.mark.parametrize(
    ("step_class", "question", "answer"),
    [
        ("code", "def total(n):\n    return n * 7 + MISSING\n assert total(12) == 131", "47"),
        (
            "reasoning",
            "A depot holds 30 crates of 20 parts each. After 7 parts are scrapped?",
            "593",
        ),
        ("science", "A body moves at 3 m/s for 10 s and then at 5 m/s for 4 s.", "50"),
        ("hard", "Start at 2. Multiply by 3, add 1, remainder on division by 10; after 2 rounds?", "2"),
        ("knowledge", "Foundings: Arda in 1200, Holm in 1777. In which year was Holm founded?", "1777"),
        ("multilingual", "仓库有 12 箱，每箱 10 个零件，缺少 5 个。一共有多少个零件？", "115"),
        ("structured", "Mira Okafor orders 3 pieces of bolt at 40 cents each.", None),
    ],
)
def test_questions_are_solved_by_their_arithmetic(step_class: str, question: str, answer: str | None) -> None:
    """Answers worked out by hand."""
    found = tasks.solve(step_class, question, Seen())
    if answer is None:
        assert json.loads(found) == {"customer": "Mira Okafor", "item": "bolt", "quantity": 3, "total_cents": 120}
    else:
        assert found == answer


def test_what_is_not_in_the_prompt_cannot_be_solved() -> None:
    """Questions of the wrong kind, without their picture, or before the tool was asked, raise ValueError."""
    looked_up = tasks.make("tool_use", 1, 7)
    cases = [
        ("code", "no numbers here"),
        ("hard", "Start at 1, 2, 3, 0, 5"),
        ("knowledge", "When?"),
        ("structured", "Nothing is ordered"),
        ("vision", "What colour?"),
        ("tool_use", looked_up.question),
        ("gardening", "Which flower?"),
    ]
    for step_class, question in cases:
        with pytest.raises(ValueError, match=r"."):
            tasks.solve(step_class, question, Seen())
    assert looked_up.answer == str(sum(stock(key) for key in KEY.findall(looked_up.question)))


def test_the_depot_log_holds_every_code() -> None:
    """A long context is about as long as asked and has the answer of any depot in it."""
    log = depot_log(200_000)
    assert 180_000 < len(log) <= 200_000
    task = tasks.make("long_context", 1, 7)
    depot = task.question.split("depot ")[1].split(",")[0]
    assert f"The access code of depot {depot} is {task.answer}." in log
