"""What passes as it is, in whichever dialect: a request's fields, and what the events of its stream tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import msgspec

from router.wire import body as wire_body
from router.wire import sse
from router.wire.body import refuse_odd
from router.wire.usage import Usage


def fields(body: bytes) -> dict[str, msgspec.Raw]:
    """Of a request. Raises BadRequest for a nesting too deep, and for a key given twice: its translation, by which all
    was decided, has only the last."""
    read = wire_body.read(body)
    for name, raw in read.items():
        if name != "tools":
            refuse_odd(bytes(raw), name[:64])
    return read


class Event(Protocol):
    @property
    def commits(self) -> bool:
        """Whether it carries anything of an answer."""
        ...

    @property
    def ends(self) -> bool:
        """Whether the answer is whole with it."""
        ...

    @property
    def finish_reason(self) -> str | None:
        """In chat completions' words."""
        ...

    def counted(self, before: Usage | None) -> Usage | None:
        """The tokens so far, as chat completions count; `before`: up to the event before it."""
        ...


E = TypeVar("E")


def events(block: bytes, decode: Callable[[bytes], E]) -> Iterator[E]:
    """The events of a block, but for a [DONE], which some servers send in every dialect. Raises as `decode`."""
    return (decode(data) for data in sse.events(block) if not sse.is_done(data))
