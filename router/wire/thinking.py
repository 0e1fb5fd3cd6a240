"""A caller's explicit thinking setting, in the dialect of any provider, and how a deployment's own replaces it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

Fields = Mapping[str, msgspec.Raw]

_EFFORT = {"none": "off", "minimal": "off", "low": "low", "medium": "on", "high": "on", "xhigh": "on", "max": "on"}
_SETTINGS: dict[str, frozenset[str] | None] = {
    "chat_template_kwargs": frozenset({"enable_thinking", "thinking", "low_effort"}),
    "enable_thinking": None,
    "reasoning_effort": None,
    "reasoning": frozenset({"enabled", "effort"}),
    "thinking": None,
}
"""Field → the members of it that set thinking; None where the field does nothing else."""
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def explicit(fields: Fields) -> str | None:
    """`on`, `off` or `low` where the caller says so, the first dialect that does; None otherwise."""
    for name in _SETTINGS:
        if name in fields and (mode := _mode(name, _loose(fields[name]))) is not None:
            return mode
    return None


def _mode(name: str, value: Any) -> str | None:
    """What `value` means in the dialect of the field `name`; None for what the dialect does not know."""
    if name == "reasoning_effort":
        return _EFFORT.get(value) if isinstance(value, str) else None
    if isinstance(value, bool):
        return _switch(value) if name in ("enable_thinking", "thinking") else None
    if not isinstance(value, dict):
        return None
    if name == "chat_template_kwargs":
        if value.get("low_effort") is True:
            return "low"
        return _switch(value.get("enable_thinking", value.get("thinking")))
    if name == "reasoning":
        if value.get("enabled") is False:
            return "off"
        return _mode("reasoning_effort", value.get("effort")) or _switch(value.get("enabled"))
    kind = value.get("type")
    return {"enabled": "on", "adaptive": "on", "disabled": "off"}.get(kind) if isinstance(kind, str) else None


def _switch(value: Any) -> str | None:
    return {True: "on", False: "off"}.get(value) if isinstance(value, bool) else None


def _loose(raw: msgspec.Raw) -> Any:
    """Parsed JSON, or None for what cannot be (a number out of range, a nesting past the interpreter's stack)."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def write(fields: Fields, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` with a deployment's thinking parameters merged in, which win, and the caller's own settings taken out.

    The caller's go in every dialect, so that no two contradict each other. The order of fields is kept.
    """
    out: dict[str, Any] = {}
    for name, raw in fields.items():
        members = _SETTINGS.get(name, frozenset())
        if members is None and name not in parameters:
            continue
        out[name] = raw if not members else _without(raw, members)
    for name, value in parameters.items():
        out[name] = _merged(out.get(name), value)
    return {name: value for name, value in out.items() if value is not None}


def _without(raw: msgspec.Raw, members: frozenset[str]) -> Any:
    """An object without `members`; None where nothing is left; what is no object as it came."""
    held = _object(raw)
    if held is None or not members & held.keys():
        return raw
    return {k: v for k, v in held.items() if k not in members} or None


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(new, dict):
        return new
    held = old if isinstance(old, dict) else _object(old) if old is not None else None
    if held is None:
        return new
    out = dict(held)
    for name, value in new.items():
        out[name] = _merged(out.get(name), value)
    return out


def _object(raw: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    try:
        return _OBJECT.decode(raw)
    except msgspec.DecodeError:
        return None
