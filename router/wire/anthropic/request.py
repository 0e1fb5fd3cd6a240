"""A messages request written as a chat completion's.

What chat completions cannot say is refused by the name of the caller's field; what changes no answer of these models
(prompt cache marks, service tiers, beta fields) is left out.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from router.errors import BadRequest
from router.hints import ENTRY, IDENT
from router.step import NULL
from router.wire import body as wire_body
from router.wire.anthropic import content
from router.wire.body import flag, get, refuse
from router.wire.tools import MAX_NAME

LOW_BUDGET = 4096
"""A thinking budget below so many tokens asks for the models' low effort, where they have one."""
_BILLING = "x-anthropic-billing-header:"
"""What Claude Code writes about itself before the system prompt. It differs from request to request, so that no prompt
cache would ever hold; no model is meant to read it."""
_SESSION = re.compile(r"(?:^|_)session_([0-9a-fA-F-]{36})$")
_SAME = ("model", "temperature", "top_p", "top_k", "max_tokens")
_FOREIGN = ("mcp_servers", "container")

Fields = dict[str, msgspec.Raw]


class Asked(msgspec.Struct, frozen=True):
    """A request in chat completions' terms, and what the answer's translation has to know of it."""

    body: bytes
    show_thinking: bool = False
    """Whether the caller expects thinking blocks; to others they are not shown."""
    stops: tuple[str, ...] = ()
    session: str | None = None
    """The session that Claude Code names in `metadata.user_id`."""


class _Tool(msgspec.Struct, frozen=True):
    name: str = ""
    type: str | None = None
    description: msgspec.Raw = NULL
    input_schema: msgspec.Raw = NULL
    strict: msgspec.Raw = NULL


class _Choice(msgspec.Struct, frozen=True):
    type: str
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class _Thinking(msgspec.Struct, frozen=True):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class _Format(msgspec.Struct, frozen=True):
    type: str
    schema: msgspec.Raw = NULL


class _Output(msgspec.Struct, frozen=True):
    format: _Format | None = None


_TEXTS = msgspec.json.Decoder(list[str] | None)
_TOOLS = msgspec.json.Decoder(list[_Tool] | None)
_CHOICE = msgspec.json.Decoder(_Choice | None)
_THINKING = msgspec.json.Decoder(_Thinking | None)
_OUTPUT = msgspec.json.Decoder(_Output | None)
_FORMAT = msgspec.json.Decoder(_Format | None)
_OBJECT = msgspec.json.Decoder(dict[str, Any] | None)
_ENCODER = msgspec.json.Encoder()


def to_chat(body: bytes) -> Asked:
    """Raises BadRequest naming the field."""
    fields = wire_body.read(body)
    for name in _FOREIGN:
        if bytes(fields.get(name, NULL)) not in (b"null", b"[]"):
            refuse(name, "is run by Anthropic's servers, and the models here have nothing like it. Leave it out")
    thinking = get(fields, "thinking", _THINKING)
    metadata = get(fields, "metadata", _OBJECT) or {}
    stops = tuple(get(fields, "stop_sequences", _TEXTS) or ())
    chat: dict[str, Any] = {name: fields[name] for name in _SAME if name in fields}
    chat["messages"] = [*_system(fields), *content.messages(fields.get("messages"))]
    if stops:
        chat["stop"] = stops
    if flag(fields, "stream"):
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    chat |= _tools(fields) | _format(fields) | _caller(metadata)
    if hints := _hints(fields, thinking):
        chat["turnout"] = hints
    show = thinking is not None and thinking.type != "disabled" and thinking.display != "omitted"
    return Asked(_ENCODER.encode(chat), show, stops, _session(metadata.get("user_id")))


def _system(fields: Fields) -> list[dict[str, Any]]:
    """The system prompt as one text, since not every chat template takes it in parts."""
    raw = bytes(fields.get("system", NULL))
    if raw in (b"null", b"[]"):
        return []
    if raw[:1] == b'"':
        return [{"role": "system", "content": msgspec.Raw(raw)}]
    texts = [text for text in content.texts(raw, "system") if not text.startswith(_BILLING)]
    return [{"role": "system", "content": "\n\n".join(texts)}] if texts else []


