"""The items of an answer while their pieces come in, each with the events that tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from router.wire.responses import local, thought
from router.wire.responses.free import Free
from router.wire.responses.offer import Tool

Event = tuple[str, dict[str, Any]]
"""The type of an event, and its members but for the type and the sequence number."""


class Piece(Protocol):
    """One item of the output."""

    def opened(self) -> Iterator[Event]: ...

    def closed(self, status: str) -> Iterator[Event]: ...

    def item(self, status: str) -> dict[str, Any]:
        """The item as far as it has come. `status`: in_progress, completed or incomplete."""
        ...


class Thought:
    """Thinking: as a summary, the whole of it, where the caller asks for one, else as what it is."""

    def __init__(self, index: int, name: str, *, summary: bool, sealed: bool) -> None:
        self._at = {"item_id": name, "output_index": index}
        self._summary, self._sealed = summary, sealed
        self._texts: list[str] = []

    def opened(self) -> Iterator[Event]:
        yield _added(self, self._at)
        yield f"response.{self._part_name}.added", {**self._at, **self._place, "part": self._part("")}

    def add(self, text: str) -> Event:
        self._texts.append(text)
        return f"response.{self._text_name}.delta", {**self._at, **self._place, "delta": text}

    def closed(self, status: str) -> Iterator[Event]:
        text = "".join(self._texts)
        yield f"response.{self._text_name}.done", {**self._at, **self._place, "text": text}
        yield f"response.{self._part_name}.done", {**self._at, **self._place, "part": self._part(text)}
        yield _done(self, self._at, status)

    def item(self, status: str) -> dict[str, Any]:
        text = "".join(self._texts)
        parts = [self._part(text)] if text else []
        return {
            "id": self._at["item_id"],
            "type": "reasoning",
            "summary": parts if self._summary else [],
            "content": [] if self._summary else parts,
            "encrypted_content": thought.seal(text) if self._sealed and text else None,
            "status": status,
        }

    @property
    def _text_name(self) -> str:
        return "reasoning_summary_text" if self._summary else "reasoning_text"

    @property
    def _part_name(self) -> str:
        return "reasoning_summary_part" if self._summary else "content_part"

    @property
    def _place(self) -> dict[str, Any]:
        return {"summary_index" if self._summary else "content_index": 0}

    def _part(self, text: str) -> dict[str, Any]:
        return {"type": "summary_text" if self._summary else "reasoning_text", "text": text}


class _Part:
    """A part of a message: `output_text` or `refusal`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.texts: list[str] = []
        self.logprobs: list[Any] = []

    def shown(self) -> dict[str, Any]:
        text = "".join(self.texts)
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "annotations": [], "logprobs": self.logprobs, "text": text}


class Message:
    """What the assistant says: text, and perhaps a refusal."""

    def __init__(self, index: int, name: str) -> None:
        self._at = {"item_id": name, "output_index": index}
        self._parts: list[_Part] = []

    def opened(self) -> Iterator[Event]:
        yield _added(self, self._at)

    def add(self, kind: str, text: str, logprobs: list[Any]) -> Iterator[Event]:
        if not self._parts or self._parts[-1].kind != kind:
            yield from self._close_part()
            self._parts.append(_Part(kind))
            yield "response.content_part.added", {**self._place, "part": self._parts[-1].shown()}
        self._parts[-1].texts.append(text)
        self._parts[-1].logprobs += logprobs
        more = {"logprobs": logprobs} if kind == "output_text" else {}
        yield f"response.{kind}.delta", {**self._place, "delta": text, **more}

    def closed(self, status: str) -> Iterator[Event]:
        yield from self._close_part()
        yield _done(self, self._at, status)

    def item(self, status: str) -> dict[str, Any]:
        content = [part.shown() for part in self._parts]
        return {"id": self._at["item_id"], "type": "message", "status": status, "role": "assistant", "content": content}

    @property
    def _place(self) -> dict[str, Any]:
        return {**self._at, "content_index": len(self._parts) - 1}

    def _close_part(self) -> Iterator[Event]:
        if not self._parts:
            return
        part = self._parts[-1]
        shown = part.shown()
        said = {"refusal": shown["refusal"]} if part.kind == "refusal" else {"text": shown["text"]}
        more = {"logprobs": part.logprobs} if part.kind == "output_text" else {}
        yield f"response.{part.kind}.done", {**self._place, **said, **more}
        yield "response.content_part.done", {**self._place, "part": shown}


class Call:
    """A call of a function, or of what it stands for: told piece by piece, but for what the caller's machine does."""

    def __init__(self, index: int, name: str, call_id: str, tool: Tool) -> None:
        self._at = {"item_id": name, "output_index": index}
        self._call_id, self._tool = call_id, tool
        self._texts: list[str] = []
        self._free = Free()

    def opened(self) -> Iterator[Event]:
        yield _added(self, self._at)

    def add(self, arguments: str) -> Iterator[Event]:
        self._texts.append(arguments)
        if self._tool.kind == "function" and arguments:
            yield "response.function_call_arguments.delta", {**self._at, "delta": arguments}
        elif self._tool.kind == "custom":
            yield from self._input(self._free.feed(arguments))

    def closed(self, status: str) -> Iterator[Event]:
        arguments = "".join(self._texts)
        if self._tool.kind == "function":
            more = {"arguments": arguments, "name": self._tool.name}
            yield "response.function_call_arguments.done", {**self._at, **more}
        elif self._tool.kind == "custom":
            yield from self._input(self._free.close())
            yield "response.custom_tool_call_input.done", {**self._at, "input": self._free.text}
        yield _done(self, self._at, status)

    def _input(self, said: str) -> Iterator[Event]:
        if said:
            yield "response.custom_tool_call_input.delta", {**self._at, "delta": said}

    def item(self, status: str) -> dict[str, Any]:
        arguments = "".join(self._texts)
        item: dict[str, Any] = {"id": self._at["item_id"], "type": "function_call", "status": status}
        item["call_id"] = self._call_id
        if self._tool.kind == "local":
            return {**item, "type": f"{self._tool.name}_call", **local.asked(self._tool.name, arguments)}
        if self._tool.kind == "custom":
            item |= {"type": "custom_tool_call", "name": self._tool.name, "input": self._free.text}
        else:
            item |= {"name": self._tool.name, "arguments": arguments}
        return item | ({"namespace": self._tool.namespace} if self._tool.namespace else {})


def _added(piece: Piece, at: dict[str, Any]) -> Event:
    return "response.output_item.added", {"output_index": at["output_index"], "item": piece.item("in_progress")}


def _done(piece: Piece, at: dict[str, Any], status: str) -> Event:
    return "response.output_item.done", {"output_index": at["output_index"], "item": piece.item(status)}
