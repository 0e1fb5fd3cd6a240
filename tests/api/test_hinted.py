"""The hints as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import hints
from router.api.hinted import TURNOUT
from router.errors import BadRequest

SCHEMA = jsonschema_rs.validator_for(TURNOUT)


def test_every_hint_is_described() -> None:
    """By its name and its meaning."""
    assert TURNOUT["properties"].keys() == hints.HINTS.keys()
    assert all(TURNOUT["properties"][name]["description"] == hint.meaning for name, hint in hints.HINTS.items())


VALUES: list[Any] = [
    0, 1, 2, 3, 4, 16, 17, -1, 0.05, 0.5, 0.01, 1.0, 3600, 3601, 10_000, 10_001, 1e6, 2e6, 1e7, True, False, "none",
    "caller", "schema,tools", "a,b",
    "ON", "TRUE", "0.5", "1e-3", "on", "off", "low", "cost", "speed", "en", "zh-Hant",
    "a b", "", "x" * 65, "\u00e9", ["schema"], [],
    ["qwen3.5-122b/off"], ["a"] * 17,
]  # fmt: skip


@given(st.sampled_from(sorted(hints.HINTS)), st.sampled_from(VALUES))
def test_what_is_taken_is_described(name: str, value: Any) -> None:
    """Whatever the reader takes fits the schema, and whatever else fits it is text, which has rules of its own."""
    try:
        hints.read([("turnout.", {name: value})])
        taken = True
    except BadRequest:
        taken = False
    fits = SCHEMA.is_valid({name: value})
    assert fits or not taken
    assert taken or not fits or isinstance(value, str | list)


@pytest.mark.parametrize(
    "hint", [{"retries": 4}, {"accuracy": 1.0}, {"nothing": 1}, {"thinking": "maybe"}, {"hold": "no"}]
)
def test_what_breaks_it_is_refused(hint: dict[str, Any]) -> None:
    """By both."""
    assert not SCHEMA.is_valid(hint)
    with pytest.raises(BadRequest):
        hints.read([("turnout.", hint)])
