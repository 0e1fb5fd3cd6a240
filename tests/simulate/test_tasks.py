"""Tasks: the same for a seed, checked from outside, mistaken plausibly."""

from __future__ import annotations

import json

import pytest

from router.simulate import tasks
from router.simulate.kinds import KEY, KINDS


@pytest.mark.parametrize("step_class", KINDS)
def test_every_task_can_be_solved_and_mistakes_are_seen(step_class: str) -> None:
    """The right answer is accepted, a plausible mistake is not, whatever stands before the answer."""
    for number in range(100):
        task = tasks.make(step_class, number, 7)
        wrong = tasks.mistake(task.answer, number)
        if step_class == "structured":
            assert tasks.correct(task, task.answer)
            assert not tasks.correct(task, wrong)
            assert json.loads(wrong).keys() == json.loads(task.answer).keys()
        else:
            assert tasks.correct(task, f"ANSWER: 0\nNo, I was wrong.\nANSWER: {task.answer}")
            assert not tasks.correct(task, f"ANSWER: {wrong}")
        assert not tasks.correct(task, None)
        assert not tasks.correct(task, task.answer[:-1])


def test_tasks_only_depend_on_class_number_and_seed() -> None:
    """The same three give the same task; another seed gives another."""
    assert tasks.make("code", 3, 7) == tasks.make("code", 3, 7)
    assert [tasks.make("code", i, 7) for i in range(5)] != [tasks.make("code", i, 8) for i in range(5)]


def test_mistaken_keys_are_still_keys() -> None:
    """A wrong tool argument keeps the pattern that the tool's schema asks for."""
    for number in range(1000):
        key = f"KX-{number:03d}"
        wrong = tasks.mistake(key, number)
        assert wrong != key
        assert KEY.fullmatch(wrong)
    assert tasks.mistake("no number", 1) == "none of these"
