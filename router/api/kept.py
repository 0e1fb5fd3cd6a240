"""Responses as they are kept for later ones that build on them: each with its own input, and whom it follows."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from router.errors import BadRequest, NotFound
from router.store.base import Store
from router.wire.responses import ids, items
from router.wire.responses.items import Item


class _Output(msgspec.Struct):
    output: list[msgspec.Raw]


class _Named(msgspec.Struct):
    id: str | None = None


class Kept(msgspec.Struct, frozen=True):
    """One response, without its input."""

    before: tuple[str, ...]
    """The responses that it follows, the first of them first."""
    run: str
    """The run that it belongs to, where nobody says otherwise."""
    response: msgspec.Raw

    def output(self) -> list[msgspec.Raw]:
        return _OUTPUT.decode(self.response).output


class Whole(NamedTuple):
    """A response with its input: its own, without what it took over from those before it."""

    kept: Kept
    input: list[msgspec.Raw]


INPUT = ".input"
"""Behind a response's name: what its input is kept under. Apart, since many a caller sends the whole conversation with
each request, and refers to answers of many responses by name."""
_SHORT, _LONG = 1_024, 262_144
"""Bytes between which a response is packed; 60 KB take half a millisecond."""
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_KEPT = msgspec.json.Decoder(Kept)
_OUTPUT = msgspec.json.Decoder(_Output)
_NAMED = msgspec.json.Decoder(_Named)
_ENCODER = msgspec.json.Encoder()


class Before(NamedTuple):
    """What a request follows."""

    names: tuple[str, ...] = ()
    """Of all responses up to it, the first of them first."""
    run: str | None = None
    items: tuple[msgspec.Raw, ...] = ()
    """Their inputs and outputs."""

    def read(self) -> list[Item]:
        return items.read(self.items, "previous_response_id")


class Shelf:
    """The responses of all keys. None sees another's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, key_id: str, name: str, whole: Whole) -> None:
        await self._store.keep(key_id, name + INPUT, _pack(_ENCODER.encode(whole.input)))
        await self._store.keep(key_id, name, _pack(_ENCODER.encode(whole.kept)))

    async def get(self, key_id: str, name: str) -> Whole:
        """Raises NotFound, the same for what never was, what is gone, and what is another caller's."""
        (found,) = await self._load(key_id, (name,))
        if found is None:
            raise _missing(name)
        return found

    async def drop(self, key_id: str, name: str) -> None:
        """Raises NotFound as `get`."""
        if not ids.RESPONSE.fullmatch(name) or not await self._store.forget(key_id, name):
            raise _missing(name)
        await self._store.forget(key_id, name + INPUT)

    async def before(self, key_id: str, name: str | None) -> Before:
        """What a request that follows `name` builds on. Raises BadRequest where any part of it is gone."""
        if name is None:
            return Before()
        (last,) = await self._load(key_id, (name,))
        earlier = await self._load(key_id, last.kept.before) if last else []
        if last is None or None in earlier:
            raise BadRequest(
                f"The response {name[:64]!r}, or one that it follows, is not kept here. It may be too old, not stored, "
                "or of another key. Send the whole input instead.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return Before((*last.kept.before, name), last.kept.run, _conversation((*earlier, last)))

    async def earlier(self, key_id: str, kept: Kept) -> tuple[msgspec.Raw, ...]:
        """The items that a response took over from those before it, as far as they are still there."""
        return _conversation(await self._load(key_id, kept.before))

    async def items(self, key_id: str, names: Iterable[str]) -> dict[str, msgspec.Raw]:
        """Those of the items called so that are kept, by name."""
        wanted = set(names)
        of_outputs = {found for name in wanted if (found := ids.response_of(name)) and not ids.is_given(name)}
        of_inputs = {found + INPUT for name in wanted if (found := ids.response_of(name)) and ids.is_given(name)}
        every: list[msgspec.Raw] = []
        for data in await self._read(key_id, tuple(of_outputs)):
            every += _KEPT.decode(data).output() if data is not None else ()
        for data in await self._read(key_id, tuple(of_inputs)):
            every += _ITEMS.decode(data) if data is not None else ()
        return {name: item for item in every if (name := _NAMED.decode(item).id) in wanted and name}

    async def _load(self, key_id: str, names: Sequence[str]) -> list[Whole | None]:
        """Each response with its input; None where either is gone."""
        if not all(ids.RESPONSE.fullmatch(name) for name in names):
            return [None] * len(names)  # none of ours: it is not even looked for
        found = await self._read(key_id, (*names, *(name + INPUT for name in names)))
        pairs = zip(found[: len(names)], found[len(names) :], strict=True)
        return [Whole(_KEPT.decode(a), _ITEMS.decode(b)) if a is not None and b is not None else None for a, b in pairs]

    async def _read(self, key_id: str, names: Sequence[str]) -> list[bytes | None]:
        found = await self._store.kept(key_id, names) if names else ()
        return [_unpack(data) if data is not None else None for data in found]


def _pack(data: bytes) -> bytes:
    """Text becomes a third or less; what is short gains nothing, and what is long, mostly pictures, costs too much."""
    return zlib.compress(data, 1) if _SHORT <= len(data) <= _LONG else data


def _unpack(data: bytes) -> bytes:
    return data if data.startswith((b"{", b"[")) else zlib.decompress(data)


def _conversation(chain: Iterable[Whole | None]) -> tuple[msgspec.Raw, ...]:
    return tuple(item for one in chain if one for item in (*one.input, *one.kept.output()))


def _missing(name: str) -> NotFound:
    return NotFound(
        f"There is no response {name[:64]!r}. It may be too old, not stored, or of another key.",
        param="response_id",
        code="response_not_found",
    )
