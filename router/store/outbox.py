"""Events of this process that are not in the log yet, or have not come back from it: bounded, in order."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from router.store.event import Event, Taken
from router.verdicts import Said

CAPACITY = 10_000
"""Events that wait at most, about 15 MB; beyond, the oldest are lost."""
Position = tuple[int, int]
"""Of an entry of the log: milliseconds and number."""
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(list[tuple[int, Event]]).decode


class _Item(NamedTuple):
    event: Event
    data: bytes


class Outbox:
    """Numbers its events from 1 on. Whoever reads them back knows by that which it has had already."""

    def __init__(self, lost: Callable[[int], object], capacity: int = CAPACITY) -> None:
        self._lost, self._capacity = lost, capacity
        self._items: OrderedDict[int, _Item] = OrderedDict()
        self._steps: dict[tuple[str, str], list[int]] = {}
        self._runs: dict[tuple[str, str], list[int]] = {}
        self._last = 0
        self._sent = 0
        self._acknowledged: deque[tuple[Position, int]] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, event: Event) -> int:
        """The event's number."""
        self._last += 1
        self._items[self._last] = _Item(event, _ENCODE((self._last, event)))
        for table, key in self._places(event):
            table.setdefault(key, []).append(self._last)
        if len(self._items) > self._capacity:
            self._drop(next(iter(self._items)))
            self._lost(1)
        return self._last

    def batch(self, most: int, most_bytes: int) -> tuple[bytes, int, int] | None:
        """The next events to be sent, as one entry, how many, and the number of the last; None where there are none."""
        if self._last == self._sent:
            return None
        chosen: list[bytes] = []
        size, last = 0, self._sent
        for number in range(self._sent + 1, self._last + 1):
            item = self._items.get(number)
            if item is not None:
                if len(chosen) >= most or (chosen and size + len(item.data) > most_bytes):
                    break
                chosen.append(item.data)
                size += len(item.data)
            last = number
        if not chosen:
            self._sent = last
            return None
        return _array(chosen), len(chosen), last

    def sent(self, last: int, at: Position) -> None:
        """All up to `last` is in the log, in an entry at `at` or before."""
        self._sent = max(self._sent, last)
        self._acknowledged.append((at, last))

    def came(self, number: int) -> None:
        """It came back from the log."""
        if number in self._items:
            self._drop(number)
        self._sent = max(self._sent, number)

    def passed(self, position: Position) -> None:
        """The log was read up to there: what was to be before it and did not come, as after a failover, is sent again,
        under another number, since by now those who read may be beyond its own."""
        while self._acknowledged and self._acknowledged[0][0] <= position:
            last = self._acknowledged.popleft()[1]
            while self._items and (first := next(iter(self._items))) <= last:
                event = self._items[first].event
                self._drop(first)
                self.put(event)

    def coming(self, key_id: str, step_id: str | None, run_id: str | None) -> Sequence[Taken]:
        """The steps that belong to this step or run, in order."""
        if not self._items:
            return ()
        numbers = {*self._steps.get((key_id, step_id or ""), ()), *self._runs.get((key_id, run_id or ""), ())}
        events = [self._items[n].event for n in sorted(numbers)]
        return [e for e in events if isinstance(e, Taken)]

    def knows(self, key_id: str, said: Said) -> bool:
        """Whether there is anything of `key_id` that the verdict could be on."""
        if said.kind == "step":
            return (key_id, said.name) in self._steps
        if said.kind == "run":
            return (key_id, said.name) in self._runs
        events = [item.event for item in self._items.values()]
        return any(isinstance(e, Taken) and (e.decision_id, e.key_id) == (said.name, key_id) for e in events)

    def _places(self, event: Event) -> list[tuple[dict[tuple[str, str], list[int]], tuple[str, str]]]:
        if not isinstance(event, Taken):
            return []
        found = [(self._steps, event.step_id), (self._runs, event.run_id)]
        return [(table, (event.key_id, name)) for table, name in found if name]

    def _drop(self, number: int) -> None:
        for table, key in self._places(self._items.pop(number).event):
            table[key].remove(number)
            if not table[key]:
                del table[key]


def written(position: Position) -> str:
    """As the store names its entries."""
    return f"{position[0]}-{position[1]}"


def position(text: str) -> Position:
    """The reverse; the log's beginning for what is none."""
    milliseconds, _, number = text.partition("-")
    return (int(milliseconds), int(number)) if milliseconds.isdecimal() and number.isdecimal() else (0, 0)


def opened(data: bytes) -> list[tuple[int, Event]]:
    """The numbered events of one entry. Raises msgspec.DecodeError."""
    return _DECODE(data)


def _array(items: list[bytes]) -> bytes:
    """Encoded values as one encoded array (msgpack: 0xdc and two bytes of length)."""
    return b"\xdc" + len(items).to_bytes(2, "big") + b"".join(items)
