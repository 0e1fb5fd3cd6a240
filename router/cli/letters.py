"""What a supervisor and its workers tell each other, over a pair of Unix sockets that nobody else has."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec

from router.census import Table

LOG = logging.getLogger("turnout")
SIZE = 4
"""Bytes of the length that goes before each letter."""
MOST = 64_000_000
Census = tuple[Table, ...]


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Worker: it takes requests."""


class Counted(msgspec.Struct, frozen=True, tag=True):
    """Worker: what it has counted up to now."""

    census: Census
    round: int = 0
    """Of the question that this answers; 0 where nobody asked."""


class Ask(msgspec.Struct, frozen=True, tag=True):
    """Worker: what have all counted? With what it has itself."""

    number: int
    census: Census


class Tell(msgspec.Struct, frozen=True, tag=True):
    """Supervisor: what have you counted?"""

    round: int


class Told(msgspec.Struct, frozen=True, tag=True):
    """Supervisor: what all have counted, those that are gone too."""

    number: int
    census: Census


Letter = Ready | Counted | Ask | Tell | Told
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Letter).decode


def packed(letter: Letter) -> bytes:
    data = _ENCODE(letter)
    return len(data).to_bytes(SIZE, "big") + data


async def read(reader: asyncio.StreamReader) -> Any:
    """The next letter, or None where the other side is gone."""
    try:
        size = int.from_bytes(await reader.readexactly(SIZE), "big")
        return _DECODE(await reader.readexactly(size)) if size <= MOST else None
    except msgspec.DecodeError as error:
        LOG.error("a letter between supervisor and worker cannot be read: %s", error)
        return None
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
