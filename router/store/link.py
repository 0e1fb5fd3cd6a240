"""The one connection to a Redis or Valkey: quick or not at all.

redis-py's defaults wait for seconds and try again. Here a command has 50 ms to connect and 50 ms to be answered, once.
Where that fails the link is down: whoever asks next is told so at once, and only `mend` tries again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import redis.asyncio as redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from router.errors import ConfigError
from router.settings import EMBEDDED, MEMORY, PREFIX
from router.store.base import Down

LOG = logging.getLogger("turnout")
TIMEOUT_S = 0.05
"""To connect, and again for each answer; `?socket_timeout=0.2` in the URL changes the latter."""
CONNECTIONS = 16
"""Of one process, and one for `mend`. More callers at once wait their turn: to have none left is no failure of the
store's."""
SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
QUICK: dict[str, Any] = {
    "protocol": 2,
    "driver_info": None,  # else each connection begins with two round trips to say who it is
}
MENDED = "{turnout}:mended"
Command = Sequence[Any]


class Link:
    """Runs commands. All keys that it is given lie in one slot, so that a Cluster serves them from one node."""

    def __init__(
        self,
        url: str,
        failed: Callable[[], object],
        degraded: Callable[[bool], object],
        seconds: float = TIMEOUT_S,
    ) -> None:
        """`failed` is told of each failure, `degraded` when the link goes down or comes up; a connection and an answer
        may take so many `seconds`. Raises ConfigError."""
        self.where = shown(url)
        self._client = client(url, seconds)
        self._failed, self._degraded = failed, degraded
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self.up = True

    async def run(self, *commands: Command) -> list[Any]:
        """The answers, in one round trip. Raises Down, at once where the link is down or goes down meanwhile."""
        async with self._turns:
            if not self.up:
                raise Down(self.where)
            return await self._run(commands)

    async def mend(self) -> bool:
        """Tries whether it can be reached and written. True where the link is up."""
        try:
            await self._run((("SET", MENDED, "1", "PX", 60_000),))
        except Down:
            return False
        return True

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        try:
            if len(commands) == 1:
                found = [await self._client.execute_command(*commands[0])]
            else:
                pipeline = self._client.pipeline(transaction=False)
                for command in commands:
                    pipeline.execute_command(*command)
                found = await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            self._turn(error)
            raise Down(f"{self.where}: {error}") from None
        self._turn(None)
        return found

    def _turn(self, error: Exception | None) -> None:
        if error is not None:
            self._failed()
        if (error is None) == self.up:
            return
        self.up = error is None
        self._degraded(not self.up)
        if error is None:
            LOG.info("store: %s answers again", self.where)
        else:
            reason = str(error).partition("\n")[0][:200] or type(error).__name__
            LOG.warning("store: %s does not serve (%s); state is this process's own meanwhile", self.where, reason)

    async def close(self) -> None:
        pool = getattr(self._client, "connection_pool", None)
        asked = pool.sentinel_manager.sentinels if isinstance(pool, SentinelConnectionPool) else []
        try:
            for each in (self._client, *asked):
                await each.aclose()
        except (RedisError, OSError, TimeoutError):
            LOG.debug("store: the connection did not close well", exc_info=True)


def client(url: str, seconds: float = TIMEOUT_S) -> Any:
    """A client that connects only when it is used. Raises ConfigError for a URL that is none of SCHEMES."""
    retry = Retry(NoBackoff(), 0)
    quick = {**QUICK, "socket_timeout": seconds, "socket_connect_timeout": seconds}
    try:
        parts, hosts = _apart(url)
        if parts.scheme not in SCHEMES or not (hosts or parts.path):
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise ValueError(f"must be {MEMORY}, {EMBEDDED}, or a URL that begins with one of {known}")
        scheme, _, kind = parts.scheme.partition("+")
        if not kind:
            return redis.Redis.from_url(url, retry=retry, max_connections=CONNECTIONS + 1, **quick)
        login = {"username": unquote(parts.username or "") or None, "password": unquote(parts.password or "") or None}
        options = {**quick, **login, "retry": retry, "ssl": scheme == "rediss"}
        nodes = _nodes(hosts, 26379 if kind == "sentinel" else 6379)
        if kind == "cluster":
            return RedisCluster(startup_nodes=[ClusterNode(*node) for node in nodes], **options)
        service, _, number = parts.path.strip("/").partition("/")
        if not service:
            raise ValueError("name the Sentinel's service: redis+sentinel://host:26379/SERVICE")
        build: Any = Sentinel  # it has no types
        sentinel = build(nodes, sentinel_kwargs={**quick, "ssl": scheme == "rediss"}, **options)
        return sentinel.master_for(service, db=int(number or 0))
    except (ValueError, TypeError, RedisError) as error:
        raise ConfigError(f"{PREFIX}STORE", None, f"{shown(url)}: {error}") from None


def _apart(url: str) -> tuple[SplitResult, str]:
    """The URL, and its hosts by themselves. Raises ValueError.

    They may be a list, and `urlsplit` takes no list with an address in brackets (since the fix of CVE-2024-11168).
    """
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    login, at, hosts = authority.rpartition("@")
    return urlsplit(f"{scheme}{mark}{login}{at}{slash}{path}"), hosts


def _nodes(text: str, port: int) -> list[tuple[str, int]]:
    """`a:1,b,[::1]:2` as hosts and ports. Raises ValueError."""
    found = []
    for each in text.split(","):
        parts = urlsplit(f"//{each}")
        if not parts.hostname:
            raise ValueError(f"{each!r} is no host")
        found.append((parts.hostname, parts.port or port))
    return found


def shown(url: str) -> str:
    """The URL without its password."""
    head, mark, rest = url.partition("://")
    return f"{head}{mark}{rest.rpartition('@')[2].partition('?')[0]}"


async def soon(waited: asyncio.Future[Any], seconds: float) -> bool:
    """Whether it came within the time. What others wait for too is not cancelled."""
    try:
        await asyncio.wait_for(asyncio.shield(waited), seconds)
    except TimeoutError:
        return False
    return True
