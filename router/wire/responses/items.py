"""Input items as chat messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import msgspec

from router.step import NULL
from router.wire.body import decode, refuse
from router.wire.responses import content, ids, offer, thought
from router.wire.responses.content import Content
from router.wire.responses.local import LOCAL, patched, printed

HOSTED = ("web_search_", "file_search_", "code_interpreter_", "image_generation_", "tool_search_", "mcp_")
"""What the types of items begin with that tools at OpenAI left behind; their fruit is in the messages that follow."""


REFERENCE = "item_reference"


class Item(msgspec.Struct, frozen=True):
    """One item, of whatever type; a message may leave its type out."""

    type: str = "message"
    id: str | None = None
    role: str | None = None
    content: msgspec.Raw = NULL
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: msgspec.Raw = NULL
    input: msgspec.Raw = NULL
    output: msgspec.Raw = NULL
    action: msgspec.Raw = NULL
    operation: msgspec.Raw = NULL
    status: str | None = None
    summary: msgspec.Raw = NULL
    encrypted_content: str | None = None


_ITEM = msgspec.json.Decoder(Item)
_TEXT = msgspec.json.Decoder(str)


def read(items: Sequence[msgspec.Raw], param: str) -> list[Item]:
    """Raises BadRequest naming the item and its member that is wrong."""
    return [decode(_ITEM, raw, f"{param}[{i}]") for i, raw in enumerate(items)]


def messages(history: Sequence[Item], new: Sequence[Item], instructions: str | None) -> list[dict[str, Any]]:
    """The conversation of chat messages that earlier items, the request's own, and its instructions come to.

    Chat templates take one system message, the first: instructions and what is said by the system or developer before
    anybody else make that up; what they say later stays in its place, in the user's name. Raises BadRequest.
    """
    writer = _Writer(instructions)
    whole = [*((item, "previous_response_id") for item in history)]
    whole += [(item, f"input[{i}]") for i, item in enumerate(new)]
    asked = max((i for i, (item, _) in enumerate(whole) if item.role == "user"), default=-1)
    for i, (item, param) in enumerate(whole):
        # A model is told what it thought in this turn; templates and makers drop what it thought before.
        if item.type != "reasoning" or i > asked:
            writer.add(item, param)
    return writer.done()


class _Writer:
    """Gathers items into messages: what an assistant says, thinks and calls between two others is one message."""

    def __init__(self, instructions: str | None) -> None:
        self._messages: list[dict[str, Any]] = []
        self._system = [instructions] if instructions else []
        self._turn: dict[str, Any] = {}
        self._pictures: list[dict[str, Any]] = []
        self._calls: set[str] = set()

    def add(self, item: Item, param: str) -> None:
        if item.type.startswith(HOSTED):
            return
        _KINDS.get(item.type, _unknown)(self, item, param)

    def done(self) -> list[dict[str, Any]]:
        self._flush()
        system = [{"role": "system", "content": "\n\n".join(self._system)}] if self._system else []
        return system + self._messages

    def message(self, item: Item, param: str) -> None:
        read = content.read(item.content, f"{param}.content")
        if item.role == "assistant":
            self._say(read.text(""))
        elif item.role in ("system", "developer"):
            self._flush()
            if self._messages or read.images:
                self._messages.append({"role": "user", "content": read.chat()})
            else:
                self._system.append(read.text("\n\n"))
        elif item.role == "user":
            self._flush()
            self._messages.append({"role": "user", "content": read.chat()})
        else:
            refuse(f"{param}.role", "must be user, assistant, system or developer")

    def _say(self, text: str) -> None:
        self._show()
        if self._turn.get("content") and not self._turn.get("tool_calls"):
            self._flush()
        self._turn["content"] = "\n\n".join(part for part in (self._turn.get("content"), text) if part)

    def reasoning(self, item: Item, param: str) -> None:
        text = _thought(item)
        self._show()
        if text and (self._turn.get("content") or self._turn.get("tool_calls")):
            self._flush()
        if text:
            self._turn["reasoning_content"] = self._turn.get("reasoning_content", "") + text

    def function(self, item: Item, param: str) -> None:
        arguments = _text(item.arguments, f"{param}.arguments")
        self._call(item, param, offer.chat_name(_name(item, param), item.namespace), arguments)

    def custom(self, item: Item, param: str) -> None:
        said = _text(item.input, f"{param}.input")
        self._call(item, param, offer.chat_name(_name(item, param), item.namespace), _json({"input": said}))

    def local(self, item: Item, param: str) -> None:
        kind = item.type.removesuffix("_call")
        member = LOCAL[kind].member
        asked = bytes(item.operation if member == "operation" else item.action).decode()
        if asked[:1] != "{":
            refuse(f"{param}.{member}", "must be an object")
        self._call(item, param, kind, asked)

    def _call(self, item: Item, param: str, name: str, arguments: str) -> None:
        call_id = _call_id(item, param)
        self._calls.add(call_id)
        self._show()
        called = {"name": name, "arguments": arguments if arguments.strip() else "{}"}
        self._turn.setdefault("tool_calls", []).append({"id": call_id, "type": "function", "function": called})

    def output(self, item: Item, param: str) -> None:
        if not item.call_id and item.name:
            self._unasked(item, param)
            return
        call_id = _call_id(item, param)
        if call_id not in self._calls:
            refuse(f"{param}.call_id", f"must be that of a call before it; there is none called {call_id[:64]!r}")
        self._close()
        read = _output(item, f"{param}.output")
        self._messages.append({"role": "tool", "tool_call_id": call_id, "content": read.text("\n")})
        if read.images:
            # Few servers take pictures in a tool's message, and nothing may stand between the messages of its tools.
            about = {"type": "text", "text": f"What the call {call_id} returned:"}
            self._pictures += [about, *read.images]

    def _unasked(self, item: Item, param: str) -> None:
        """What a tool tells of its own accord, as Codex has its goals do: no call is there that it could answer."""
        self._flush()
        read = content.read(item.output, f"{param}.output")
        about = {"type": "text", "text": f"{offer.chat_name(item.name or '', item.namespace)}:"}
        self._messages.append({"role": "user", "content": [about, *read.listed()]})

    def _flush(self) -> None:
        self._close()
        self._show()

    def _close(self) -> None:
        """Ends what the assistant says."""
        if self._turn:
            self._messages.append({"role": "assistant", "content": None, **self._turn})
            self._turn = {}

    def _show(self) -> None:
        """Puts the pictures that tools returned before whatever follows their messages."""
        if self._pictures:
            self._messages.append({"role": "user", "content": self._pictures})
            self._pictures = []


def _output(item: Item, param: str) -> Content:
    if item.type == "shell_call_output":
        return Content((printed(item.output, param),))
    if item.type == "apply_patch_call_output":
        return Content((patched(item.output, item.status, param),))
    return content.read(item.output, param)


def _name(item: Item, param: str) -> str:
    if not item.name:
        refuse(f"{param}.name", "is missing: send the name of the tool")
    return item.name


def _call_id(item: Item, param: str) -> str:
    call_id = item.call_id or (item.id if item.type == "local_shell_call_output" else None)
    if not call_id:
        refuse(f"{param}.call_id", "is missing: send the id that the call has")
    return call_id


def _text(raw: msgspec.Raw, param: str) -> str:
    text: str = decode(_TEXT, raw, param)
    return text


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _thought(item: Item) -> str:
    """What was thought, where it is ours to read; what another maker's model thought is for no other model."""
    if item.encrypted_content:
        return thought.unseal(item.encrypted_content) or ""
    return content.lenient(item.content) or (content.lenient(item.summary) if ids.response_of(item.id) else "")


def _unknown(writer: _Writer, item: Item, param: str) -> NoReturn:
    refuse(f"{param}.type", f"must not be {item.type[:64]!r}: no model here can read such an item")


def _reference(writer: _Writer, item: Item, param: str) -> NoReturn:
    refuse(f"{param}.id", f"must be that of an item of a response that is kept; {(item.id or '')[:64]!r} is not")


_KINDS: dict[str, Callable[[_Writer, Item, str], None]] = {
    "message": _Writer.message,
    "reasoning": _Writer.reasoning,
    "function_call": _Writer.function,
    "custom_tool_call": _Writer.custom,
    **{f"{kind}_call": _Writer.local for kind in LOCAL},
    "function_call_output": _Writer.output,
    "custom_tool_call_output": _Writer.output,
    **{f"{kind}_call_output": _Writer.output for kind in LOCAL},
    REFERENCE: _reference,
}
