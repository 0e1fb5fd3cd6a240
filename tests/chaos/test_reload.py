"""Files that change under load: nothing is dropped, and a stream under way keeps what it began with."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import aiohttp

from tests.answers import STREAM
from tests.chaos.process import process
from tests.faulty import Faulty
from tests.proxy.yard import CHAT, HELLO, write_files

CALLERS = 12
TURNS, WRONG = 24, 4
REFUSED = "the files read before keep serving"


async def test_a_reload_under_load_drops_nothing(tmp_path: Path) -> None:
    """Policy and catalog are rewritten again and again, now and then wrongly, while steps come and go, streamed and
    not: each is a 200 and whole, and the last files decide in the end."""
    models = {"cheap": "paused", "middle": "good", "dear": "good"}
    env = {"TURNOUT_RELOAD_INTERVAL": "0.05", "TURNOUT_LEARN": "on"}
    seen: Counter[str] = Counter()
    whole = b"".join(e for e in STREAM if b'"usage": {' not in e)
    async with Faulty() as upstream, process(tmp_path, upstream.url, models, **env) as served:
        files = tmp_path / "policies"
        over = asyncio.Event()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def caller(stream: bool) -> None:
                body = HELLO | ({"stream": True, "model": "cheap"} if stream else {"turnout": {"models": ["middle"]}})
                while not over.is_set():
                    async with session.post(served.url + CHAT, json=body) as got:
                        answer = await got.read()
                    assert not stream or got.status != 200 or answer == whole
                    seen[f"{'streamed' if stream else 'whole'} {got.status}"] += 1

            asking = [asyncio.create_task(caller(n % 2 == 0)) for n in range(CALLERS)]
            turn = 0
            while turn < TURNS or seen["whole 200"] <= 100:  # a busy machine takes more turns to serve as many
                await asyncio.to_thread(edit, files, upstream.url, models, turn)
                await asyncio.sleep(0.1)
                if turn == WRONG:  # until the server has seen it, however busy the machine
                    async with asyncio.timeout(20):
                        while REFUSED not in served.said():  # noqa: ASYNC110 (told by its log)
                            await asyncio.sleep(0.05)
                turn += 1
            over.set()
            await asyncio.gather(*asking)
            await asyncio.to_thread(narrow, files, upstream.url, models)
            async with asyncio.timeout(5):
                while await chosen(session, served.url) != "dear/off":  # noqa: ASYNC110 (told by asking)
                    await asyncio.sleep(0.05)
        assert set(seen) == {"streamed 200", "whole 200"}, seen
        assert seen["whole 200"] > 100 and seen["streamed 200"] >= CALLERS


async def chosen(session: aiohttp.ClientSession, url: str) -> str:
    async with session.post(url + CHAT, json=HELLO) as got:
        assert got.status == 200
        return got.headers["x-turnout-model"]


def edit(files: Path, url: str, models: dict[str, str], turn: int) -> None:
    """Another price, another policy, now and then a file that is wrong."""
    if turn % 6 == WRONG:
        (files / "default.yaml").write_text(json.dumps({"version": 1, "name": "default", "retries": "many"}))
        return
    facts = {"cheap": {"speed": {"tokens_per_s": 1000 + turn, "first_token_s": 0.02}}}
    write_files(files, url, models, {"default": {"deadline": 20 + turn}}, facts if turn % 2 else {})


def narrow(files: Path, url: str, models: dict[str, str]) -> None:
    """A policy that allows one model alone."""
    write_files(files, url, models, {"default": {"constraints": {"models": ["dear"]}}}, {})
