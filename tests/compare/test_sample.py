"""Samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from router.compare import sample
from router.errors import ConfigError
from router.wire import chat
from tests.compare.made import body, tasks


def test_a_line_is_a_chat_body(tmp_path: Path) -> None:
    """What is the sample's own is taken out, nothing is streamed, everything else goes out as it came."""
    line = body(stream=True, stream_options={"include_usage": True}, temperature=0.5, metadata={"team": "a"})
    (task,) = tasks(tmp_path / "s", {"id": "q1", "class": "code", "run_id": 7, "expected": {"a": [1]}, **line})
    assert (task.id, task.step_class, task.run_id, task.expected) == ("q1", "code", "7", {"a": [1]})
    sent = json.loads(chat.render(task.request, "m"))
    assert sent == {"model": "m", **body(temperature=0.5, metadata={"team": "a"})}
    assert json.loads(bytes(task.body)) == {**sent, "model": "auto"}


def test_hints_fill_what_the_line_does_not_say(tmp_path: Path) -> None:
    """Class, run, id, accuracy and retries; a line without an id is called by its number."""
    hints = {"step": "code", "run_id": "r", "step_id": "s", "accuracy": 0.9, "retries": 2}
    one, other = tasks(tmp_path / "s", body(turnout=hints), body())
    assert (one.id, one.step_class, one.run_id) == ("s", "code", "r")
    assert (one.hints.accuracy, one.hints.retries) == (0.9, 2)
    assert (other.id, other.step_class, other.run_id) == ("line-2", None, None)


def test_the_digest_tells_tasks_apart(tmp_path: Path) -> None:
    """The body or the expectation changed: another task. The id alone: the same."""
    digests = [
        tasks(tmp_path / "s", line)[0].digest
        for line in (body(id="a"), body(id="b"), body(id="a", expected="x"), body(id="a", temperature=0))
    ]
    assert digests[0] == digests[1] and len(set(digests)) == 3


WRONG: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "not valid JSON"),
    "no object": ("[1]", "must be a JSON object"),
    "no messages": (json.dumps({"id": "x"}), "messages"),
    "a bad hint": (json.dumps(body(turnout={"accuracy": 2})), "accuracy"),
    "an odd id": (json.dumps(body(id=[1])), "id"),
    "the same id": (json.dumps(body(id="first")), "id 'first' stands in line 1 too"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_bad_line_is_told_by_file_and_line(name: str, tmp_path: Path) -> None:
    """As of any other file."""
    text, reason = WRONG[name]
    path = tmp_path / "s.jsonl"
    path.write_text(f"{json.dumps(body(id='first'))}\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        sample.read(path)
    assert str(caught.value).startswith(f"{path}:2: ") and reason in str(caught.value)


def test_what_is_expected_must_be_there(tmp_path: Path) -> None:
    """Where answers are to be compared with it; and an empty sample is none."""
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps(body()))
    with pytest.raises(ConfigError, match="1: lacks `expected`"):
        sample.read(path, expected=True)
    path.write_text("\n")
    with pytest.raises(ConfigError, match="holds no chat bodies"):
        sample.read(path)
