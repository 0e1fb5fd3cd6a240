"""Trace files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from router.errors import ConfigError
from router.learning import trace
from router.learning.trace import MAX_ARMS, MAX_LINE
from tests.learning.made import world

GOOD: dict[str, Any] = {"step_id": "a", "input_tokens": 5, "arms": {"m": {"success": True, "cost_usd": 0.5}}}


def line(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes})


def arm(**changes: Any) -> dict[str, Any]:
    return {"m": {"success": True, "cost_usd": 0.5, **changes}}


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """Every field survives, and the file ends whole."""
    steps = world(20)
    path = tmp_path / "t.jsonl"
    assert trace.write(path, steps) == 20
    assert trace.read(path) == steps
    assert [p.name for p in tmp_path.iterdir()] == ["t.jsonl"]


def test_the_documented_form_is_read(tmp_path: Path) -> None:
    """All fields by their names in the file; unknown ones and blank lines are passed over."""
    path = tmp_path / "t.jsonl"
    more = {"run_id": "r", "class": "code", "text": "fix", "features": {"turn": 3, "x": "y"}, "accuracy": 0.9}
    path.write_text("\n" + line(**more, retries=2, note="new") + "\n\n")
    (step,) = trace.read(path)
    assert (step.step_id, step.run_id, step.step_class, step.text) == ("a", "r", "code", "fix")
    assert (step.features, step.accuracy, step.retries) == ({"turn": 3, "x": "y"}, 0.9, 2)
    assert step.arms["m"].success and step.arms["m"].cost_usd == 0.5


WRONG = {
    "no JSON": ("{", "truncated"),
    "too deep": ('{"x":' + "[" * 100_000, "too deeply"),
    "not an object": ("[]", "Expected `object`"),
    "no UTF-8": ('{"step_id":"\udce9"}', "UTF-8"),
    "nothing": ("", "holds no steps"),
    "no arms": (line(arms={}), "arms"),
    "arms missing": ('{"step_id":"a","input_tokens":1}', "missing required field `arms`"),
    "success a number": (line(arms=arm(success=1)), "success"),
    "negative cost": (line(arms=arm(cost_usd=-1)), "cost_usd"),
    "endless cost": (line(arms=arm(cost_usd=1e300)), "cost_usd"),
    "negative tokens": (line(input_tokens=-1), "input_tokens"),
    "accuracy of one": (line(accuracy=1), "accuracy"),
    "empty id": (line(step_id=""), "step_id"),
    "odd class": (line(**{"class": "a\nb"}), "class"),
    "nested feature": (line(features={"a": {}}), "features"),
    "too many arms": (line(arms={f"m{i}": arm()["m"] for i in range(MAX_ARMS + 1)}), "arms"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_bad_line_is_told_by_file_and_line(name: str, tmp_path: Path) -> None:
    """`file:line: reason`, the first that is wrong."""
    text, reason = WRONG[name]
    path = tmp_path / "t.jsonl"
    first = "" if name == "nothing" else line(step_id="first") + "\n"
    path.write_bytes((first + text).encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        trace.read(path)
    assert caught.value.line == (None if name == "nothing" else 2)
    assert str(caught.value).startswith(f"{path}:") and reason in str(caught.value)


def test_tokens_may_be_written_as_fractions(tmp_path: Path) -> None:
    """As data frames write them."""
    path = tmp_path / "t.jsonl"
    path.write_text(line(input_tokens=5.0, arms=arm(output_tokens=150.0)))
    (step,) = trace.read(path)
    assert (step.input_tokens, step.arms["m"].output_tokens) == (5, 150)


def test_a_step_stands_once(tmp_path: Path) -> None:
    """The second line with a step's id is refused, with the first one's number."""
    path = tmp_path / "t.jsonl"
    path.write_text(f"{line()}\n{line(step_id='b')}\n{line()}\n")
    with pytest.raises(ConfigError, match=r"t\.jsonl:3: step_id 'a' stands in line 1 too"):
        trace.read(path)


def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    """A line over the limit is not held in memory; arms are counted over the whole trace."""
    path = tmp_path / "t.jsonl"
    path.write_text("x" * (MAX_LINE + 1))
    with pytest.raises(ConfigError, match="1: a line has at most"):
        trace.read(path)
    path.write_text("\n".join(line(step_id=f"s{i}", arms={f"m{i}": arm()["m"]}) for i in range(MAX_ARMS + 1)))
    with pytest.raises(ConfigError, match=f":{MAX_ARMS + 1}: names arm number"):
        trace.read(path)


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """Reading and writing alike, with the system's reason and without leaving anything behind."""
    with pytest.raises(ConfigError, match="No such file"):
        trace.read(tmp_path / "none")
    with pytest.raises(ConfigError, match="No such file"):
        trace.write(tmp_path / "none" / "t.jsonl", [])
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="folder"):
        trace.write(tmp_path / "folder", world(1))
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [((), [True, True, True]), ((False, True), [False, True, True]), ((False,), [False, False, False])],
)
def test_attempts_beyond_the_record_repeat_the_last(recorded: tuple[bool, ...], expected: list[bool]) -> None:
    """Without attempts the one outcome holds for all; the first of several stands for `success`."""
    tried = trace.Tried(success=True, cost_usd=0, attempts=recorded)
    assert [tried.right(n) for n in range(3)] == expected
