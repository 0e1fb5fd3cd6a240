"""What a request offers to call, as functions: the one kind of tool that every model and server knows.

Tools that the caller runs itself become functions and are turned back when called. Tools that run at OpenAI cannot be
had here: those that agents always offer and can do without are left out, the others are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal

import msgspec

from router.step import NULL
from router.wire.body import decode, refuse, refuse_nesting
from router.wire.responses.local import LOCAL
from router.wire.tools import MAX_TOOLS

Kind = Literal["function", "custom", "local"]

MAX_NAME = 64
"""Characters of a function's name that OpenAI-compatible servers take."""
_CACHED = 65_536
"""Bytes of a tool list that is remembered: an agent sends the same one with every step."""
LEFT_OUT = ("web_search", "image_generation", "tool_search")
"""What the types of tools begin with that are left out."""
_INPUT = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The whole input of the tool, as plain text."}},
    "required": ["input"],
    "additionalProperties": False,
}


class Tool(msgspec.Struct, frozen=True):
    """A function that a model may call, as the caller knows it."""

    kind: Kind
    name: str
    namespace: str | None = None


class Offer(msgspec.Struct, frozen=True):
    tools: tuple[dict[str, Any], ...] = ()
    """As chat completions have them."""
    choice: Any = None
    """As chat completions have it."""
    known: Mapping[str, Tool] = msgspec.field(default_factory=dict)
    """Function name → the tool it stands for."""
    shown: tuple[msgspec.Raw, ...] = ()
    """The tools that are offered, as the caller wrote them."""


class _Format(msgspec.Struct, frozen=True):
    type: str = "text"
    syntax: str = ""
    definition: str = ""


class _Environment(msgspec.Struct, frozen=True):
    type: str = "local"


class _Tool(msgspec.Struct, frozen=True):
    type: str
    name: str = ""
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None
    format: _Format | None = None
    environment: _Environment | None = None
    tools: list[_Tool] | None = None


class _Choice(msgspec.Struct, frozen=True):
    type: str
    name: str = ""
    namespace: str | None = None
    mode: str = "auto"
    tools: list[_Choice] | None = None


_RAW = msgspec.json.Decoder(list[msgspec.Raw] | None)
_TOOL = msgspec.json.Decoder(_Tool)
_CHOICE = msgspec.json.Decoder(_Choice | str | None)


def chat_name(name: str, namespace: str | None = None) -> str:
    """The function that stands for a tool, perhaps one of a namespace; a name too long is cut and made distinct."""
    whole = f"{namespace}__{name}" if namespace else name
    if len(whole) <= MAX_NAME:
        return whole
    return f"{whole[: MAX_NAME - 9]}_{sha256(whole.encode()).hexdigest()[:8]}"


def read(tools: msgspec.Raw | None, choice: msgspec.Raw | None) -> Offer:
    """The fields `tools` and `tool_choice`. Raises BadRequest naming what cannot be had."""
    text = bytes(tools) if tools is not None else b"null"
    offer = _offer(text) if len(text) <= _CACHED else _offer.__wrapped__(text)
    return _chosen(offer, choice)


@lru_cache(maxsize=64)
def _offer(text: bytes) -> Offer:
    refuse_nesting(text, "tools")
    made: list[dict[str, Any]] = []
    known: dict[str, Tool] = {}
    shown: list[msgspec.Raw] = []
    for i, raw in enumerate(decode(_RAW, text, "tools") or ()):
        tool: _Tool = decode(_TOOL, raw, f"tools[{i}]")
        if tool.type.startswith(LEFT_OUT):
            continue
        shown.append(raw.copy())
        for function, stands_for in _functions(tool, f"tools[{i}]"):
            name = function["name"]
            if known.setdefault(name, stands_for) != stands_for:
                refuse(f"tools[{i}].name", f"must not be {name[:MAX_NAME]!r}, the name of another tool")
            made.append({"type": "function", "function": function})
    if len(made) > MAX_TOOLS:
        refuse("tools", f"must hold at most {MAX_TOOLS} tools")
    return Offer(tuple(made), None, known, tuple(shown))


def _functions(tool: _Tool, param: str, namespace: str | None = None) -> list[tuple[dict[str, Any], Tool]]:
    """The functions that a tool is offered as: one, or all of a namespace."""
    if tool.type == "namespace" and namespace is None:
        inner = enumerate(tool.tools or ())
        return [pair for i, one in inner for pair in _functions(one, f"{param}.tools[{i}]", tool.name)]
    if tool.type in LOCAL and (tool.environment is None or tool.environment.type == "local"):
        return [(LOCAL[tool.type].function, Tool("local", tool.type))]
    if tool.type not in ("function", "custom"):
        refuse(
            f"{param}.type",
            f"must not be {tool.type[:64]!r}: that tool runs at OpenAI. Offer a function in its place, and run it",
        )
    if not 0 < len(tool.name) <= 256:
        refuse(f"{param}.name", "must be 1 to 256 characters")
    name = chat_name(tool.name, namespace)
    if tool.type == "custom":
        return [(_free(tool, name), Tool("custom", tool.name, namespace))]
    if bytes(tool.parameters)[:1] not in (b"{", b"n"):
        refuse(f"{param}.parameters", "must be a JSON schema, an object")
    function: dict[str, Any] = {"name": name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters != NULL:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return [(function, Tool("function", tool.name, namespace))]


def _free(tool: _Tool, name: str) -> dict[str, Any]:
    """A tool that takes free text: a function with the one parameter `input`, told of the grammar it must follow."""
    form = tool.format or _Format()
    grammar = (
        f"The value of `input` must follow this {form.syntax} grammar:\n{form.definition}" if form.definition else ""
    )
    return {
        "name": name,
        "description": "\n\n".join(part for part in (tool.description or "", grammar) if part),
        "parameters": _INPUT,
    }


def _chosen(offer: Offer, raw: msgspec.Raw | None) -> Offer:
    """The offer with the caller's choice among it."""
    said = decode(_CHOICE, raw, "tool_choice") if raw is not None else None
    if said is None or isinstance(said, str):
        if said not in (None, "none", "auto", "required"):
            refuse("tool_choice", 'must be "none", "auto", "required", or an object that names a tool')
        if said == "required" and not offer.tools:
            refuse("tool_choice", "must not be required: no tool is offered that can be had here")
        return msgspec.structs.replace(offer, choice=said)
    if said.type == "allowed_tools":
        allowed = [
            _named(offer, one, f"tool_choice.tools[{i}]")
            for i, one in enumerate(said.tools or ())
            if not one.type.startswith(LEFT_OUT)
        ]
        tools = tuple(tool for tool in offer.tools if tool["function"]["name"] in allowed)
        return msgspec.structs.replace(offer, tools=tools, choice=_mode(said.mode, tools))
    return msgspec.structs.replace(
        offer, choice={"type": "function", "function": {"name": _named(offer, said, "tool_choice")}}
    )


def _mode(mode: str, tools: Sequence[dict[str, Any]]) -> str:
    if mode not in ("auto", "required"):
        refuse("tool_choice.mode", 'must be "auto" or "required"')
    if not tools:
        refuse("tool_choice.tools", "must name at least one of the tools")
    return mode


def _named(offer: Offer, said: _Choice, param: str) -> str:
    """The function that stands for the tool that is named."""
    name = said.type if said.type in LOCAL else chat_name(said.name, said.namespace)
    if name not in offer.known:
        refuse(param, "must name one of the tools, of a kind that can be had here")
    return name
