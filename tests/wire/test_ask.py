"""Hints from all four ways, and the sessions of coding agents. What refuses what is in tests/store/test_memory.py."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from router.errors import BadRequest
from router.hints import Hints
from router.step import StepRequest
from router.wire import ask


def request(model: str = "auto", **changes: Any) -> StepRequest:
    return StepRequest(model=model, fields={}, messages=(), size=0, **changes)


def test_a_plain_request_says_nothing() -> None:
    """Only the model's name is left."""
    assert ask.read(request("auto:cost-first"), {"authorization": "Bearer x"}) == ("auto:cost-first", Hints())


def test_preferences_later_win_and_constraints_narrow() -> None:
    """Model string, metadata, headers, body object, in this order."""
    name, said = ask.read(
        request(
            "auto?accuracy=0.6&retries=1&max_cost=0.5&models=a,b&prefer=cost",
            metadata={"turnout.accuracy": "0.7", "turnout.max_cost": "0.1", "turnout.prefer": "speed", "user": "x"},
            hints={"accuracy": 0.9, "models": ["b"], "max_cost": 2},
        ),
        {"x-turnout-accuracy": "0.8", "x-turnout-prefer": "accuracy", "x-other": "1"},
    )
    assert name == "auto"
    assert said == Hints(
        accuracy=0.9,
        retries=1,
        max_cost=0.1,
        models=(frozenset({"a", "b"}), frozenset({"b"})),
        prefer="accuracy",
    )


@pytest.mark.parametrize(
    ("asked", "headers", "param"),
    [
        (request("auto?accuracy=2"), {}, "model?accuracy"),
        (request("auto?retries=1&retries=2"), {}, "model"),
        (request(metadata={"turnout.retries": "9"}), {}, "metadata.turnout.retries"),
        (request(), {"x-turnout-deadline": "never"}, "x-turnout-deadline"),
        (request(), {"x-turnout-nope": "1"}, "x-turnout-nope"),
        (request(hints={"hold": "perhaps"}), {}, "turnout.hold"),
        (request(hints={"nope": 1}), {}, "turnout.nope"),
        (request(), {"x-turnout-step-id": "a\r\nset-cookie: b"}, "x-turnout-step_id"),
    ],
)
def test_a_bad_hint_is_named_with_its_way(asked: StepRequest, headers: dict[str, str], param: str) -> None:
    """A 400 that says where to look."""
    with pytest.raises(BadRequest) as caught:
        ask.read(asked, headers)
    assert caught.value.status == 400 and (caught.value.param or "").replace("-", "_") == param.replace("-", "_")


@pytest.mark.parametrize("header", ask.SESSIONS)
def test_a_coding_agents_session_is_the_run(header: str) -> None:
    """Codex, Claude Code and opencode each have their own header."""
    assert ask.read(request(), {header: "550e8400-e29b"})[1].run_id == "550e8400-e29b"


def test_a_hint_goes_before_a_session_and_a_usable_session_before_one_that_is_not() -> None:
    """A session that cannot be an id is ignored: it was not meant for Turnout."""
    headers = {"x-session-id": "has spaces", "session-id": "s" * 200, "x-session-affinity": "good"}
    assert ask.read(request(), headers)[1].run_id == "good"
    assert ask.read(request(), {"x-session-id": "\u00e9"})[1].run_id is None
    assert ask.read(request("auto?run_id=mine"), headers)[1].run_id == "mine"


@pytest.mark.parametrize(
    ("key", "run"), [('"c-1"', "c-1"), ('"a b"', None), ('""', None), ("7", None), ("null", None), ('["a"]', None)]
)
def test_a_prompt_cache_key_names_the_run_last(key: str, run: str | None) -> None:
    """Where neither a hint nor a header does; one that is no name names nothing, and is the upstream's to refuse."""
    asked = request()
    asked.fields["prompt_cache_key"] = msgspec.Raw(key.encode())
    assert ask.read(asked, {})[1].run_id == run
    assert ask.read(asked, {"session-id": "s"})[1].run_id == "s"
