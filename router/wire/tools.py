"""What a request offers to call, and what it demands: `tools` and `tool_choice`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from router.wire.body import decode, refuse, refuse_nesting

MAX_TOOLS = 1024
MAX_NAME = 256
_CACHED = 65_536
"""Bytes of a tool list that is remembered: an agent sends the same one with every step."""


class Offer(msgspec.Struct, frozen=True):
    names: tuple[str, ...] = ()
    schemas: Mapping[str, bytes] = {}
    """Function name → JSON schema of its parameters. Tools of other kinds take free text, and have none."""


class _Function(msgspec.Struct, frozen=True):
    name: str
    parameters: msgspec.Raw = msgspec.Raw(b"null")


class _Named(msgspec.Struct, frozen=True):
    name: str = ""


class _Tool(msgspec.Struct, frozen=True):
    type: str = "function"
    function: _Function | None = None
    custom: _Named | None = None


class _Choice(msgspec.Struct, frozen=True):
    type: str = "function"
    function: _Named = _Named()
    custom: _Named = _Named()


_TOOLS = msgspec.json.Decoder(list[_Tool] | None)
_CHOICE = msgspec.json.Decoder(_Choice | str | None)
_NOTHING = Offer()


def offered(raw: msgspec.Raw | None) -> Offer:
    """The field `tools`. Raises BadRequest."""
    if raw is None:
        return _NOTHING
    text = bytes(raw)
    return _offer(text) if len(text) <= _CACHED else _offer.__wrapped__(text)


@lru_cache(maxsize=64)
def _offer(text: bytes) -> Offer:
    refuse_nesting(text, "tools")
    tools = decode(_TOOLS, text, "tools")
    if not tools:
        return _NOTHING
    if len(tools) > MAX_TOOLS:
        refuse("tools", f"must hold at most {MAX_TOOLS} tools")
    names, schemas = [], {}
    for i, tool in enumerate(tools):
        if tool.type != "function":
            names.append(tool.custom.name if tool.custom and tool.custom.name else tool.type)
            continue
        if tool.function is None:
            refuse(f"tools[{i}]", "lacks function")
        name, parameters = tool.function.name, bytes(tool.function.parameters)
        if not 0 < len(name) <= MAX_NAME:
            refuse(f"tools[{i}].function.name", f"must be 1 to {MAX_NAME} characters")
        names.append(name)
        if parameters == b"null":
            parameters = b"{}"
        if parameters[:1] != b"{":
            refuse(f"tools[{i}].function.parameters", "must be a JSON schema, an object")
        schemas[name] = parameters
    return Offer(tuple(names), schemas)


def choice(raw: msgspec.Raw | None, names: tuple[str, ...]) -> str | None:
    """The field `tool_choice`: `none`, `auto`, `required`, or the one function named. Raises BadRequest."""
    if raw is None:
        return None
    chosen = decode(_CHOICE, raw, "tool_choice")
    if chosen is None or isinstance(chosen, str):
        if chosen not in (None, "none", "auto", "required"):
            refuse("tool_choice", 'must be "none", "auto", "required", or an object that names a function')
        return chosen
    if chosen.type not in ("function", "custom"):
        return None  # a way of choosing that only the upstream knows
    name: str = chosen.function.name or chosen.custom.name
    if name not in names:
        refuse("tool_choice", "must name one of the functions in tools")
    return name
