"""The content of an item: a text, or parts of text and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from router.step import NULL
from router.wire.body import decode, refuse

_DETAILS = {"low": "low", "high": "high", "auto": "auto", "original": "high"}


class Part(msgspec.Struct, frozen=True):
    type: str = ""
    text: str | None = None
    refusal: str | None = None
    image_url: str | dict[str, msgspec.Raw] | None = None
    """An object where a chat completion's part was sent; refused by its type."""
    file_id: str | None = None
    detail: str | None = None


_PARTS = msgspec.json.Decoder(list[Part])
_TEXT = msgspec.json.Decoder(str)
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_TEXTS = ("input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text")


class Content(msgspec.Struct, frozen=True):
    parts: tuple[str | dict[str, Any], ...]
    """Texts, and pictures as chat completions have them, in order."""

    def text(self, between: str) -> str:
        return between.join(part for part in self.parts if isinstance(part, str))

    @property
    def images(self) -> list[dict[str, Any]]:
        return [part for part in self.parts if isinstance(part, dict)]

    def chat(self) -> str | list[dict[str, Any]]:
        """A text where it is no more than that, since every server takes texts; else parts."""
        if len(self.parts) == 1 and isinstance(self.parts[0], str):
            return self.parts[0]
        return self.listed()

    def listed(self) -> list[dict[str, Any]]:
        return [{"type": "text", "text": part} if isinstance(part, str) else part for part in self.parts]


def read(raw: msgspec.Raw, param: str) -> Content:
    """Raises BadRequest naming the part that is wrong, or that no model here can take."""
    if bytes(raw)[:1] == b'"':
        return Content((decode(_TEXT, raw, param),))
    if bytes(raw)[:1] != b"[":
        refuse(param, "must be a string or a list of parts")
    return Content(tuple(_read(decode(_PARTS, raw, param), param)))


def _read(parts: list[Part], param: str) -> Iterator[str | dict[str, Any]]:
    for i, part in enumerate(parts):
        where = f"{param}[{i}]"
        if part.type in _TEXTS:
            text = part.refusal if part.type == "refusal" else part.text
            if text is None:
                refuse(where, f"lacks {'refusal' if part.type == 'refusal' else 'text'}")
            yield text
        elif part.type == "input_image":
            yield _image(part, where)
        elif part.type == "input_file":
            refuse(f"{where}.type", "must not be 'input_file': files are not read here. Send the text, or pictures")
        else:
            refuse(f"{where}.type", f"must be input_text, output_text, refusal or input_image, not {part.type[:64]!r}")


def _image(part: Part, where: str) -> dict[str, Any]:
    if not isinstance(part.image_url, str):
        refuse(f"{where}.image_url", "is missing: send a URL or a data: URL; uploaded files are not kept here")
    url: dict[str, Any] = {"url": part.image_url}
    if part.detail is not None:
        if part.detail not in _DETAILS:
            refuse(f"{where}.detail", f"must be one of {', '.join(_DETAILS)}")
        url["detail"] = _DETAILS[part.detail]
    return {"type": "image_url", "image_url": url}


def lenient(raw: msgspec.Raw) -> str:
    """All the text of a list of parts; "" for what is none."""
    parts = _ANY.decode(raw) if raw != NULL else None
    if not isinstance(parts, list):
        return ""
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n\n".join(text for text in texts if isinstance(text, str))
