"""What one process at a time writes for all: who holds the lease, and the beliefs that everybody serves from.

The lease is a key that expires. Each time it changes hands the epoch grows, and a publication names its epoch: a holder
that was asleep while another took over is refused, whatever it thinks of itself.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from router.store.link import Link
from router.store.log import PREFIX

LEASE_MS = 3_000
"""Longest time in which nobody folds after a holder has died."""
KEPT_MS = 30 * 86_400_000
"""For which beliefs that nobody publishes anew are kept."""
LEASE, EPOCH, HEAD, DATA = (f"{PREFIX}:{name}" for name in ("lease", "epoch", "beliefs", "beliefs:data"))

HOLD = """
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return tonumber(redis.call('GET', KEYS[2])) or 0
end
if held then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local epoch = redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return epoch
"""
PUBLISH = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[5])
redis.call('SET', KEYS[4], ARGV[4], 'PX', ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1
"""


class Board:
    """Every method raises Down where the store does not answer."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._me = secrets.token_hex(8)

    async def hold(self) -> int:
        """Takes or renews the lease. Its epoch, from 1 on; 0 where another has it."""
        (epoch,) = await self._link.run(("EVAL", HOLD, 2, LEASE, EPOCH, self._me, LEASE_MS, KEPT_MS))
        return int(epoch)

    async def publish(self, epoch: int, name: str, data: bytes) -> bool:
        """Puts `data` up under `name`. False where the lease of that epoch is over."""
        keys = (LEASE, EPOCH, HEAD, DATA)
        (done,) = await self._link.run(("EVAL", PUBLISH, 4, *keys, self._me, epoch, name, data, KEPT_MS))
        return bool(done)

    async def head(self) -> str | None:
        """The name of what is up; None where nothing is."""
        (name,) = await self._link.run(("GET", HEAD))
        return name.decode() if name is not None else None

    async def read(self) -> Published | None:
        """What is up."""
        name, data = await self._link.run(("GET", HEAD), ("GET", DATA))
        return Published(name.decode(), data) if name is not None and data is not None else None

    async def release(self) -> None:
        """Gives the lease up, so that nobody has to wait for its end."""
        script = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
        await self._link.run(("EVAL", script, 1, LEASE, self._me))


class Published(NamedTuple):
    name: str
    """Differs for each publication."""
    data: bytes
