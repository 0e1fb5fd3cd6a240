"""The facts of a step as bounded numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.step import Facts, vector
from router.step.vector import NAMES


def named(**facts: object) -> dict[str, float]:
    return dict(zip(NAMES, vector(Facts(**facts)), strict=True))  # type: ignore[arg-type]


@given(
    st.integers(0, 2**40),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.floats(0, 1),
    st.none() | st.integers(1, 10**7),
)
def test_bounded(size: int, turn: int, results: int, share: float, limit: int | None) -> None:
    """At most 32 numbers, all within -1..1, whatever the step."""
    facts = Facts(
        input_bytes=size,
        turn=turn,
        tool_results=results,
        failure_share=share,
        reads=share,
        max_tokens=limit,
        repeated=turn,
    )
    found = vector(facts, failed=turn)
    assert len(found) == len(NAMES) <= 32 and all(-1.0 <= v <= 1.0 for v in found)


@pytest.mark.parametrize(
    ("less", "more", "name"),
    [
        ({"input_bytes": 400}, {"input_bytes": 40_000}, "input"),
        ({"max_tokens": 100}, {"max_tokens": 9000}, "max_tokens"),
        ({}, {"max_tokens": 1500}, "max_tokens given"),
        ({"turn": 1}, {"turn": 9}, "turn"),
        ({}, {"tool_results": 3}, "tool results"),
        ({"severity": 0}, {"severity": 1}, "soft failure"),
        ({"severity": 1}, {"severity": 2}, "exception"),
        ({"severity": 2}, {"severity": 3}, "refusal"),
        ({}, {"failure_share": 0.4}, "failures"),
        ({}, {"repeated": 2}, "repeated"),
        ({"reads": 0.2}, {"reads": 0.9}, "reads"),
        ({}, {"tools": 1}, "tools"),
        ({"tools": 1}, {"tools": 20}, "many tools"),
        ({}, {"schema": True}, "schema"),
        ({}, {"images": ((10, 10),)}, "image"),
        ({}, {"code": 0.5}, "code"),
        ({}, {"non_latin": 0.5}, "non-latin"),
        ({"thinking": "off"}, {"thinking": "low"}, "thinking asked"),
        ({"thinking": "on"}, {"thinking": "off"}, "thinking refused"),
    ],
)  # fmt: skip
def test_each_fact_raises_its_number(less: dict[str, object], more: dict[str, object], name: str) -> None:
    """What a number is named after is what moves it."""
    assert named(**less)[name] < named(**more)[name]


def test_failures_nobody_remembers() -> None:
    """Forgotten failures have a number of their own, for learning alone."""
    assert dict(zip(NAMES, vector(Facts(), failed=2), strict=True))["failed before"] > named()["failed before"] == 0.0
