"""The free text inside a function's arguments, `{"input": "..."}`, while they come in pieces."""

from __future__ import annotations

import re

import msgspec

_OPENING = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_PATIENCE = 64
"""Characters in which the opening must be found."""
_WHOLE = re.compile(
    r'(?:[^"\\]|\\[^u]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|\\u(?![dD][89abAB])[0-9a-fA-F]{4})*'
)
"""Characters and escapes of a JSON string that are complete, surrogates in pairs."""


class _Input(msgspec.Struct):
    input: str


_INPUT = msgspec.json.Decoder(_Input)
_TEXT = msgspec.json.Decoder(str)


class Free:
    """What `feed` and `close` return, joined, is `text`."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        """All that has come."""
        self._held = ""
        """What has come and is not told."""
        self._opened: bool | None = None
        """None: nobody can say yet whether the arguments begin as they should."""
        self._texts: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def feed(self, piece: str) -> str:
        """The text that `piece` completes."""
        self._pieces.append(piece)
        if self._opened is False:
            return ""
        self._held += piece
        if self._opened is None:
            found = _OPENING.match(self._held)
            if found is None:
                self._opened = False if len(self._held) > _PATIENCE else None
                return ""
            self._opened, self._held = True, self._held[found.end() :]
        whole = _WHOLE.match(self._held)[0]  # type: ignore[index]
        self._held = self._held[len(whole) :]
        if self._held[:1] == '"':
            self._opened, self._held = False, ""  # the text has ended
        return self._tell(_text(whole))

    def close(self) -> str:
        """What is still to be told: all of it where the arguments are of another form, or no JSON at all."""
        return "" if self._texts or self._opened else self._tell(_input("".join(self._pieces)))

    def _tell(self, text: str) -> str:
        if text:
            self._texts.append(text)
        return text


def _text(inside: str) -> str:
    """The text that stands in a JSON string as `inside`; as it is where a server let an escape pass that is none."""
    try:
        return _TEXT.decode(f'"{inside}"')
    except (msgspec.DecodeError, UnicodeEncodeError):
        return inside


def _input(arguments: str) -> str:
    try:
        return _INPUT.decode(arguments).input
    except (msgspec.DecodeError, UnicodeEncodeError):
        return arguments
