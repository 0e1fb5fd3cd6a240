"""The messages of a messages request: blocks of text, pictures, thinking, tool calls and their results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from router.step import NULL
from router.wire.body import decode, refuse

Part = dict[str, Any]
Message = dict[str, Any]


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: msgspec.Raw = NULL


class Block(msgspec.Struct, frozen=True):
    """Any block; which members count depends on its type."""

    type: str
    text: msgspec.Raw = NULL
    thinking: msgspec.Raw = NULL
    source: msgspec.Raw = NULL
    title: str | None = None
    id: str = ""
    name: str = ""
    input: msgspec.Raw = NULL
    tool_use_id: str = ""
    content: msgspec.Raw = NULL
    is_error: bool | None = None


class _Source(msgspec.Struct, frozen=True):
    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: msgspec.Raw = NULL


_MESSAGES = msgspec.json.Decoder(list[_Message])
_BLOCKS = msgspec.json.Decoder(list[Block])
_SOURCE = msgspec.json.Decoder(_Source)
_TEXT = msgspec.json.Decoder(str)


def messages(raw: msgspec.Raw | None) -> list[Message]:
    """The field `messages` as chat messages. Raises BadRequest naming the block at fault."""
    if raw is None:
        refuse("messages", "is missing: send a list of at least one message")
    said = decode(_MESSAGES, raw, "messages")
    if not said:
        refuse("messages", "must hold at least one message")
    out: list[Message] = []
    for i, message in enumerate(said):
        where = f"messages[{i}].content"
        speak = _ROLES.get(message.role)
        if speak is None:
            refuse(f"messages[{i}].role", "must be user, assistant or system")
        text = bytes(message.content)
        if text[:1] == b'"':
            out.append({"role": message.role, "content": message.content})
        elif text[:1] == b"[":
            out += speak(decode(_BLOCKS, message.content, where), where)
        else:
            refuse(where, "must be a string or a list of blocks")
    return out


def texts(raw: bytes, where: str) -> list[str]:
    """The texts of a list of text blocks."""
    return [_string(block.text, f"{where}[{i}].text") for i, block in _kinds(raw, where, ("text",))]


def _kinds(raw: bytes | msgspec.Raw, where: str, allowed: tuple[str, ...]) -> list[tuple[int, Block]]:
    blocks = list(enumerate(decode(_BLOCKS, raw, where)))
    for i, block in blocks:
        if block.type not in allowed:
            refuse(f"{where}[{i}].type", f"must be {' or '.join(allowed)}, not {block.type[:64]!r}")
    return blocks


def _string(raw: msgspec.Raw, where: str) -> str:
    if bytes(raw)[:1] != b'"':
        refuse(where, "must be a string")
    text: str = decode(_TEXT, raw, where)
    return text


def _system(blocks: list[Block], where: str) -> list[Message]:
    lines = [_string(block.text, f"{where}[{i}].text") for i, block in enumerate(blocks)]
    return [{"role": "system", "content": "\n\n".join(lines)}]


def _user(blocks: list[Block], where: str) -> list[Message]:
    """The results of tools, each a message of its own, then what the user says. A picture in a result goes with what
    the user says, since not every server takes one from a tool."""
    results: list[Message] = []
    shown: list[Part] = []
    said: list[Part] = []
    for i, block in enumerate(blocks):
        here = f"{where}[{i}]"
        if block.type != "tool_result":
            said += _parts(block, here)
            continue
        if not block.tool_use_id:
            refuse(f"{here}.tool_use_id", "is missing: say whose result it is")
        parts = _result(block, here)
        pictures = [part for part in parts if part["type"] == "image_url"]
        if pictures:
            shown += [{"type": "text", "text": f"Pictures in the result of {block.tool_use_id}:"}, *pictures]
        written = [part["text"] for part in parts if part["type"] == "text"]
        results.append({"role": "tool", "tool_call_id": block.tool_use_id, "content": _told(written, block)})
    if shown or said or not results:
        results.append({"role": "user", "content": _plain([*shown, *said])})
    return results


def _result(block: Block, where: str) -> list[Part]:
    raw = bytes(block.content)
    if raw == b"null":
        return []
    if raw[:1] == b'"':
        return [{"type": "text", "text": block.content}]
    inner = f"{where}.content"
    if raw[:1] != b"[":
        refuse(inner, "must be a string or a list of blocks")
    return [part for i, b in enumerate(decode(_BLOCKS, raw, inner)) for part in _parts(b, f"{inner}[{i}]")]


def _told(written: list[Any], block: Block) -> Any:
    """A result's text. Chat completions have no mark for a failed call, so that is said in words."""
    if len(written) == 1 and not block.is_error:
        return written[0]
    text = "\n".join(decode(_TEXT, t, "text") if isinstance(t, msgspec.Raw) else t for t in written)
    return f"Error: {text}" if block.is_error and not text.lower().startswith("error") else text


