"""The hints as `/openapi.json` describes them: the body object `turnout`."""

from __future__ import annotations

from typing import Any

from router.hints import CHECKS, HINTS

_IDENT = {"type": "string", "pattern": "^[!-~]{1,128}$"}
_NAME = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,63}$"}
_LISTED = " *[A-Za-z0-9][A-Za-z0-9 ._/-]{0,63} *"
_NAMES = {
    "anyOf": [
        {"type": "array", "minItems": 1, "maxItems": 16, "items": {"type": "string", "pattern": f"^{_LISTED}$"}},
        {"type": "string", "pattern": f"^{_LISTED}(,{_LISTED}){{0,15}}$"},
    ]
}
_DECIMAL = "^[+-]?([0-9]{1,15}(\\.[0-9]{0,20})?|\\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?$"


def _number(kind: str, **bounds: float) -> dict[str, Any]:
    """As a number, or as text."""
    text = "^-?[0-9]{1,9}$" if kind == "integer" else _DECIMAL
    return {"anyOf": [{"type": kind, **bounds}, {"type": "string", "pattern": text}]}


def _word(*words: str) -> dict[str, Any]:
    """In capitals too."""
    either = "|".join("".join(f"[{c}{c.upper()}]" for c in word) for word in words)
    return {"type": "string", "pattern": f"^({either})$", "examples": list(words)}


_VALUES: dict[str, dict[str, Any]] = {
    "step": _NAME,
    "step_id": _IDENT,
    "run_id": _IDENT,
    "attempt": _number("integer", minimum=1, maximum=16),
    "accuracy": _number("number", exclusiveMinimum=0, exclusiveMaximum=1),
    "retries": _number("integer", minimum=0, maximum=3),
    "failure_cost": _number("number", minimum=0, maximum=1_000_000),
    "output_tokens": _number("integer", minimum=1, maximum=2_000_000),
    "deadline": _number("number", minimum=0.05, maximum=3600),
    "max_cost": _number("number", exclusiveMinimum=0, exclusiveMaximum=10_000),
    "verify": {
        "anyOf": [
            {"type": "array", "minItems": 1, "maxItems": 16, "items": {"type": "string", "examples": list(CHECKS)}},
            {"type": "string", "examples": ["none", "caller", *CHECKS]},
        ]
    },
    "license": _NAMES,
    "runtime": _NAMES,
    "models": _NAMES,
    "thinking": _word("on", "off", "low"),
    "language": {"type": "string", "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"},
    "prefer": _word("cost", "speed", "accuracy"),
    "hold": {"anyOf": [{"type": "boolean"}, _word("true", "false", "1", "0")]},
    "run_retries": _number("integer", minimum=0, maximum=10_000),
    "run_max_cost": _number("number", exclusiveMinimum=0, exclusiveMaximum=1_000_000),
}

TURNOUT: dict[str, Any] = {
    "type": ["object", "null"],
    "description": "Hints, by name; does not go upstream.",
    "additionalProperties": False,
    "properties": {name: {**_VALUES[name], "description": hint.meaning} for name, hint in HINTS.items()},
}
