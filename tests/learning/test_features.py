"""Step facts in a trace."""

from __future__ import annotations

from router.learning import features
from router.step import Facts
from tests.learning.made import step, tried

ARMS = {"a": tried(True)}


def test_facts_survive_the_trace() -> None:
    """What a request says of a step is there again when it is replayed, but for the pictures' sizes."""
    facts = Facts(
        input_bytes=4_000,
        code=0.25,
        images=((64, 64), (0, 0)),
        turn=3,
        tools=2,
        schema=True,
        max_tokens=9,
        severity=2,
    )
    told = features.told(facts)
    assert told == {"code": 0.25, "images": 2, "turn": 3, "tools": 2, "schema": True, "max_tokens": 9, "severity": 2}
    again = features.facts(step(0, ARMS, features=told))
    assert again == Facts(**{**{n: getattr(facts, n) for n in facts.__struct_fields__}, "images": ((0, 0), (0, 0))})
    assert features.told(again) == told


def test_an_ordinary_step_says_nothing() -> None:
    """Only what is out of the ordinary is written."""
    assert features.told(Facts(input_bytes=100)) == {}


def test_strange_features_do_no_harm() -> None:
    """Other names are ignored, and numbers stay within bounds."""
    odd = {"mood": "good", "turn": -5, "images": 1e300, "n": 0, "max_tokens": "many", "code": True, "text": 1}
    found = features.facts(step(0, ARMS, features=odd))
    assert (found.turn, len(found.images), found.n, found.max_tokens, found.code) == (0, 16, 1, 1, 1.0)
    assert found.text == b""


def test_words_are_read_on_request() -> None:
    """Hashed, and only where somebody wants them."""
    one = step(0, ARMS, text="fix the parser")
    assert features.facts(one).text == b"" and features.facts(one, words=True).text