def _plain(parts: list[Part]) -> Any:
    """Text alone goes as a string, which every chat template takes."""
    if len(parts) == 1 and parts[0]["type"] == "text":
        return parts[0]["text"]
    return parts or ""


def _parts(block: Block, where: str) -> list[Part]:
    """A block of a user's, or of a result, as parts of a content."""
    if block.type == "text":
        if bytes(block.text)[:1] != b'"':
            refuse(f"{where}.text", "must be a string")
        return [{"type": "text", "text": block.text}]
    if block.type == "image":
        return [_picture(block, where)]
    if block.type == "document":
        return _document(block, where)
    if block.type == "search_result":
        source = _string(block.source, f"{where}.source")
        lines = texts(bytes(block.content), f"{where}.content")
        return [{"type": "text", "text": "\n".join([f"{block.title or 'Search result'} ({source})", *lines])}]
    refuse(f"{where}.type", f"is {block.type[:64]!r}, which the models here cannot read. Leave the block out")


def _source(block: Block, where: str) -> _Source:
    source: _Source = decode(_SOURCE, block.source, f"{where}.source")
    return source


def _picture(block: Block, where: str) -> Part:
    """The bytes as a data URL; a URL as it is, for the upstream to fetch or refuse."""
    source = _source(block, where)
    if source.type == "base64":
        if not source.media_type or not source.data:
            refuse(f"{where}.source", "must have media_type and data")
        url = f"data:{source.media_type};base64,{source.data}"
    elif source.type == "url" and source.url:
        url = source.url
    else:
        refuse(f"{where}.source.type", "must be base64 or url: files are kept by Anthropic's servers only")
    return {"type": "image_url", "image_url": {"url": url}}


def _document(block: Block, where: str) -> list[Part]:
    source = _source(block, where)
    head = [{"type": "text", "text": f"Document: {block.title}"}] if block.title else []
    if source.type == "text":
        return [*head, {"type": "text", "text": source.data}]
    inner = f"{where}.source.content"
    raw = bytes(source.content)
    if source.type == "content" and raw[:1] == b'"':
        return [*head, {"type": "text", "text": source.content}]
    if source.type == "content":
        kinds = _kinds(raw, inner, ("text", "image"))
        return [*head, *(part for i, b in kinds for part in _parts(b, f"{inner}[{i}]"))]
    refuse(f"{where}.source.type", "must be text or content: the models here read no PDF. Send its text or its pages")


def _assistant(blocks: list[Block], where: str) -> list[Message]:
    """One message. Thinking of others is theirs: redacted blocks, which nobody can read, are left out."""
    said: list[str] = []
    thought: list[str] = []
    calls: list[dict[str, Any]] = []
    for i, block in enumerate(blocks):
        here = f"{where}[{i}]"
        if block.type == "text":
            said.append(_string(block.text, f"{here}.text"))
        elif block.type == "thinking":
            thought.append(_string(block.thinking, f"{here}.thinking"))
        elif block.type == "tool_use":
            calls.append(_call(block, here))
        elif block.type != "redacted_thinking":
            refuse(f"{here}.type", f"is {block.type[:64]!r}, which the models here cannot read. Leave the block out")
    message: Message = {"role": "assistant", "content": "".join(said) if said or not calls else None}
    if any(thought):
        message["reasoning_content"] = "".join(thought)
    if calls:
        message["tool_calls"] = calls
    return [message]


def _call(block: Block, where: str) -> dict[str, Any]:
    arguments = bytes(block.input)
    if not block.id or not block.name:
        refuse(where, "must have an id and a name")
    if arguments[:1] != b"{":
        refuse(f"{where}.input", "must be an object")
    return {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments.decode()}}


_ROLES: dict[str, Callable[[list[Block], str], list[Message]]] = {
    "user": _user,
    "assistant": _assistant,
    "system": _system,
}
