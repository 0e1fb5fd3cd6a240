"""What was run so far."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.compare import ledger as ledgers
from router.compare.ledger import Entry, Ledger
from router.compare.sample import Task
from router.errors import ConfigError
from tests.compare.made import body, tasks


def entry(task: Task, arm: str, attempt: int = 0, success: bool = True, **more: object) -> Entry:
    numbers = {"cost_usd": 0.5, "input_tokens": 10, "output_tokens": 20, "latency_s": 2.0}
    return Entry(task.id, task.digest, arm, attempt, success, **{**numbers, **more})  # type: ignore[arg-type]


@pytest.fixture
def pair(tmp_path: Path) -> list[Task]:
    return tasks(tmp_path / "s", {"id": "a", **body()}, {"id": "b", **body()})


def test_what_was_run_is_there_again(tmp_path: Path, pair: list[Task]) -> None:
    """Of these tasks alone: a body that changed is run anew."""
    path = tmp_path / "l"
    with Ledger(path, pair) as ledger:
        ledger.add(entry(pair[0], "n"))
        ledger.add(entry(pair[1], "n", refused="no images"))
        assert ledger.has(pair[0], "n", 0) and not ledger.has(pair[0], "n", 1) and not ledger.has(pair[0], "q", 0)
        assert ledger.has(pair[1], "n", 5)
    changed = tasks(tmp_path / "s", {"id": "a", **body(temperature=1)}, {"id": "b", **body()})
    with Ledger(path, changed) as ledger:
        assert not ledger.has(changed[0], "n", 0) and ledger.has(changed[1], "n", 0)


def test_a_line_that_broke_off_is_dropped(tmp_path: Path, pair: list[Task]) -> None:
    """Whatever came before it stays, what comes after it is whole."""
    path = tmp_path / "l"
    with Ledger(path, pair) as ledger:
        ledger.add(entry(pair[0], "n"))
        ledger.add(entry(pair[1], "n"))
    path.write_bytes(path.read_bytes()[:-9])
    with Ledger(path, pair) as ledger:
        assert ledger.has(pair[0], "n", 0) and not ledger.has(pair[1], "n", 0)
        ledger.add(entry(pair[1], "n"))
    with Ledger(path, pair) as ledger:
        assert ledger.has(pair[1], "n", 0)


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path, pair: list[Task]) -> None:
    """With its line; likewise one that cannot be opened."""
    path = tmp_path / "l"
    path.write_text("hello\n")
    with pytest.raises(ConfigError, match="l:1: .*delete the file"):
        Ledger(path, pair)
    assert path.read_text() == "hello\n"
    with pytest.raises(ConfigError, match="No such file"):
        Ledger(tmp_path / "none" / "l", pair)


def test_a_trace_has_the_lines_that_every_arm_is_through_with(tmp_path: Path, pair: list[Task]) -> None:
    """Means over the attempts; a half-run line is left out, an arm that refused a line is missing there."""
    one, other = pair
    with Ledger(tmp_path / "l", pair) as ledger:
        for arm, wins in (("n", (False, True)), ("q", (True, True))):
            for attempt, success in enumerate(wins):
                ledger.add(entry(one, arm, attempt, success, cost_usd=0.1 * (attempt + 1), output_tokens=10 * attempt))
        ledger.add(entry(other, "n", 0))
        (step,) = ledgers.steps(pair, ("n", "q"), 2, ledger.done, text=False)
        assert step.step_id == "a" and step.input_tokens == 10 and step.text is None
        n = step.arms["n"]
        assert (n.success, n.attempts, n.cost_usd, n.output_tokens) == (False, (False, True), pytest.approx(0.15), 5)
        ledger.add(entry(other, "n", 1))
        ledger.add(entry(other, "q", 0, refused="too long"))
        steps = ledgers.steps(pair, ("n", "q"), 2, ledger.done, text=True)
        assert [set(s.arms) for s in steps] == [{"n", "q"}, {"n"}]
        assert steps[0].text == "6 * 7?"
        (step, _) = ledgers.steps(pair, ("n", "q"), 1, ledger.done, text=False)
        assert step.arms["n"].attempts == () and not step.arms["n"].success


def test_a_line_that_all_refused_is_no_step(tmp_path: Path, pair: list[Task]) -> None:
    """Nobody could take it."""
    with Ledger(tmp_path / "l", pair) as ledger:
        ledger.add(entry(pair[0], "n", refused="no"))
        assert ledgers.steps(pair, ("n",), 1, ledger.done, text=False) == []