def _tools(fields: Fields) -> dict[str, Any]:
    tools: list[_Tool] = get(fields, "tools", _TOOLS) or []
    out: dict[str, Any] = {}
    if tools:
        out["tools"] = [_tool(tool, f"tools[{i}]") for i, tool in enumerate(tools)]
    choice: _Choice | None = get(fields, "tool_choice", _CHOICE)
    if choice is None or not tools:
        return out
    out["tool_choice"] = _choice(choice, {tool.name for tool in tools})
    if choice.disable_parallel_tool_use:
        out["parallel_tool_calls"] = False
    return out


def _tool(tool: _Tool, where: str) -> dict[str, Any]:
    if tool.type not in (None, "custom"):
        refuse(
            f"{where}.type",
            f"is {tool.type!r}, a tool that only Anthropic's models know. Send it as a tool with an input_schema",
        )
    if not 0 < len(tool.name) <= MAX_NAME:
        refuse(f"{where}.name", f"must be 1 to {MAX_NAME} characters")
    if bytes(tool.input_schema)[:1] != b"{":
        refuse(f"{where}.input_schema", "must be a JSON schema, an object")
    function: dict[str, Any] = {"name": tool.name}
    for name, raw in (("description", tool.description), ("parameters", tool.input_schema), ("strict", tool.strict)):
        if bytes(raw) != b"null":
            function[name] = raw
    return {"type": "function", "function": function}


def _choice(choice: _Choice, names: set[str]) -> Any:
    if choice.type == "tool":
        if choice.name not in names:
            refuse("tool_choice.name", "must name one of the tools")
        return {"type": "function", "function": {"name": choice.name}}
    known = {"auto": "auto", "any": "required", "none": "none"}
    if choice.type not in known:
        refuse("tool_choice.type", "must be auto, any, tool or none")
    return known[choice.type]


def _format(fields: Fields) -> dict[str, Any]:
    """`output_config.format`, or `output_format` as it was called in the beta."""
    output: _Output | None = get(fields, "output_config", _OUTPUT)
    form: _Format | None = output.format if output else None
    where = "output_config.format"
    if form is None:
        form, where = get(fields, "output_format", _FORMAT), "output_format"
    if form is None:
        return {}
    if form.type != "json_schema":
        refuse(f"{where}.type", "must be json_schema")
    if bytes(form.schema)[:1] != b"{":
        refuse(f"{where}.schema", "must be a JSON schema, an object")
    schema = {"name": "answer", "schema": form.schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _caller(metadata: dict[str, Any]) -> dict[str, Any]:
    """`user`, and the entries of `metadata` that are hints."""
    user = metadata.get("user_id")
    if user is not None and not isinstance(user, str):
        refuse("metadata.user_id", "must be a string")
    hints = {name: value for name, value in metadata.items() if name.startswith(ENTRY)}
    return ({"user": user} if user else {}) | ({"metadata": hints} if hints else {})


def _hints(fields: Fields, thinking: _Thinking | None) -> dict[str, Any]:
    """The `turnout` object, with the mode of thinking in it. `adaptive` leaves the mode to the router."""
    hints: dict[str, Any] = dict(get(fields, "turnout", _OBJECT) or {})
    if thinking is None or thinking.type == "adaptive":
        return hints
    modes = {"enabled": "on", "disabled": "off", "between_tools": "on"}
    if thinking.type not in modes:
        raise BadRequest("thinking.type must be enabled, adaptive or disabled.", param="thinking.type")
    mode = modes[thinking.type]
    if thinking.budget_tokens is not None and thinking.budget_tokens < LOW_BUDGET and mode == "on":
        mode = "low"
    hints.setdefault("thinking", mode)
    return hints


def _session(user: Any) -> str | None:
    """`user_..._session_<uuid>`, or in newer clients a JSON object with `session_id`."""
    if not isinstance(user, str):
        return None
    if found := _SESSION.search(user):
        return found[1]
    if not user.startswith("{"):
        return None
    try:
        named = msgspec.json.decode(user)
    except msgspec.DecodeError:
        return None
    session = named.get("session_id") if isinstance(named, dict) else None
    return session if isinstance(session, str) and IDENT.fullmatch(session) else None
