"""Thinking settings in every dialect, and how a deployment's replaces a caller's."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from router.wire import thinking

CASES: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"chat_template_kwargs": {"enable_thinking": True}}, "on"),
    ({"chat_template_kwargs": {"enable_thinking": False}}, "off"),
    ({"chat_template_kwargs": {"thinking": True}}, "on"),
    ({"chat_template_kwargs": {"enable_thinking": True, "low_effort": True}}, "low"),
    ({"chat_template_kwargs": {"other": 1}}, None),
    ({"chat_template_kwargs": {"enable_thinking": "yes"}}, None),
    ({"chat_template_kwargs": None}, None),
    ({"chat_template_kwargs": True}, None),
    ({"enable_thinking": True}, "on"),
    ({"enable_thinking": False}, "off"),
    ({"enable_thinking": "x"}, None),
    ({"reasoning_effort": "none"}, "off"),
    ({"reasoning_effort": "minimal"}, "off"),
    ({"reasoning_effort": "low"}, "low"),
    ({"reasoning_effort": "medium"}, "on"),
    ({"reasoning_effort": "high"}, "on"),
    ({"reasoning_effort": "strange"}, None),
    ({"reasoning_effort": 5}, None),
    ({"reasoning": {"enabled": False, "effort": "high"}}, "off"),
    ({"reasoning": {"enabled": True}}, "on"),
    ({"reasoning": {"effort": "low"}}, "low"),
    ({"reasoning": {"max_tokens": 100}}, None),
    ({"reasoning": "x"}, None),
    ({"thinking": {"type": "enabled", "budget_tokens": 9}}, "on"),
    ({"thinking": {"type": "disabled"}}, "off"),
    ({"thinking": {"type": 5}}, None),
    ({"thinking": {}}, None),
    ({"thinking": False}, "off"),
    ({"reasoning": {"x": 1}, "thinking": {"type": "disabled"}}, "off"),
]


def raw(fields: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return {k: msgspec.Raw(json.dumps(v).encode()) for k, v in fields.items()}


@pytest.mark.parametrize(("fields", "mode"), CASES)
def test_dialects(fields: dict[str, Any], mode: str | None) -> None:
    """What is said in any provider's way; what no dialect knows says nothing."""
    assert thinking.explicit(raw(fields)) == mode


def test_numbers_out_of_range_say_nothing() -> None:
    """A field that is valid JSON but cannot be read is the upstream's to judge."""
    assert thinking.explicit({"reasoning": msgspec.Raw(b'{"max_tokens":1e999}')}) is None


KWARGS = {"chat_template_kwargs": {"enable_thinking": True}}
WRITES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, KWARGS, KWARGS),
    ({"a": 1, "chat_template_kwargs": {"enable_thinking": False}}, KWARGS, {"a": 1, **KWARGS}),
    (
        {"chat_template_kwargs": {"low_effort": True, "tone": {"a": 1}}},
        {"chat_template_kwargs": {"enable_thinking": True, "tone": {"b": 2}}},
        {"chat_template_kwargs": {"tone": {"a": 1, "b": 2}, "enable_thinking": True}},
    ),
    ({"reasoning_effort": "high", "enable_thinking": True, "thinking": {"type": "enabled"}}, KWARGS, KWARGS),
    ({"reasoning": {"effort": "high", "exclude": True}}, KWARGS, {"reasoning": {"exclude": True}, **KWARGS}),
    ({"reasoning": {"exclude": True}}, KWARGS, {"reasoning": {"exclude": True}, **KWARGS}),
    ({"reasoning": "odd"}, KWARGS, {"reasoning": "odd", **KWARGS}),
    ({"reasoning": {"effort": "high"}}, KWARGS, KWARGS),
    ({"chat_template_kwargs": None}, KWARGS, KWARGS),
    ({"reasoning_effort": "high", "z": 1}, {"reasoning_effort": "low"}, {"reasoning_effort": "low", "z": 1}),
    (
        {"thinking": {"type": "disabled", "budget_tokens": 5}},
        {"thinking": {"type": "enabled"}},
        {"thinking": {"type": "enabled", "budget_tokens": 5}},
    ),
]


@pytest.mark.parametrize(("fields", "parameters", "out"), WRITES)
def test_a_deployments_parameters_win(fields: dict[str, Any], parameters: dict[str, Any], out: dict[str, Any]) -> None:
    """They are merged deeply; the caller's settings go in every dialect, and everything else stays in its place."""
    written = json.loads(msgspec.json.encode(thinking.write(raw(fields), parameters)))
    assert written == out
    assert list(written) == list(out)
