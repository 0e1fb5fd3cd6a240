"""What the events of a stream tell that passes as it is, in whichever dialect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from router.wire import sse
from router.wire.usage import Usage


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
